"""What the tests of tags share: a fresh file of any format."""

import shutil
from pathlib import Path

import pytest

from genrebeam.transforms.records import Track
from genrebeam.transforms.tags.tag import write_genres
from tests.conftest import tone, write_audio
from tests.music_files import FORMATS, fill, listed


@pytest.fixture(scope="session")
def originals(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("originals")
    for format in (*FORMATS, "aac"):
        rate = 48000 if format == "opus" else 44100
        write_audio(folder / f"a.{format}", tone(2, rate, 2), rate)
    return {path.suffix[1:]: path for path in folder.iterdir()}


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
