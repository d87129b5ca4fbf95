"""Tags: what the files themselves say."""

from __future__ import annotations

import functools
from pathlib import PurePosixPath

from genrebeam.model.genres import key_of, spell
from genrebeam.pipeline.training.datasets.dataset import (
    Dataset,
    Label,
    Labelling,
    artist_of,
    place_of,
)
from genrebeam.transforms.records import CATCH_ALL, Track

_CATCH_ALL = frozenset(genre.casefold() for genre in CATCH_ALL)


def _label(library: str, track: Track) -> Label | None:
    """By the first genre in the tag that says anything."""
    place = place_of(library, track)
    for genre in track.tags.genres or track.tags.shadow:
        if key_of(genre) and genre.casefold() not in _CATCH_ALL:
            return Label(str(place), spell(genre), artist_of(track, place, PurePosixPath()))
    return None


class _Tags(Dataset):
    def labelling(self, library: str) -> Labelling:
        return functools.partial(_label, library)


DATASET = _Tags("tags")
