"""MP4: songs that are protected from copying are left alone."""

from pathlib import Path

import pytest

from genrebeam.transforms.records import NoTagField
from genrebeam.transforms.tags.header import read_header, write_fields


def test_a_protected_song_is_refused(track_of):
    path = Path(track_of("m4a").uri)
    content = path.read_bytes().replace(b"mp4a", b"drms")
    path.write_bytes(content)
    with pytest.raises(NoTagField, match="protected from copying"):
        read_header(str(path))
    with pytest.raises(NoTagField, match="protected from copying"):
        write_fields(str(path), "song.m4p", ["Jazz"])
