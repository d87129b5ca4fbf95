"""Folders: one for each genre, named after it; or a single one."""

from __future__ import annotations

import functools
import os
from pathlib import PurePosixPath

from genrebeam.model.genres import spell
from genrebeam.pipeline.training.datasets.dataset import (
    Dataset,
    Label,
    Labelling,
    artist_of,
    place_of,
)
from genrebeam.transforms.records import Track
from genrebeam.transforms.storage import storage_of


def _folders(library: str, track: Track) -> Label | None:
    """By the first folder below the root."""
    place = place_of(library, track)
    if len(place.parts) < 2:
        return None
    genre = place.parts[0]
    return Label(str(place), spell(genre), artist_of(track, place, PurePosixPath(genre)))


def _one_genre(library: str, track: Track) -> Label:
    """By the root's own name."""
    place = place_of(library, track)
    genre = os.path.basename(storage_of(library).absolute(library))
    return Label(f"{genre}/{place}", spell(genre), artist_of(track, place, PurePosixPath()))


class _Folders(Dataset):
    def labelling(self, library: str) -> Labelling:
        return functools.partial(_folders, library)


class _OneGenre(Dataset):
    def labelling(self, library: str) -> Labelling:
        return functools.partial(_one_genre, library)


DATASET = _Folders("folders")
ONE_GENRE = _OneGenre("one-genre")
