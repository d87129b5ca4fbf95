"""What a run came to, read from its report: the same numbers on every runner."""

from __future__ import annotations

import functools
import heapq
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

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


def summarise(rows: pa.Table, *, n_slowest: int = 3, n_failed: int = 10) -> Summary:
    """Sum up a run's report.

    Parameters
    ----------
    rows : pyarrow.Table
        See `pipeline.runs.run.Run.read_rows`.
    n_slowest, n_failed : int
        How many files to name.

    Returns
    -------
    Summary
    """
    given = rows.filter(pc.is_in(rows["status"], pa.array(_GIVEN)))
    genres = {
        entry["values"]: entry["counts"]
        for entry in pc.list_flatten(given["genres_after"]).value_counts().to_pylist()
    }
    heard = rows.filter(pc.is_valid(rows["hear_s"]))
    steps = (pc.fill_null(heard[name], 0) for name in ("hear_s", "classify_s", "write_s"))
    seconds = functools.reduce(pc.add, steps)
    took = zip(heard["uri"].to_pylist(), seconds.to_pylist(), strict=True)
    broken = rows.filter(pc.equal(rows["status"], "failed"))
    failed = zip(broken["uri"].to_pylist(), broken["reason"].to_pylist(), strict=True)
    return Summary(
        genres=dict(sorted(genres.items(), key=lambda pair: (-pair[1], pair[0]))),
        slowest=tuple(heapq.nlargest(n_slowest, took, key=lambda pair: pair[1])),
        failed=tuple(heapq.nsmallest(n_failed, failed)),
        n_failed=len(broken),
    )
