"""runs, and the commands that find their reports by themselves."""

import json
import os
import webbrowser
from pathlib import Path

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.options.home import make_home, report_of
from tests.pipeline.runs.made import make_library, tag_all


@pytest.fixture
def music(tmp_path, monkeypatch) -> Path:
    """A library with two runs in its home; the present folder is in it."""
    library = make_library(tmp_path / "music", "a/one.flac", "a/two.flac")
    report = report_of(str(library))
    make_home(report, str(library))
    for genre in ("Jazz", "Rock"):
        tag_all(Path(report), library, genre)
    monkeypatch.chdir(library / "a")
    return library


def lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_runs_are_listed_the_oldest_first(music, capsys):
    assert main(["runs"]) == 0
    first, second = lines(capsys)
    assert first < second
    assert str(music) in first


def test_json_has_a_fact_for_each_question(music, capsys):
    assert main(["runs", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["library"] for run in runs] == [str(music)] * 2
    assert {run["state"] for run in runs} == {"finished"}
    assert {run["report"] for run in runs} == {report_of(str(music))}
    assert not any(run["dry_run"] for run in runs)


def test_a_run_that_was_killed_is_not_running(music, capsys):
    from genrebeam.pipeline.runs.lock import locked
    from genrebeam.pipeline.runs.run import runs_of, start_run

    report = report_of(str(music))
    _, second = runs_of(report)
    second.write_manifest({**second.read_manifest(), "state": "running"})
    start_run(report)  # killed before it had a manifest
    assert main(["runs"]) == 0
    assert ["; killed" in line for line in lines(capsys)] == [False, True, True]
    with locked(report):
        assert main(["runs"]) == 0
    assert ["; running" in line for line in lines(capsys)] == [False, False, True]


def test_what_was_undone_is_said(music, capsys):
    assert main(["undo"]) == 0
    assert main(["undo", "--track", "one.flac"]) == 0
    capsys.readouterr()
    assert main(["runs"]) == 0
    first, second = lines(capsys)
    assert first.endswith("but 1 file")
    assert "undone" in second
    assert "but" not in second


def test_runs_on_all_libraries_are_listed_on_request(music, tmp_path, capsys):
    other = make_library(tmp_path / "other", "one.flac")
    make_home(report_of(str(other)), str(other))
    tag_all(Path(report_of(str(other))), other, "Jazz")
    assert main(["runs"]) == 0
    assert len(lines(capsys)) == 2
    assert main(["runs", "--all"]) == 0
    assert len(lines(capsys)) == 3


def test_undo_of_a_run_finds_its_report_from_anywhere(music, tmp_path, monkeypatch, capsys):
    other = make_library(tmp_path / "other", "one.flac")
    make_home(report_of(str(other)), str(other))
    tag_all(Path(report_of(str(other))), other, "Jazz")
    (run,) = os.listdir(os.path.join(report_of(str(other)), "runs"))
    assert main(["undo", "--run", run]) == 0
    assert "1 restored" in capsys.readouterr().out


def test_a_report_that_is_configured_for_tag_counts_for_all(music, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GENREBEAM_REPORT", str(tmp_path / "named"))
    tag_all(tmp_path / "named", music, "Pop")
    for command in (["runs"], ["undo", "--status"]):
        assert main(command) == 0
        assert len(lines(capsys)) == 1


def test_the_newest_page_is_opened_and_latest_leads_to_it(music, monkeypatch, capsys):
    from genrebeam.pipeline.commands.command import try_write_page
    from genrebeam.pipeline.runs.run import RunResult, rows_of, runs_of

    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda page: opened.append(page) or True)
    report = report_of(str(music))
    assert main(["report", "--open"]) == 2
    first, second = runs_of(report)
    for run in (first, second):
        assert try_write_page(run, RunResult(run.read_manifest(), rows_of([run]))) == run.page
    assert main(["report", "--open"]) == 0
    assert opened == [Path(second.page).as_uri()]
    assert os.readlink(os.path.join(report, "latest")) == f"runs/{second.id}"


def test_what_is_in_the_way_of_latest_stays(music):
    from genrebeam.pipeline.runs.run import runs_of

    report = Path(report_of(str(music)))
    (report / "latest").write_text("mine")
    runs_of(str(report))[0].mark_latest()
    assert (report / "latest").read_text() == "mine"
    assert not list(report.glob(".*.new"))


def test_a_page_without_a_browser_is_named(music, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(webbrowser, "open", lambda page: False)
    page = tmp_path / "page.html"
    assert main(["report", "--open", "--out", str(page)]) == 1
    assert f"open {page}" in capsys.readouterr().err
    assert main(["report", "--open", "--csv"]) == 2
    assert main(["report", "--out", "-"]) == 2
