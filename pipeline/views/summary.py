"""What a run came to, from its report: the same numbers on every runner."""

from __future__ import annotations

import functools
import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.pipeline.views.terminal import (
    WIDEST_BAR,
    bar,
    console_of,
    counted,
    grid,
    pairs,
    safe,
)
from genrebeam.transforms.records import GIVEN, TOO_RECENT, Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_MOST_GENRES = 12
_N_SLOWEST = 3
_N_FAILED = 10


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
        The first files that failed, by name, and why; those that are known left out.
    n_failed : int
        All that failed, those that are known left out.
    n_known : int
        Those that failed as in an earlier run.
    n_recent : int
        Files that had just changed, and were left to a later run.
    """

    genres: dict[str, int]
    slowest: tuple[tuple[str, float], ...]
    failed: tuple[tuple[str, str], ...]
    n_failed: int
    n_known: int = 0
    n_recent: int = 0

    def changes(self, counts: Mapping[str, int], *, failure: str = "new failure") -> str:
        """What a run has changed, in one line; empty where nothing has changed.

        Parameters
        ----------
        counts : dict of str to int
            The run's files by status.
        failure : str
            What `n_failed` counts.

        Examples
        --------
        >>> Summary({}, (), (), n_failed=1, n_known=2).changes({"tagged": 3, "failed": 3})
        '3 tagged, 1 new failure, 2 known failures'
        """
        changed = (Status.TAGGED, Status.WOULD_TAG, Status.UNSURE)
        parts = [f"{counts[s]:,} {s.replace('_', ' ')}" for s in changed if counts.get(s)]
        if self.n_failed:
            parts.append(counted(self.n_failed, failure))
        if parts and self.n_known:
            parts.append(counted(self.n_known, "known failure"))
        return ", ".join(parts)


def summarise(rows: Iterable[pa.Table], *, known: Collection[str] = ()) -> Summary:
    """Sum up a run's report.

    Parameters
    ----------
    rows : iterable of pyarrow.Table
        See `genrebeam.pipeline.runs.run.rows_of`.
    known : collection of str
        Files whose failure is known (see `genrebeam.pipeline.runs.failures.known_failures`).
    """
    genres: Counter[str] = Counter()
    slowest: list[tuple[str, float]] = []
    failed: list[tuple[str, str]] = []
    all_failed = all_known = recent = 0
    is_known = pa.array(sorted(known), pa.string())
    for piece in rows:
        given = piece.filter(pc.is_in(piece["status"], pa.array(GIVEN)))
        counted = pc.list_flatten(given["genres_after"]).value_counts().to_pylist()
        genres.update({entry["values"]: entry["counts"] for entry in counted})
        slowest = heapq.nlargest(_N_SLOWEST, [*slowest, *_took(piece)], key=lambda pair: pair[1])
        recent += pc.sum(pc.equal(piece["reason"], TOO_RECENT)).as_py() or 0
        broken = piece.filter(pc.equal(piece["status"], Status.FAILED.value))
        new = broken.filter(pc.invert(pc.is_in(broken["uri"], is_known)))
        all_failed, all_known = all_failed + len(new), all_known + len(broken) - len(new)
        why = zip(new["uri"].to_pylist(), new["reason"].to_pylist(), strict=True)
        failed = heapq.nsmallest(_N_FAILED, [*failed, *why])
    return Summary(
        genres=dict(sorted(genres.items(), key=lambda pair: (-pair[1], pair[0]))),
        slowest=tuple(slowest),
        failed=tuple(failed),
        n_failed=all_failed,
        n_known=all_known,
        n_recent=recent,
    )


def _took(rows: pa.Table) -> Iterator[tuple[str, float]]:
    analysed = rows.filter(pc.is_valid(rows["extract_s"]))
    steps = (pc.fill_null(analysed[name], 0) for name in ("extract_s", "classify_s", "write_s"))
    seconds = functools.reduce(pc.add, steps)
    return zip(analysed["uri"].to_pylist(), seconds.to_pylist(), strict=True)


def show_result(
    stream: TextIO,
    headline: str,
    found: Summary,
    library: str,
    notes: Iterable[tuple[str, str]],
) -> None:
    """Show what came of a run.

    Parameters
    ----------
    stream : file
        A terminal.
    library : str
        Left out of the paths.
    notes : iterable of (str, str)
        Name and value of what to know beside it; never broken into lines, to be copied.
    """
    from rich.padding import Padding
    from rich.text import Text

    def short(path: str) -> str:
        return path.removeprefix(library.rstrip("/") + "/")

    console = console_of(stream)
    console.print(Text(headline, "bold"), soft_wrap=True)
    for title, table in (
        ("genres", _genres(found.genres, console)),
        ("slowest", pairs((f"{seconds:.1f} s", short(path)) for path, seconds in found.slowest)),
        ("failed", pairs(((short(path), reason) for path, reason in found.failed), "red")),
    ):
        if table.row_count:
            console.print(Text(f"\n{title}", "dim"))
            console.print(Padding(table, (0, 0, 0, 2), expand=False))
        if title == "failed" and (more := found.n_failed - len(found.failed)):
            console.print(f"  and {more:,} more")
    console.print()
    for name, value in notes:
        console.print(Text(f"{name}: {safe(value)}"), soft_wrap=True)


def _genres(genres: Mapping[str, int], console: Console) -> Table:
    from rich.text import Text

    table = grid()
    table.columns[0].max_width = max(8, console.width // 3)
    table.columns[1].justify = "right"
    most = max(genres.values(), default=0)
    widest = min(WIDEST_BAR, console.width // 3)
    for genre, count in list(genres.items())[:_MOST_GENRES]:
        table.add_row(
            Text(safe(genre), no_wrap=True, overflow="ellipsis"),
            Text(f"{count:,}", no_wrap=True),
            bar(1, 1, max(1, round(widest * count / most))),
        )
    if others := list(genres.values())[_MOST_GENRES:]:
        table.add_row(counted(len(others), "other"), f"{sum(others):,}")
    return table
