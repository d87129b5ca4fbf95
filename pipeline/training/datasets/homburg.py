"""Homburg: a folder for each of its genres."""

from __future__ import annotations

import functools
from collections.abc import Collection

from genrebeam.pipeline.training.datasets.dataset import (
    Dataset,
    Label,
    Labelling,
    in_folder,
    place_of,
)
from genrebeam.transforms.records import Track

# Homburg, Mierswa, Moeller, Morik and Wurst, "A Benchmark Dataset for Audio
# Classification and Clustering" (2005).
HOMBURG_GENRES = {
    "alternative": "Alternative",
    "blues": "Blues",
    "electronic": "Electronic",
    "folkcountry": "Folk & Country",
    "funksoulrnb": "Funk, Soul & R&B",
    "jazz": "Jazz",
    "pop": "Pop",
    "raphiphop": "Rap & Hip-Hop",
    "rock": "Rock",
}


def _label(library: str, track: Track) -> Label | None:
    """By the nearest folder with the name of one of its classes."""
    return in_folder(HOMBURG_GENRES, track, place_of(library, track))


class _Homburg(Dataset):
    is_published = True

    def labelling(self, library: str) -> Labelling:
        return functools.partial(_label, library)

    def genres(self, labels: Collection[str]) -> dict[str, str]:
        return {label: HOMBURG_GENRES[label] for label in sorted(labels)}


DATASET = _Homburg("homburg")
