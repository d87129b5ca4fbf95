"""What the tests of tags share: a fresh file of any format."""

import shutil
from pathlib import Path

import pytest

from genrebeam.transforms.records import Track
from genrebeam.transforms.tags.tag import write_genres
from tests.music_files import fill, listed


@pytest.fixture
def track_of(originals, tmp_path):
    """A fresh copy of a format's file, as the walk and the header reading see it."""

    def make(format: str, *, full: bool = True, genres: tuple[str, ...] = ()) -> Track:
        path = Path(shutil.copy(originals[format], tmp_path / f"song.{format}"))
        if full:
            fill(path)
        if genres:
            write_genres(listed(path), genres, [].append)
        return listed(path)

    return make
