"""Duplicates: the same recording in several files, found by embedding and waveform.

Three steps: tracks that are about equally long and whose embeddings are near each other could
be one recording; those are compared by sound, two excerpts of each (see
``pipeline/by_ear/recording.py``); if both correlate, it is the same recording. Embeddings alone
do not suffice: copies of few kbit/s are further apart than some tracks of one album.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from genrebeam.pipeline.by_ear.analysed import Analysed, is_there
from genrebeam.pipeline.by_ear.recording import decode_excerpts, likeness
from genrebeam.transforms.audio.extract import TIMEOUT_S, result_of
from genrebeam.transforms.formats import LOSSLESS
from genrebeam.transforms.records import reason_of
from genrebeam.transforms.storage import path_of

# What could be one recording: nine of ten copies as mp3 at 64 kbit/s, and all others.
MOST_SECONDS, LEAST_SIMILARITY = 2.0, 0.45
# Tracks that each is compared with, the nearest: copies are among them.
_MOST_EACH = 5
# What is one recording: copies are at 0.9 or more, other pairs below 0.15.
LEAST_LIKENESS = 0.5
# Tracks that are compared at once with this many others.
_ROWS, _COLUMNS = 1024, 8192
_AHEAD = 32


@dataclass(frozen=True)
class Pair:
    """Two tracks that are, or could be, one recording.

    Parameters
    ----------
    one, other : int
        Their rows among the tracks.
    likeness : float
        In 0..1: of embeddings, or of sound.
    """

    one: int
    other: int
    likeness: float


def candidates(analysed: Analysed) -> list[Pair]:
    """Pairs that could be one recording.

    Returns
    -------
    list of Pair
        Ordered by the first one's duration, shorter than the other's; tracks of unknown
        duration are in none.
    """
    seconds = analysed.tracks["duration_s"].to_numpy()
    order = np.argsort(seconds, kind="stable")  # NaN last
    order = order[: np.isfinite(seconds).sum()]
    place = np.full(len(seconds), -1)
    place[order] = np.arange(len(order))
    matrix: np.ndarray | None = None
    for numbers, embeddings in analysed.embeddings(order):
        if matrix is None:
            # Half the memory; what it costs in precision is far below what matters here.
            matrix = np.zeros((len(order), embeddings.shape[1]), np.float16)
        matrix[place[numbers]] = embeddings
    if matrix is None:
        return []
    found = near_pairs(matrix, seconds[order])
    return [Pair(int(order[i]), int(order[j]), similarity) for i, j, similarity in found]


def near_pairs(matrix: np.ndarray, seconds: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of rows that are near each other and about equally long.

    Parameters
    ----------
    matrix : np.ndarray
        ``(n, d) float16``, rows of length 1.
    seconds : np.ndarray
        ``(n,) float``, ascending.

    Returns
    -------
    list of (int, int, float)
        Two rows, the first before the second, and their cosine; ordered.
    """
    found = []
    for first in range(0, len(matrix), _ROWS):
        last = min(first + _ROWS, len(matrix))
        end = int(np.searchsorted(seconds, seconds[last - 1] + MOST_SECONDS, side="right"))
        rows = matrix[first:last].astype(np.float32)
        pairs = [np.zeros((0, 3))]
        for begin in range(first, end, _COLUMNS):
            cosines = rows @ matrix[begin : min(begin + _COLUMNS, end)].astype(np.float32).T
            i, j = np.nonzero(cosines >= LEAST_SIMILARITY)
            cosine, i, j = cosines[i, j], i + first, j + begin
            counts = (j > i) & (seconds[j] - seconds[i] <= MOST_SECONDS)
            pairs.append(np.stack([i, j, cosine], axis=1)[counts])
        found += _nearest_of_each(np.concatenate(pairs))
    return found


def _nearest_of_each(pairs: np.ndarray) -> list[tuple[int, int, float]]:
    """Of each first row's pairs those with the nearest."""
    pairs = pairs[np.lexsort((-pairs[:, 2], pairs[:, 0]))]
    begins = np.searchsorted(pairs[:, 0], pairs[:, 0])
    pairs = pairs[np.arange(len(pairs)) - begins < _MOST_EACH]
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return [(int(i), int(j), float(cosine)) for i, j, cosine in pairs]


def compare_sound(
    pairs: Sequence[Pair],
    analysed: Analysed,
    processes: int,
    failed: dict[str, str],
) -> Iterator[Pair | None]:
    """Compare the waveforms of pairs that could be one recording.

    Parameters
    ----------
    pairs : sequence of Pair
        As `candidates` orders them: so a track's excerpts can be forgotten soon.
    processes : int
        That decode.
    failed : dict of str to str
        Gets the files that could not be decoded, and why.

    Yields
    ------
    Pair or None
        For each pair that it is one recording, with the likeness of its sound, or that it is not.
    """
    from genrebeam.pipeline.inference.decoding import decoding
    from genrebeam.transforms.audio import pool

    last_use: dict[int, int] = {}
    for place, pair in enumerate(pairs):
        last_use |= {pair.one: place, pair.other: place}
    to_analyse = deque(dict.fromkeys(number for pair in pairs for number in (pair.one, pair.other)))
    rows = dict(zip(to_analyse, analysed.tracks.take(list(to_analyse)).to_pylist(), strict=True))
    analysis: dict[int, Future] = {}

    def look_ahead(*needed: int) -> None:
        while to_analyse and (len(analysis) < _AHEAD or not analysis.keys() >= {*needed}):
            number = to_analyse.popleft()
            row = rows[number]
            arguments = (path_of(row["uri"]), row["format"], row["duration_s"])
            analysis[number] = pool.submit(
                decode_excerpts, arguments, processes=processes, timeout_s=TIMEOUT_S
            )

    with decoding():
        for place, pair in enumerate(pairs):
            look_ahead(pair.one, pair.other)
            both = [
                _excerpts(analysis[number], rows[number]["uri"], failed)
                for number in (pair.one, pair.other)
            ]
            is_analysed = all(excerpts is not None for excerpts in both)
            found = likeness(*both) if is_analysed else 0.0
            yield Pair(pair.one, pair.other, found) if found >= LEAST_LIKENESS else None
            for number in {pair.one, pair.other}:
                if last_use[number] == place:
                    del analysis[number]


def _excerpts(future: Future, uri: str, failed: dict[str, str]) -> Any:
    try:
        return result_of(future, uri, TIMEOUT_S)
    except Exception as error:  # whatever a file does to its decoder
        failed[uri] = reason_of(error)
        return None


def those_there(pairs: Iterable[Pair], analysed: Analysed, missing: list[str]) -> list[Pair]:
    """Pairs whose files are both still there.

    Parameters
    ----------
    missing : list of str
        Gets the others.
    """
    pairs, uris = list(pairs), analysed.tracks["uri"]
    numbers = {number for pair in pairs for number in (pair.one, pair.other)}
    gone = {number for number in numbers if not is_there(uris[number].as_py())}
    missing += sorted(uris[number].as_py() for number in gone)
    return [pair for pair in pairs if not {pair.one, pair.other} & gone]


@dataclass(frozen=True)
class Group:
    """Files with one recording.

    Parameters
    ----------
    tracks : list of dict
        Their rows, the best quality first.
    likeness : float
        Of those two of them that are least alike, among those compared.
    """

    tracks: list[dict[str, Any]]
    likeness: float


def groups(pairs: Sequence[Pair], tracks: pa.Table) -> list[Group]:
    """Join pairs that share a track.

    Parameters
    ----------
    pairs : sequence of Pair
        Each one recording.

    Returns
    -------
    list of Group
        By the path of the best file of each.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return []
    ends = np.array([(pair.one, pair.other) for pair in pairs])
    numbers, places = np.unique(ends, return_inverse=True)
    one, other = places.reshape(-1, 2).T
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(len(numbers), len(numbers)))
    _, labels = connected_components(graph, directed=False)
    members: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row, label in zip(tracks.take(numbers).to_pylist(), labels, strict=True):
        members[label].append(row)
    least: dict[int, float] = defaultdict(lambda: 1.0)
    for pair, label in zip(pairs, labels[one], strict=True):
        least[label] = min(least[label], pair.likeness)
    found = [Group(sorted(rows, key=_worse), least[label]) for label, rows in members.items()]
    return sorted(found, key=lambda group: group.tracks[0]["uri"])


def _worse(row: dict[str, Any]) -> tuple:
    """Sorts the best quality first."""
    sizes = (row["bitrate_bps"] or 0, row["sample_rate_hz"] or 0, row["size_bytes"])
    return row["format"] not in LOSSLESS, *(-size for size in sizes), row["uri"]
