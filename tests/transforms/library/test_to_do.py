"""To-do list: what is written is read back, and nothing else is."""

import dataclasses

import pytest

from genrebeam.transforms.library.to_do import (
    TO_DO_FORMAT,
    genres_beside,
    inputs_beside,
    read_tracks,
    remove_to_do,
    write_genres,
    write_track,
)
from genrebeam.transforms.records import Stored, Track
from genrebeam.transforms.strict import RecordError
from tests.transforms.library.test_skip import TRACK

NEW = Track("/music/new.mp3", "mp3", 5, 6)
STORED = Stored("run-1", TRACK.size_bytes, TRACK.mtime_ns, 5, b"\x00\x3c" * 4)
WITH_STORED = dataclasses.replace(TRACK, stored=STORED)


def test_tracks_are_read_back_as_they_were_written(tmp_path):
    path = tmp_path / "tracks"
    with path.open("wb") as stream, open(inputs_beside(str(path)), "wb") as inputs:
        for track in (WITH_STORED, TRACK, NEW, WITH_STORED):
            write_track(track, stream, inputs)
    one, *others, last = read_tracks(str(path))
    assert others == [TRACK, NEW]
    assert dataclasses.replace(last, stored=STORED) == WITH_STORED
    for track in (one, last):  # what is stored stays in the file
        assert track.stored.inputs == b""
        assert track.stored.values.tolist() == STORED.values.tolist() == [1.0] * 4


@pytest.mark.parametrize(
    "stored", ["{}", "[1]", '["r", 1, "2", 3, 0, 8]', '["r", 1, 2, 3, "0", 8]']
)
def test_a_line_of_another_kind_is_an_error(tmp_path, stored):
    path = tmp_path / "to do"
    path.write_text(f'[{TO_DO_FORMAT}, "/a.mp3", "mp3", 1, 2, null, {stored}]\n')
    with pytest.raises(RecordError):
        list(read_tracks(str(path)))


def test_what_is_beside_a_list_is_removed_with_it(tmp_path):
    path = str(tmp_path / "to do")
    with open(path, "wb") as stream, open(inputs_beside(path), "wb") as inputs:
        write_track(WITH_STORED, stream, inputs)
    remove_to_do(path)
    write_genres([("artist", {"Rock": 1.0})], genres_beside(path))
    remove_to_do(path)
    assert list(tmp_path.iterdir()) == []
