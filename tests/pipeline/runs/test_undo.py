"""Undo: files come back byte for byte, once is as good as twice, others' changes stay."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import mutagen
import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs.undo import MovedFiles, undo, undo_all
from genrebeam.transforms.tags.change import Change, read_journal
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.rewrite import WritePolicy
from genrebeam.transforms.tags.tag import TagPolicy, tag, write_genres
from tests.conftest import tone, write_audio
from tests.music_files import FORMATS, decision, fill, listed


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    for format in FORMATS:
        rate = 48000 if format == "opus" else 44100
        write_audio(folder / f"empty.{format}", tone(2, rate, 2), rate)
        shutil.copy(folder / f"empty.{format}", folder / f"full.{format}")
        fill(folder / f"full.{format}")
    return folder


@pytest.fixture
def file_of(originals, tmp_path):
    def copy(name: str) -> Path:
        return Path(shutil.copy2(originals / name, tmp_path / name))

    return copy


@pytest.mark.parametrize("kind", ["empty", "full"])
@pytest.mark.parametrize("format", FORMATS)
def test_files_come_back_byte_for_byte(file_of, format, kind):
    path = file_of(f"{kind}.{format}")
    content, time = path.read_bytes(), path.stat().st_mtime_ns
    journal = []
    policy = TagPolicy(write_confidence=True, model="m")
    assert tag(decision(listed(path), "Jazz", "Soul"), policy, journal.append).status == "tagged"
    assert path.read_bytes() != content
    entries = list(read_journal(entry.to_line() for entry in journal))
    assert [undo(entry).status for entry in entries] == ["restored"]
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == time
    assert [undo(entry).status for entry in entries] == ["as_before"]
    assert os.listdir(path.parent) == [path.name]


def test_the_journal_is_small_beside_the_file(file_of):
    for name in ("full.flac", "full.mp3", "full.m4a", "full.ogg"):
        path, journal = file_of(name), []
        write_genres(listed(path), ["Jazz"], journal.append)
        assert len("".join(entry.to_line() for entry in journal)) < 0.2 * path.stat().st_size, name


def tagged(path: Path, *genres: str) -> list[Change]:
    journal = []
    for genre in genres:
        write_genres(listed(path), [genre], journal.append)
    return journal


def test_several_changes_of_one_file_are_undone_backwards(file_of):
    path = file_of("full.mp3")
    content = path.read_bytes()
    journal = tagged(path, "Jazz", "Something much longer than that", "Soul")
    assert [undone.status for undone in undo_all(journal)] == ["restored"] * 3
    assert path.read_bytes() == content


def test_a_file_that_others_changed_is_left_as_it_is(file_of):
    path = file_of("full.flac")
    (entry,) = tagged(path, "Jazz")
    file = mutagen.File(path)
    file["title"] = "changed by hand"
    file.save()
    content = path.read_bytes()
    undone = undo(entry)
    assert (undone.status, undone.reason) == ("changed", "changed by others since")
    assert path.read_bytes() == content


def test_dry_run_changes_nothing(file_of):
    path = file_of("full.mp3")
    (entry,) = tagged(path, "Jazz")
    content = path.read_bytes()
    assert undo(entry, dry_run=True).status == "would_restore"
    assert path.read_bytes() == content


def test_a_file_that_is_gone_is_reported(file_of):
    path = file_of("full.mp3")
    (entry,) = tagged(path, "Jazz")
    path.unlink()
    undone = undo(entry)
    assert (undone.status, undone.reason) == ("gone", "no longer there")


def test_a_file_that_was_moved_is_found_by_what_is_in_it(file_of, tmp_path):
    path = file_of("full.mp3")
    content = path.read_bytes()
    (entry,) = tagged(path, "Jazz")
    (tmp_path / "b").mkdir()
    new_path = path.rename(tmp_path / "b" / "Other name.mp3")
    file_of("full.flac")  # which is none
    moved = MovedFiles(str(tmp_path))
    assert undo(entry, dry_run=True, moved=moved).path == str(new_path)
    undone = undo(entry, moved=moved)
    assert (undone.path, undone.status) == (str(new_path), "restored")
    assert undone.reason == f"moved from {path}"
    assert new_path.read_bytes() == content
    assert undo(entry, moved=MovedFiles(str(tmp_path))).status == "as_before"


def test_a_copy_made_since_is_not_restored_in_place_of_a_file_that_was_edited(file_of, tmp_path):
    path = file_of("full.mp3")
    (entry,) = tagged(path, "Jazz")
    copy = Path(shutil.copy(path, tmp_path / "copy.mp3"))
    content = copy.read_bytes()
    path.write_bytes(b"edited" * 1000)
    assert undo(entry, moved=MovedFiles(str(tmp_path))).status == "changed"
    assert (copy.read_bytes(), path.read_bytes()) == (content, b"edited" * 1000)


def test_of_two_copies_of_a_moved_file_none_is_guessed(file_of, tmp_path):
    path = file_of("full.mp3")
    (entry,) = tagged(path, "Jazz")
    content = path.read_bytes()
    for name in ("b.mp3", "c.mp3"):
        (tmp_path / name).write_bytes(content)
    path.unlink()
    undone = undo(entry, moved=MovedFiles(str(tmp_path)))
    assert undone.status == "failed"
    assert "2 files are what it was" in undone.reason
    assert (tmp_path / "b.mp3").read_bytes() == (tmp_path / "c.mp3").read_bytes() == content


def test_a_crash_before_the_file_changed_leaves_nothing_to_undo(file_of, monkeypatch):
    path, journal = file_of("full.mp3"), []
    content = path.read_bytes()

    def dies(*arguments):
        raise SystemExit

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(SystemExit):
        write_genres(listed(path), ["Jazz"], journal.append)
    monkeypatch.undo()
    assert [undo(entry).status for entry in journal] == ["as_before"]
    assert path.read_bytes() == content


def test_a_line_that_was_cut_off_is_left_out(file_of):
    (entry,) = tagged(file_of("full.mp3"), "Jazz")
    lines = [entry.to_line(), "\n", '{"path": "/b", "und']
    (read,) = read_journal(lines)
    assert dataclasses.replace(read, seal="") == entry


def test_a_damaged_line_is_reported_and_the_others_are_undone(file_of):
    path = file_of("full.mp3")
    content = path.read_bytes()
    (entry,) = tagged(path, "Jazz")
    entries = read_journal(["{damaged}\n", entry.to_line()])
    assert [(undone.status, undone.reason) for undone in undo_all(entries)] == [
        ("failed", "line 1 of the journal is damaged"),
        ("restored", ""),
    ]
    assert path.read_bytes() == content


def test_an_edit_of_the_same_size_is_not_undone(file_of):
    path = file_of("full.mp3")
    (entry,) = tagged(path, "Jazz")
    content = path.read_bytes().replace(b"replaygain_track_gain", b"REPLAYGAIN_TRACK_GAIN")
    path.write_bytes(content)
    assert undo(entry).status == "changed"
    assert path.read_bytes() == content


def test_a_link_stays_a_link(file_of, tmp_path):
    path = file_of("full.mp3")
    content = path.read_bytes()
    (entry,) = tagged(path, "Jazz")
    path.rename(tmp_path / "moved.mp3")
    path.symlink_to("moved.mp3")
    assert undo(entry).status == "restored"
    assert path.is_symlink()
    assert path.read_bytes() == content


def test_hard_links_made_since_are_not_changed_unasked(file_of, tmp_path):
    path = file_of("full.mp3")
    (entry,) = tagged(path, "Jazz")
    os.link(path, tmp_path / "snapshot.mp3")
    for dry_run in (True, False):
        undone = undo(entry, dry_run=dry_run)
        assert (undone.status, "2 hard links" in undone.reason) == ("failed", True)


def test_hard_links_are_changed_and_restored_in_place_where_there_is_room(file_of, tmp_path):
    path, journal = file_of("full.mp3"), []
    write_genres(listed(path), ["Something long"], journal.append)  # makes room
    os.link(path, tmp_path / "other.mp3")
    content = path.read_bytes()
    policy = TagPolicy(write=WritePolicy(in_place_links=True))
    journal.clear()
    write_genres(listed(path), ["Jazz"], journal.append, policy)
    assert path.samefile(tmp_path / "other.mp3")
    assert read_header(str(tmp_path / "other.mp3"))[0].genres == ("Jazz",)
    assert [undo(entry).status for entry in journal] == ["restored"]
    assert path.samefile(tmp_path / "other.mp3")
    assert path.read_bytes() == content


def test_hard_links_are_refused_in_place_where_the_sound_would_move(file_of, tmp_path):
    path = file_of("empty.flac")
    os.link(path, tmp_path / "other.flac")
    content = path.read_bytes()
    policy = TagPolicy("replace", write=WritePolicy(in_place_links=True))
    outcome = tag(decision(listed(path), "x" * 20_000), policy, [].append)
    assert outcome.status == "refused"
    assert "no room for a change in place" in outcome.reason
    assert path.read_bytes() == content


def test_keep_mtime(file_of):
    path = file_of("full.ogg")
    time = path.stat().st_mtime_ns
    write_genres(listed(path), ["Jazz"], [].append, TagPolicy(write=WritePolicy(keep_mtime=True)))
    assert path.stat().st_mtime_ns == time
    assert read_header(str(path))[0].genres == ("Jazz",)


# --- the command ------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path, tiny_bundle):
    folder = tmp_path / "müsic"
    folder.mkdir()
    for name in ("a.mp3", "b.flac", "caf\udce9.ogg"):
        source = tmp_path / f"source{Path(name).suffix}"
        write_audio(source, tone(8, 44100, 2), 44100)
        source.rename(folder / name)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_undo_command_restores_the_latest_run(library, tmp_path, tiny_bundle, capsys):
    before = contents(library)
    reports = ["--report", str(tmp_path / "reports"), "--bundle", tiny_bundle.path]
    assert main(["tag", str(library), *reports]) == 0
    after = contents(library)
    assert all(after[name] != before[name] for name in before)
    assert main(["tag", str(library), *reports]) == 0  # changes nothing, hides nothing
    capsys.readouterr()
    assert main(["undo", str(tmp_path / "reports"), "--dry-run"]) == 0
    assert "3 would restore" in capsys.readouterr().out
    assert contents(library) == after
    assert main(["undo", str(tmp_path / "reports")]) == 0
    assert "3 restored" in capsys.readouterr().out
    assert contents(library) == before
    assert main(["undo", str(tmp_path / "reports")]) == 0
    assert "undone already" in capsys.readouterr().out


def test_what_was_undone_is_tagged_again_though_size_and_time_are_the_same(
    library, tmp_path, tiny_bundle, capsys
):
    arguments = ["--report", str(tmp_path / "reports"), "--bundle", tiny_bundle.path]
    main(["tag", str(library), *arguments, "--keep-mtime"])
    main(["tag", str(library), *arguments, "--keep-mtime"])
    assert "3 unchanged" in capsys.readouterr().out
    main(["undo", str(tmp_path / "reports")])
    capsys.readouterr()
    main(["tag", str(library), *arguments, "--keep-mtime"])
    assert "3 tagged" in capsys.readouterr().out


def test_undo_command_lists_what_it_left_alone(library, tmp_path, tiny_bundle, capsys):
    reports = ["--report", str(tmp_path / "reports"), "--bundle", tiny_bundle.path]
    main(["tag", str(library), *reports])
    with open(library / "a.mp3", "ab") as stream:
        stream.write(b"more")
    assert main(["undo", str(tmp_path / "reports")]) == 1
    shown = capsys.readouterr()
    assert shown.err == f"{library}/a.mp3: changed by others since\n"
    assert "1 left alone (changed since), 2 restored" in shown.out


def test_undo_command_takes_a_run_by_name(library, tmp_path, tiny_bundle, capsys):
    before = contents(library)
    reports = ["--report", str(tmp_path / "reports"), "--bundle", tiny_bundle.path]
    main(["tag", str(library), *reports])
    (run,) = (tmp_path / "reports" / "tracks").iterdir()
    assert main(["undo", str(tmp_path / "reports"), "--run", run.name]) == 0
    assert contents(library) == before
    capsys.readouterr()
    assert main(["undo", str(tmp_path / "reports"), "--run", "none"]) == 2
    assert capsys.readouterr().err.endswith("has no run none\n")
    assert main(["undo", str(tmp_path / "none")]) == 2
    assert main(["undo", str(library)]) == 2
    assert "has no run that changed files" in capsys.readouterr().err


# --- aimed ------------------------------------------------------------------------------


@pytest.fixture
def albums(tmp_path, tiny_bundle) -> Path:
    """Two albums, tagged in two runs: `One` in the first, `Two` in the second."""
    folder = tmp_path / "music"
    for album, name in (("One", "a"), ("One", "b"), ("Two", "c")):
        path = folder / album / f"{name}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_audio(path, tone(8, 44100, 2, seed=ord(name)), 44100)
        file = mutagen.File(path)
        file["album"] = f"{album} More Time"
        file.save()
    return folder


@pytest.fixture
def run(albums, tmp_path, tiny_bundle):
    """Tag or undo with the reports of this test."""
    reports = str(tmp_path / "reports")

    def call(command: str, *options: str) -> int:
        if command == "undo":
            return main(["undo", reports, *options])
        common = ["--report", reports, "--bundle", tiny_bundle.path]
        return main(["tag", str(albums), *common, *options])

    call.options = ["--report", reports, "--bundle", tiny_bundle.path]
    return call


def genres_in(folder: Path) -> dict[str, bool]:
    """Whether files have a genre, by name."""
    return {path.stem: bool(read_header(str(path))[0].genres) for path in folder.rglob("*.flac")}


def test_undo_takes_back_one_file_or_folder(albums, run, capsys):
    assert run("tag") == 0
    assert run("undo", "--track", str(albums / "One" / "a.flac")) == 0
    assert genres_in(albums) == {"a": False, "b": True, "c": True}
    assert run("undo", "--track", str(albums / "Two")) == 0
    assert genres_in(albums) == {"a": False, "b": True, "c": False}
    capsys.readouterr()
    assert run("undo", "--track", str(albums / "none.flac")) == 2
    assert "no run has changed" in capsys.readouterr().err


def test_undo_takes_back_a_file_by_the_name_that_it_has_now(albums, run):
    assert run("tag") == 0
    moved = (albums / "One" / "a.flac").rename(albums / "Two" / "x.flac")
    assert run("undo", "--track", str(moved)) == 0
    assert genres_in(albums) == {"x": False, "b": True, "c": True}


def test_undo_takes_back_an_album(albums, run):
    assert run("tag") == 0
    assert run("undo", "--album", "one more TIME") == 0
    assert genres_in(albums) == {"a": False, "b": False, "c": True}


def test_what_was_taken_back_in_part_is_tagged_again(albums, run):
    assert run("tag", "--keep-mtime") == 0
    assert run("undo", "--album", "Two More Time") == 0
    assert run("tag", "--keep-mtime") == 0
    assert genres_in(albums) == {"a": True, "b": True, "c": True}


def test_undo_takes_back_all_runs_since_a_day(albums, run, capsys):
    one = albums / "One"
    content = {path: path.read_bytes() for path in albums.rglob("*.flac")}
    two = (albums / "Two").rename(albums.parent / "Two")
    assert run("tag") == 0
    two.rename(albums / "Two")
    assert run("tag") == 0
    capsys.readouterr()
    assert run("undo", "--since", "2020-01-01", "--dry-run") == 0
    assert "2 runs: 3 would restore" in capsys.readouterr().out
    assert run("undo", "--since", "2020-01-01", "--track", str(one)) == 0
    assert genres_in(albums) == {"a": False, "b": False, "c": True}
    assert run("undo", "--since", "2020-01-01") == 0
    assert {path: path.read_bytes() for path in content} == content
    assert run("undo", "--since", "2100-01-01") == 2
    assert run("undo", "--since", "yesterday") == 2
    assert "yesterday: not a date or time" in capsys.readouterr().err


def test_dry_run_lists_files_and_their_genres(albums, run, capsys):
    assert run("tag") == 0
    capsys.readouterr()
    assert run("undo", "--dry-run") == 0
    *files, summary = capsys.readouterr().out.splitlines()
    assert "3 would restore" in summary
    assert {line.partition(": ")[0] for line in files} == set(map(str, albums.rglob("*.flac")))
    assert all(line.endswith(" -> no genre") for line in files)


def test_status_lists_runs_and_what_was_taken_back(albums, run, capsys):
    assert run("tag") == 0
    assert run("undo", "--album", "One More Time") == 0
    capsys.readouterr()
    before = contents(albums / "Two")
    assert run("undo", "--status") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert ", 3 files changed, 2 restored " in line
    assert contents(albums / "Two") == before
    assert run("undo", "--status", "--json") == 0
    (facts,) = json.loads(capsys.readouterr().out)["runs"]
    assert (facts["changed"], facts["restored"], facts["library"]) == (3, 2, str(albums))


def test_undo_command_finds_files_that_were_moved(albums, run, tmp_path, capsys):
    content = {path.stem: path.read_bytes() for path in albums.rglob("*.flac")}
    assert run("tag") == 0
    (albums / "One").rename(albums / "Uno")
    (albums / "Two" / "c.flac").rename(tmp_path / "c.flac")  # out of the library
    capsys.readouterr()
    assert run("undo") == 1
    shown = capsys.readouterr()
    assert "2 restored" in shown.out
    assert shown.err.endswith(f"c.flac: no longer there, and not elsewhere in {albums}\n")
    assert run("undo", "--library", str(tmp_path)) == 0
    found = {path.stem: path.read_bytes() for path in tmp_path.rglob("*.flac")}
    assert found == content


def test_a_deleted_file_does_not_stand_before_the_runs_that_were_before(albums, run, capsys):
    (albums / "Two").rename(albums.parent / "new")
    content = {path.name: path.read_bytes() for path in albums.rglob("*.flac")}
    assert run("tag") == 0
    (albums.parent / "new").rename(albums / "Two")
    assert run("tag") == 0
    deleted = (albums / "Two" / "c.flac").read_bytes()
    (albums / "Two" / "c.flac").unlink()
    capsys.readouterr()
    assert run("undo") == 1
    shown = capsys.readouterr()
    assert "1 no longer there" in shown.out
    assert "left to undo: 2 files" in shown.out
    assert run("undo") == 0
    assert {path.name: path.read_bytes() for path in albums.rglob("*.flac")} == content
    (albums / "Two" / "c.flac").write_bytes(deleted)
    assert run("undo") == 0  # it is back
    assert genres_in(albums) == {"a": False, "b": False, "c": False}


@pytest.mark.parametrize("is_named", [False, True])
def test_a_copy_of_a_deleted_file_keeps_what_its_own_run_wrote(albums, run, is_named):
    copy, original = albums / "One" / "copy.flac", albums / "One" / "a.flac"
    before = original.read_bytes()
    assert run("tag") == 0
    copy.write_bytes(before)
    assert (run("tag") if not is_named else main(["tag", str(copy), *run.options])) == 0
    assert copy.read_bytes() == original.read_bytes() != before
    copy.unlink()
    assert run("undo") == 1
    assert original.read_bytes() != before


def test_the_summary_does_not_say_that_undo_changed_what_others_changed(albums, run, capsys):
    assert run("tag") == 0
    for path in albums.rglob("*.flac"):
        file = mutagen.File(path)
        file["title"] = "by hand"
        file.save()
    capsys.readouterr()
    assert run("undo") == 1
    assert "3 left alone (changed since)" in capsys.readouterr().out
