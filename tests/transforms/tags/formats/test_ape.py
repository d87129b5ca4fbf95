"""APEv2 files: an ID3v1 tag behind APEv2 stays, and a new APEv2 tag takes over its fields."""

from pathlib import Path

import mutagen
import pytest

from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.music_files import ID3V1, listed


@pytest.mark.parametrize("with_ape", [True, False])
def test_id3v1_on_wavpack_stays_and_its_fields_are_taken_over(track_of, with_ape):
    track = track_of("wv", full=with_ape)
    if not with_ape:
        mutagen.File(track.uri).delete()
    block = ID3V1.ljust(127, b"\0") + bytes([17])
    with open(track.uri, "ab") as stream:
        stream.write(block)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert Path(track.uri).read_bytes()[-128:] == block[:-1] + bytes([8])
    title = "Für Elise ☂" if with_ape else "Other title"
    assert read_header(track.uri)[0].title == title
