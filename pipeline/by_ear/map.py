"""Map: every track of a library as a point, near those that sound like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from genrebeam.model.tsne import embed_2d
from genrebeam.model.vocabulary import family_of
from genrebeam.pipeline.by_ear.analysed import Analysed, is_there

# Columns of the report that the map needs beside those of `Analysed`.
MORE_FACTS = ("genres_after",)
NO_GENRE = "no genre"


@dataclass(frozen=True)
class LibraryMap:
    """Tracks and where they are.

    Parameters
    ----------
    tracks : pyarrow.Table
        Ordered by uri.
    places : np.ndarray
        ``(n_tracks, 2) float32`` in 0..1.
    families : sequence of str
        For each track that of its genre; the genre itself where it is of no family that we know.
    """

    tracks: pa.Table
    places: np.ndarray
    families: Sequence[str]


def map_of_library(analysed: Analysed, missing: list[str]) -> LibraryMap:
    """Put the tracks of a library on a plane. The same reports give the same map.

    Parameters
    ----------
    analysed : Analysed
        With the columns `MORE_FACTS`.
    missing : list of str
        Gets the files that are no longer there; they are left out.
    """
    uris = analysed.tracks["uri"].to_pylist()
    there = []
    for number in sorted(range(len(uris)), key=uris.__getitem__):
        if is_there(uris[number]):
            there.append(number)
        else:
            missing.append(uris[number])
    numbers = np.array(there, int)
    found, embeddings = _embeddings(analysed, numbers)
    tracks = analysed.tracks.take(numbers[found])
    genres = tracks["genres_after"].to_pylist()
    return LibraryMap(tracks, _in_a_square(embed_2d(embeddings)), [family(some) for some in genres])


def family(genres: Sequence[str] | None) -> str:
    """What a track is coloured by: the family of its first genre."""
    if not genres:
        return NO_GENRE
    return family_of(genres[0]) or genres[0]


def _embeddings(analysed: Analysed, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the tracks have an embedding after all, and these: ``(n, d) float32``."""
    place = np.full(len(analysed.tracks), -1)
    place[numbers] = np.arange(len(numbers))
    found = np.zeros(len(numbers), bool)
    matrix = np.zeros((len(numbers), 0), np.float32)
    for some, embeddings in analysed.embeddings(numbers):
        if not matrix.size:
            matrix = np.zeros((len(numbers), embeddings.shape[1]), np.float32)
        matrix[place[some]] = embeddings
        found[place[some]] = True
    return found, matrix if found.all() else matrix[found]


def _in_a_square(places: np.ndarray) -> np.ndarray:
    """The same picture, in 0..1."""
    if not len(places):
        return np.zeros((0, 2), np.float32)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    size = float(np.ptp(places, axis=0).max()) or 1.0
    return np.asarray((places - middle) / size + 0.5, np.float32)
