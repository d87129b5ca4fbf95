"""History: every genre that a file had, when, by which model, under whatever name."""

import json
from pathlib import Path

import mutagen
import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs.history import history_of
from genrebeam.pipeline.runs.run import runs_of
from tests.conftest import tone, write_audio


@pytest.fixture
def music(tmp_path) -> Path:
    folder = tmp_path / "müsic"
    folder.mkdir()
    write_audio(folder / "a.flac", tone(8, 44100, 2), 44100)
    write_audio(folder / "b.flac", tone(8, 44100, 2, seed=1), 44100)
    return folder


@pytest.fixture
def tag(music, tmp_path, tiny_bundle):
    common = ["--report", str(tmp_path / "reports"), "--bundle", tiny_bundle.path]
    return lambda *options: main(["tag", str(music), *common, *options])


def kinds(path: Path, tmp_path: Path) -> list[tuple[str, tuple[str, ...]]]:
    events = history_of(str(path), str(tmp_path / "reports"))
    return [(event.what, event.genres) for event in events]


def test_tells_what_a_run_found_and_wrote(music, tag, tmp_path, tiny_bundle):
    path = music / "a.flac"
    file = mutagen.File(path)
    file["genre"] = "Polka"
    file.save()
    tag("--existing", "replace")
    found, tagged = history_of(str(path), str(tmp_path / "reports"))
    assert (found.what, found.genres) == ("found", ("Polka",))
    assert (tagged.what, tagged.model) == ("tagged", f"tiny {tiny_bundle.version}")
    assert 0 < tagged.confidence <= 1
    tag("--existing", "replace")  # which changes nothing
    assert len(kinds(path, tmp_path)) == 2


def test_a_moved_file_keeps_its_past(music, tag, tmp_path):
    tag()
    before = kinds(music / "a.flac", tmp_path)
    moved = (music / "a.flac").rename(music / "other name.flac")
    assert kinds(moved, tmp_path) == before
    tag()
    assert kinds(moved, tmp_path) == before


def test_what_was_given_back_and_what_others_changed_is_reported(music, tag, tmp_path):
    path = music / "a.flac"
    tag()
    main(["undo", str(tmp_path / "reports")])
    file = mutagen.File(path)
    file["genre"] = "Polka"
    file.save()
    tag()
    printed = kinds(path, tmp_path)
    assert [what for what, _ in printed] == ["found", "tagged", "given_back", "found"]
    assert [genres for _, genres in printed if genres != printed[1][1]] == [(), (), ("Polka",)]


def test_a_change_of_a_run_that_died_is_reported_by_its_journal(music, tag, tmp_path):
    tag()
    (run,) = runs_of(str(tmp_path / "reports"))
    for part in Path(run.tracks).iterdir():
        part.unlink()
    ((what, genres),) = kinds(music / "a.flac", tmp_path)
    assert what == "tagged"
    assert genres


def test_command_tells_it_for_a_person_and_for_scripts(music, tag, tmp_path, capsys):
    tag()
    capsys.readouterr()
    command = ["history", str(music / "a.flac"), "--report", str(tmp_path / "reports")]
    assert main(command) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert "found with no genre" in first
    assert " % sure; run " in second
    assert "has now " in last
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [event["what"] for event in facts["events"]] == ["found", "tagged", "now"]


def test_a_file_that_no_run_has_seen_is_said_to_be_none(music, tag, tmp_path, capsys):
    tag()
    capsys.readouterr()
    reports = ["--report", str(tmp_path / "reports")]
    assert main(["history", str(tmp_path / "none.mp3"), *reports]) == 1
    assert "not in any run" in capsys.readouterr().err
    assert main(["history", str(music / "a.flac"), "--report", str(tmp_path / "no")]) == 2
