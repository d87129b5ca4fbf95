"""Links that are laid after the walk: no write leaves the library."""

import dataclasses
import os
from pathlib import Path

import pytest

from genrebeam.transforms.library.walk import walk
from genrebeam.transforms.records import TagWriteError
from genrebeam.transforms.storage import ChangedMeanwhile, storage_of
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.rewrite import WritePolicy
from genrebeam.transforms.tags.tag import TagPolicy, write_genres
from tests.music_files import listed
from tests.pipeline.runs.made import make_library


@pytest.fixture
def library(tmp_path) -> Path:
    return make_library(tmp_path / "music", "album/a.flac", ".hidden/b.flac")


@pytest.fixture
def outside(tmp_path) -> Path:
    return make_library(tmp_path / "outside", "a.flac") / "a.flac"


def policy_of(library: Path) -> TagPolicy:
    return TagPolicy("replace", write=WritePolicy(library=str(library)))


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_that_leads_out_is_not_followed(library, outside, what):
    song = library / "album" / "a.flac"
    track = listed(song)
    laid = song if what == "file" else song.parent
    laid.rename(library / "moved")
    laid.symlink_to(outside if what == "file" else outside.parent)
    now = os.stat(song)
    track = track.as_written(now.st_size, now.st_mtime_ns)  # as if the size and time were the same
    content = outside.read_bytes()
    with pytest.raises(TagWriteError, match="leads out of the library by now"):
        write_genres(track, ("Jazz",), [].append, policy_of(library))
    assert outside.read_bytes() == content
    assert os.listdir(outside.parent) == ["a.flac"]


@pytest.mark.parametrize("when", ["while the copy is changed", "while the journal is written"])
def test_also_where_it_is_laid_in_the_last_moment(library, outside, when):
    song = library / "album" / "a.flac"
    content, theirs = song.read_bytes(), outside.read_bytes()
    storage = storage_of(str(song))
    found = storage.find(str(song))

    def lay() -> None:
        song.parent.rename(library / "moved")
        song.parent.symlink_to(outside.parent)

    def announce(after) -> None:
        if when == "while the journal is written":
            lay()

    with storage.changing(found, "flac") as (_, copy):
        with open(copy, "ab") as stream:
            stream.write(b"changed")
        if when == "while the copy is changed":
            lay()
            with pytest.raises(ChangedMeanwhile):
                storage.put(found, copy, announce)
        else:
            storage.put(found, copy, announce)  # in the folder that it was, where that is now
    moved = library / "moved" / "a.flac"
    changed = content + b"changed" if when == "while the journal is written" else content
    assert moved.read_bytes() == changed
    assert outside.read_bytes() == theirs
    assert os.listdir(outside.parent) == ["a.flac"]


def test_a_link_in_place_of_the_copy_gets_no_owner_mode_or_content(library, outside):
    song = library / "album" / "a.flac"
    song.chmod(0o606)
    outside.chmod(0o600)
    content, theirs = song.read_bytes(), outside.read_bytes()
    storage = storage_of(str(song))
    found = storage.find(str(song))
    with storage.changing(found, "flac") as (_, copy):
        os.unlink(copy)
        os.symlink(outside, copy)
        with pytest.raises(OSError, match="symbolic links"):
            storage.put(found, copy, lambda after: None)
    assert (song.read_bytes(), outside.read_bytes()) == (content, theirs)
    assert outside.stat().st_mode & 0o777 == 0o600


def test_links_within_the_library_go_on_working(library):
    link = library / "album" / "link.flac"
    link.symlink_to(library / ".hidden" / "b.flac")
    (track,) = (found for found in walk(str(library)) if found.uri == str(link))
    track = dataclasses.replace(track, tags=read_header(track.uri)[0])
    write_genres(track, ("Jazz",), [].append, policy_of(library))
    assert link.is_symlink()
    assert read_header(str(library / ".hidden" / "b.flac"))[0].genres == ("Jazz",)


def test_a_library_that_is_a_link_goes_on_working(library, tmp_path):
    root = tmp_path / "link"
    root.symlink_to(library)
    track = listed(root / "album" / "a.flac")
    write_genres(track, ("Jazz",), [].append, policy_of(root))
    assert read_header(str(library / "album" / "a.flac"))[0].genres == ("Jazz",)
