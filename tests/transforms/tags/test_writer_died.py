"""A writer that is killed: the file is as before, and writing begins anew on a new copy."""

import os
import signal
from pathlib import Path

from genrebeam.transforms.tags import header
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.music_files import assert_refused, listed


def spoil_and_die_once(copy, path, genres, custom, form):
    """As a writer that is killed when half of its copy is written."""
    note = Path(f"{path}.note")
    if not note.exists():
        note.touch()
        Path(copy).write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    write_fields(copy, path, genres, custom, form)


def spoil_and_die(copy, path, genres, custom, form):
    Path(copy).write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGSEGV)


write_fields = header._write_fields


def test_what_was_half_written_is_not_gone_on_with(track_of, monkeypatch):
    track = track_of("flac")
    before = read_header(track.uri)[0]
    monkeypatch.setattr(header, "_write_fields", spoil_and_die_once)
    write_genres(track, ("Jazz",), [].append)
    after = read_header(track.uri)[0]
    assert (after.genres, after.title) == (("Jazz",), before.title)


def test_a_writer_that_always_dies_leaves_the_file_as_it_was(track_of, monkeypatch):
    track = track_of("flac")
    content = Path(track.uri).read_bytes()
    monkeypatch.setattr(header, "_write_fields", spoil_and_die)
    assert_refused(listed(Path(track.uri)), "its tag crashed its writer")
    assert Path(track.uri).read_bytes() == content
    assert os.listdir(os.path.dirname(track.uri)) == [os.path.basename(track.uri)]
