"""What a run came to, read from its report: the same numbers on every runner."""

from __future__ import annotations

import functools
import heapq
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.report import parts_of

_COLUMNS = ["uri", "status", "reason", "genres_after", "hear_s", "classify_s", "write_s"]
_GIVEN = ("tagged", "would_tag")


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Parameters
    ----------
    genres : dict of str to int
        Files that got each genre, or would have in a dry run; the most frequent first.
    slowest : tuple of (str, float)
        Some files and the time that each took, in s; the slowest first.
    failed : tuple of (str, str)
        The first files that failed, by name, and why.
    n_failed : int
        All that failed.
    """

    genres: dict[str, int]
    slowest: tuple[tuple[str, float], ...]
    failed: tuple[tuple[str, str], ...]
    n_failed: int


def summarise(folder: str, *, n_slowest: int = 3, n_failed: int = 10) -> Summary:
    """Read a run's report, part by part: what is kept does not grow with the library.

    Parameters
    ----------
    folder : str
        Of the run's parts.
    n_slowest, n_failed : int
        How many files to name.

    Returns
    -------
    Summary
    """
    genres: Counter[str] = Counter()
    slowest: list[tuple[str, float]] = []
    failed: list[tuple[str, str]] = []
    all_failed = 0
    for part in parts_of(folder):
        with open(part, "rb") as stream:
            table = pq.read_table(stream, columns=_COLUMNS)
        given = table.filter(pc.is_in(table["status"], pa.array(_GIVEN)))
        for entry in pc.list_flatten(given["genres_after"]).value_counts().to_pylist():
            genres[entry["values"]] += entry["counts"]
        heard = table.filter(pc.is_valid(table["hear_s"]))
        steps = (pc.fill_null(heard[name], 0) for name in ("hear_s", "classify_s", "write_s"))
        seconds = functools.reduce(pc.add, steps)
        pairs = zip(heard["uri"].to_pylist(), seconds.to_pylist(), strict=True)
        slowest = heapq.nlargest(n_slowest, [*slowest, *pairs], key=lambda pair: pair[1])
        broken = table.filter(pc.equal(table["status"], "failed"))
        pairs = zip(broken["uri"].to_pylist(), broken["reason"].to_pylist(), strict=True)
        failed = heapq.nsmallest(n_failed, [*failed, *pairs])
        all_failed += len(broken)
    return Summary(
        genres=dict(sorted(genres.items(), key=lambda pair: (-pair[1], pair[0]))),
        slowest=tuple(slowest),
        failed=tuple(failed),
        n_failed=all_failed,
    )
