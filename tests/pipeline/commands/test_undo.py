"""Undo as editors have it: the latest that is not undone yet, by the path first."""

import json
import os
import shutil
from pathlib import Path

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.transforms.tags.header import read_header
from tests.pipeline.runs.made import make_library, tag_all


@pytest.fixture
def library(tmp_path) -> Path:
    return make_library(tmp_path / "music", "a.flac", "b.flac")


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "reports"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.flac")}


def genre_of(path: Path) -> str:
    return ", ".join(read_header(str(path))[0].genres)


def test_a_second_undo_takes_back_the_run_before(library, home, capsys):
    states = [contents(library)]
    runs = []
    for genre in ("Jazz", "Rock", "Something Longer"):
        runs.append(tag_all(home, library, genre))
        states.append(contents(library))
    for step in (3, 2, 1):
        assert contents(library) == states[step]
        capsys.readouterr()
        assert main(["undo", str(home)]) == 0
        said = capsys.readouterr().out
        assert f"run {runs[step - 1].id}: 2 restored" in said
        assert contents(library) == states[step - 1]
        if step > 1:
            assert f"left to undo: 2 files of run {runs[step - 2].id}" in said
        else:
            assert "nothing is left to undo" in said


def test_the_report_folder_is_named_as_for_other_commands_too(library, home, capsys):
    before = contents(library)
    tag_all(home, library, "Jazz")
    assert main(["undo", "--report", str(home)]) == 0
    assert contents(library) == before
    with pytest.raises(SystemExit):
        main(["undo", str(home), "--report", str(home)])
    assert "not allowed with argument" in capsys.readouterr().err


def test_where_nothing_is_to_be_undone_nothing_changes(library, home, capsys):
    run = tag_all(home, library, "Jazz")
    assert main(["undo", str(home)]) == 0
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    for options in ([], ["--track", str(library / "a.flac")], ["--since", "2020-01-01"]):
        capsys.readouterr()
        assert main(["undo", str(home), *options]) == 0
        assert "undone already" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert main(["undo", str(home), "--json"]) == 0
    said = capsys.readouterr().out
    assert json.loads(said.splitlines()[-1])["runs"] == []
    assert run.id not in said


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--status"], ["--run", "1"]])
def test_a_report_that_is_not_there_is_not_made(tmp_path, options, capsys):
    (tmp_path / "empty").mkdir()
    for name in ("typo", "empty"):
        main(["undo", str(tmp_path / name), *options])
    assert os.listdir(tmp_path) == ["empty"]
    assert os.listdir(tmp_path / "empty") == []


def test_what_we_have_changed_is_never_said_to_be_changed_by_others(library, home, capsys):
    first, second = tag_all(home, library, "Jazz"), tag_all(home, library, "Rock")
    assert main(["undo", str(home), "--run", first.id]) == 1
    assert f"changed by run {second.id} since; undo that one first" in capsys.readouterr().err
    assert main(["undo", str(home)]) == 0
    assert main(["undo", str(home)]) == 0
    capsys.readouterr()
    assert main(["undo", str(home), "--run", second.id]) == 0
    said = capsys.readouterr()
    assert "2 as before" in said.out
    assert "others" not in said.err


def test_what_failed_is_tried_again_and_what_others_changed_is_not(library, home, capsys):
    tag_all(home, library, "Jazz")
    (library / "a.flac").rename(library.parent / "a.flac")
    assert main(["undo", str(home)]) == 1
    (library.parent / "a.flac").rename(library / "a.flac")
    assert main(["undo", str(home)]) == 0
    assert genre_of(library / "a.flac") == ""
    tag_all(home, library, "Rock")
    (library / "a.flac").write_bytes(b"edited")
    assert main(["undo", str(home)]) == 1
    assert "changed by others since" in capsys.readouterr().err
    assert main(["undo", str(home)]) == 0
    assert "undone already" in capsys.readouterr().out


def test_the_steps_of_one_file_are_its_own(library, home):
    a, b = library / "a.flac", library / "b.flac"
    before = a.read_bytes()
    tag_all(home, library, "Jazz")
    tag_all(home, library, "Rock")
    assert main(["undo", str(home), "--track", str(a)]) == 0
    assert (genre_of(a), genre_of(b)) == ("Jazz", "Rock")
    assert main(["undo", str(home), "--track", str(a)]) == 0
    assert (a.read_bytes(), genre_of(b)) == (before, "Rock")
    assert main(["undo", str(home)]) == 0
    assert (a.read_bytes(), genre_of(b)) == (before, "Jazz")


def test_of_two_identical_files_only_the_named_one_is_undone(library, home):
    a, b = library / "a.flac", library / "b.flac"
    shutil.copy2(a, b)
    before = a.read_bytes()
    tag_all(home, library, "Jazz")
    assert a.read_bytes() == b.read_bytes() != before
    assert main(["undo", str(home), "--track", str(b)]) == 0
    assert (genre_of(a), b.read_bytes()) == ("Jazz", before)


def test_a_copy_made_since_is_not_restored_in_place_of_the_edited_original(library, home, capsys):
    a, copy = library / "a.flac", library / "copy.flac"
    tag_all(home, library, "Jazz")
    shutil.copy2(a, copy)
    with open(a, "ab") as stream:
        stream.write(b"edited")
    edited, copied = a.read_bytes(), copy.read_bytes()
    assert main(["undo", str(home)]) == 1
    assert (a.read_bytes(), copy.read_bytes()) == (edited, copied)
    assert main(["undo", str(home), "--track", str(copy)]) == 2
    assert "no run has changed" in capsys.readouterr().err
    assert copy.read_bytes() == copied


def test_a_library_behind_a_link_is_undone_by_either_path(library, home, tmp_path):
    (tmp_path / "link").symlink_to(library)
    tag_all(home, tmp_path / "link", "Jazz", [library / "a.flac", library / "b.flac"])
    assert main(["undo", str(home), "--track", str(tmp_path / "link" / "a.flac")]) == 0
    assert (genre_of(library / "a.flac"), genre_of(library / "b.flac")) == ("", "Jazz")


# --- damaged journals and manifests -------------------------------------------------------

DAMAGED = [
    "{",
    "[]",
    "null",
    "[" * 200_000,
    '{"path":' * 100_000,
    '{"path": 3, "undo": 4}',
    '{"path": "/a.flac", "undo": []}',
    '{"version": 99, "path": "/a.flac"}',
    "\x00" * 100,
    "\ud83d\ude00 no ascii",
]


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_costs_that_line(library, home, line, capsys):
    before = contents(library)
    run = tag_all(home, library, "Jazz")
    journal = Path(run.journal.path)
    first, second = journal.read_text().splitlines()
    damaged = line.encode("utf-8", "surrogatepass")
    journal.write_bytes(b"\n".join([first.encode(), damaged, second.encode(), b""]))
    assert main(["undo", str(home)]) == 1
    assert "line 2 of the journal is damaged" in capsys.readouterr().err
    assert contents(library) == before
    assert main(["undo", str(home)]) == 0


@pytest.mark.parametrize("content", [*DAMAGED, "", "3", '{"library": 3}', '{"started_at": "x"}'])
def test_a_damaged_manifest_costs_no_undo(library, home, content, capsys):
    before = contents(library)
    run = tag_all(home, library, "Jazz")
    Path(run.folder, "run.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    assert main(["undo", str(home), "--status"]) == 0
    assert main(["undo", str(home)]) == 0
    assert contents(library) == before


def test_a_pipe_in_place_of_a_manifest_or_a_list_does_not_make_undo_wait(library, home):
    before = contents(library)
    run = tag_all(home, library, "Jazz")
    for name in ("run.json", "undone.jsonl"):
        path = Path(run.folder, name)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    main(["undo", str(home), "--status"])
    main(["undo", str(home)])  # it cannot note what it does, so it does nothing
    for name in ("run.json", "undone.jsonl"):
        Path(run.folder, name).unlink()
    main(["undo", str(home)])
    assert contents(library) == before
