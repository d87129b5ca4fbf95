"""Unchanged, and prune: what an unchanged night leaves, and what old runs lose."""

import json
import os
from pathlib import Path

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs.history import history_of
from genrebeam.pipeline.runs.run import runs_of
from tests.conftest import files_of, read_rows, tone, write_audio


@pytest.fixture
def library(tmp_path) -> Path:
    for name in ("a.flac", "b.flac"):
        (tmp_path / "music").mkdir(exist_ok=True)
        write_audio(tmp_path / "music" / name, tone(8, seed=ord(name[0])), 22050)
    return tmp_path / "music"


@pytest.fixture
def reports(tmp_path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def tag(library, reports, tiny_bundle, capsys):
    """Run, and give what `--json` prints."""

    def run(*options: str) -> dict:
        capsys.readouterr()
        arguments = ["--bundle", tiny_bundle.path, "--report", str(reports), "--json", *options]
        main(["tag", str(library), *arguments])
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def prune(reports, capsys):
    def run(*options: str) -> dict:
        capsys.readouterr()
        assert main(["prune", "--report", str(reports), "--keep", "0d", "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)["removed"]

    return run


def folders_of_tracks(reports: Path) -> list[str]:
    return sorted(os.listdir(reports / "tracks"))


def test_a_run_without_news_leaves_a_few_kilobytes(tag, reports):
    first = tag()
    before = sum(len(content) for content, _ in files_of(reports).values())
    for _ in range(2):
        again = tag()
        assert again["counts"] == {"unchanged": 2}
        assert (again["page"], again["tracks"]) == (first["page"], first["tracks"])
        assert again["run"] != first["run"]
    after = sum(len(content) for content, _ in files_of(reports).values())
    assert after - before < 2 * 4096
    assert folders_of_tracks(reports) == [f"run={first['run']}"]
    assert os.readlink(reports / "latest") == f"runs/{first['run']}"


def test_a_file_that_fails_every_night_is_no_news(library, tag, reports):
    (library / "broken.mp3").touch()
    assert tag()["counts"] == {"tagged": 2, "failed": 1}
    assert tag()["counts"] == {"unchanged": 2, "failed": 1}
    assert len(folders_of_tracks(reports)) == 1
    (library / "broken.mp3").write_bytes(b"ID3")
    tag()
    write_audio(library / "broken.mp3", tone(8), 22050)
    assert tag()["counts"]["tagged"] == 1


@pytest.mark.parametrize("news", ["new", "gone", "moved", "changed", "by hand"])
def test_news_keeps_its_rows(library, tag, reports, news):
    tag()
    if news == "new":
        write_audio(library / "c.flac", tone(8, seed=9), 22050)
    elif news == "gone":
        (library / "b.flac").unlink()
    elif news == "moved":
        (library / "b.flac").rename(library / "c.flac")
    elif news == "changed":
        os.utime(library / "b.flac", ns=(1, 1))
    else:
        assert main(["undo", str(reports), "--track", str(library / "b.flac"), "--quiet"]) == 0
    run = tag()["run"]
    assert f"run={run}" in folders_of_tracks(reports)
    assert len(read_rows(reports / "tracks" / f"run={run}")) == len(os.listdir(library))


def test_other_options_and_every_file_again_are_news(tag, reports):
    tag()
    tag("--top-k", "2")
    tag("--no-incremental")
    assert len(folders_of_tracks(reports)) == 3


def test_a_dry_run_and_a_run_do_not_stand_for_each_other(tag, reports):
    tag("--dry-run")
    tag()
    tag("--dry-run")
    assert len(folders_of_tracks(reports)) == 3


def test_after_nights_without_news_a_file_is_still_known(library, tag):
    for _ in range(3):
        first = tag()
    write_audio(library / "c.flac", tone(8, seed=9), 22050)
    assert tag()["counts"] == {"tagged": 1, "unchanged": 2}
    (library / "a.flac").rename(library / "d.flac")
    assert tag()["counts"] == {"unchanged": 3}
    assert first["counts"] == {"unchanged": 2}


def test_report_names_the_run_that_a_run_without_news_repeats(tag, reports, capsys):
    first, again = tag(), tag()
    assert main(["report", str(reports), "--run", again["run"]]) == 2
    assert f"see run {first['run']}" in capsys.readouterr().err
    assert main(["report", str(reports)]) == 0


def test_prune_keeps_what_undo_and_history_need(library, tag, prune, reports):
    before = files_of(library)
    first = tag()
    tag()
    write_audio(library / "c.flac", tone(8, seed=9), 22050)
    tag()
    (library / "c.flac").unlink()
    tag()
    tag()
    was = [event.what for event in history_of(str(library / "a.flac"), str(reports))]
    gone = [event.what for event in history_of(str(library / "c.flac"), str(reports))]
    assert prune("--dry-run") == prune() != {}
    assert prune() == {}
    assert [event.what for event in history_of(str(library / "a.flac"), str(reports))] == was
    assert [event.what for event in history_of(str(library / "c.flac"), str(reports))] == gone
    assert tag()["counts"] == {"unchanged": 2}
    assert main(["undo", str(reports), "--run", first["run"], "--quiet"]) == 0
    assert files_of(library) == before


def test_prune_removes_pages_and_skipped_rows_of_old_runs_only(library, tag, prune, reports):
    first = tag()
    tag()
    write_audio(library / "c.flac", tone(8, seed=9), 22050)
    second = tag()
    write_audio(library / "d.flac", tone(8, seed=10), 22050)
    third = tag()
    assert main(["prune", "--report", str(reports), "--quiet"]) == 0
    assert len(runs_of(str(reports))) == 4
    assert prune() == {"page": 2, "run": 1, "part": 1}
    assert [run.id for run in runs_of(str(reports)) if run.has_page] == [third["run"]]
    left = read_rows(reports / "tracks" / f"run={second['run']}")
    assert {row["status"] for row in left} == {"tagged"}
    assert len(read_rows(reports / "tracks" / f"run={first['run']}")) == 2
    assert len(read_rows(reports / "tracks" / f"run={third['run']}")) == 4


def test_prune_follows_no_link(tag, prune, reports, tmp_path):
    first = tag()
    tag("--no-incremental")
    folder = reports / "runs" / first["run"]
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    prune()
    assert (tmp_path / "elsewhere" / "report.html").exists()


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "99999y"])
def test_an_age_that_is_none_is_refused(reports, age):
    with pytest.raises(SystemExit):
        main(["prune", "--report", str(reports), f"--keep={age}"])
