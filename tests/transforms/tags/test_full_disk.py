"""A full disk: clean refusals, nothing lost, and the next run with room goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs.journal import Journal
from genrebeam.pipeline.runs.undo import undo_all
from genrebeam.transforms.tags.change import read_journal
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.conftest import files_of, read_rows, tone, write_audio
from tests.music_files import listed

FORMATS = ("mp3", "flac", "ogg", "m4a")
PAGE = 4096


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB of its own."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root on Linux may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here ({mounted.stderr.strip()})")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def library(small_disk, tmp_path) -> Path:
    folder = small_disk / "library"
    folder.mkdir()
    for format in FORMATS:
        write_audio(folder / f"song.{format}", tone(6, 22050, 2), 22050)
    return folder


def fill_up(disk: Path, room: int = 0) -> Path:
    """Leave only this many bytes free, in whole pages."""
    filler = disk / "filler"
    facts = os.statvfs(disk)
    filler.write_bytes(bytes(facts.f_bavail * facts.f_frsize - room))
    return filler


def tag(library: Path, bundle: str, *options: str) -> int:
    reports = library.parents[1] / "reports"
    return main(["tag", str(library), "--bundle", bundle, "--report", str(reports), *options])


def outcomes(reports: Path) -> set[tuple]:
    rows = read_rows(max((reports / "tracks").iterdir()))
    return {(row["status"], row["stage"], row["error_type"], row["reason"]) for row in rows}


# No room at all; room for a part of a copy, so that writing breaks off in its middle.
@pytest.mark.parametrize("room", [0, 2 * PAGE])
def test_files_that_cannot_be_copied_fail_and_stay(library, tmp_path, tiny_bundle, room):
    before = files_of(library)
    filler = fill_up(library.parent, room)
    assert tag(library, tiny_bundle.path) == 1
    no_space = ("failed", "tag", "OSError", "the disk is full; free some space, then run again")
    assert outcomes(tmp_path / "reports") == {no_space}
    assert files_of(library) == before  # and no file more

    filler.unlink()
    assert tag(library, tiny_bundle.path) == 0
    assert {row[0] for row in outcomes(tmp_path / "reports")} == {"tagged"}
    assert main(["undo", str(tmp_path / "reports")]) == 0
    assert files_of(library) == before


def test_undo_without_room_fails_and_can_be_repeated(library, tmp_path, tiny_bundle, capsys):
    before = files_of(library)
    assert tag(library, tiny_bundle.path) == 0
    after = files_of(library)
    filler = fill_up(library.parent)
    capsys.readouterr()
    assert main(["undo", str(tmp_path / "reports")]) == 1
    shown = capsys.readouterr()
    assert f"{len(FORMATS)} failed" in shown.out
    assert shown.err.count("the disk is full") == len(FORMATS)
    assert files_of(library) == after

    filler.unlink()
    assert main(["undo", str(tmp_path / "reports")]) == 0
    assert files_of(library) == before


def test_a_report_without_room_stops_the_run_and_all_can_be_undone(
    small_disk, tmp_path, tiny_bundle, capsys
):
    music = tmp_path / "music"
    music.mkdir()
    for format in FORMATS:
        write_audio(music / f"song.{format}", tone(6, 22050, 2), 22050)
    before = files_of(music)
    filler = fill_up(small_disk, 4 * PAGE)  # lock, manifest, journal, and what is to be done
    reports = ["--report", str(small_disk / "reports")]
    assert main(["tag", str(music), "--bundle", tiny_bundle.path, *reports]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert set(files_of(music)) == set(before)

    filler.unlink()
    assert main(["undo", str(small_disk / "reports")]) == 0
    assert files_of(music) == before


def test_a_file_stays_where_its_change_cannot_be_noted_whole(small_disk, tmp_path):
    # A disk that fills up takes the beginning of a line and says so only by a number.
    names = [f"{number}.mp3" for number in range(60)]
    for name in names:
        write_audio(tmp_path / name, tone(0.2, 22050), 22050)
    before = {name: (tmp_path / name).read_bytes() for name in names}
    journal = Journal(str(small_disk / "journal.jsonl"))
    fill_up(small_disk, 2 * PAGE)
    failed = []
    for name in names:
        try:
            write_genres(listed(tmp_path / name), ("Jazz",), journal)
        except OSError as error:
            failed.append((name, error.strerror))
    assert {reason for _, reason in failed} == {"No space left on device"}
    assert all((tmp_path / name).read_bytes() == before[name] for name, _ in failed)
    tagged = [name for name in names if (tmp_path / name).read_bytes() != before[name]]
    assert len(tagged) == len(names) - len(failed) > 0
    assert {read_header(str(tmp_path / name))[0].genres for name in tagged} == {("Jazz",)}

    assert {undone.status for undone in undo_all(read_journal(journal.lines()))} == {"restored"}
    assert {name: (tmp_path / name).read_bytes() for name in names} == before
