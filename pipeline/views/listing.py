"""The tracks of a run as lines: what each file gets, or why it gets nothing."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from genrebeam.pipeline.views.terminal import counted, safe
from genrebeam.transforms.records import GIVEN, Status

_MOST, _LEAST_SURE = 40, 20
_COLUMNS = (
    *("uri", "status", "reason", "title", "artist"),
    *("genres_before", "genres_after", "confidence", "mood_before", "mood_after"),
)


def every_track(rows: Iterable[pa.Table], library: str) -> Iterator[str]:
    """A line for every row.

    Parameters
    ----------
    rows : iterable of pyarrow.Table
        See `genrebeam.pipeline.runs.run.rows_of`.
    library : str
        Left out of the paths.

    Yields
    ------
    str
        In order of the paths in each piece.
    """
    for piece in rows:
        found = piece.select(_COLUMNS).to_pylist()
        for row in sorted(found, key=lambda row: row["uri"]):
            yield line(row, library)


def some_tracks(rows: Iterable[pa.Table], library: str, *, named: bool) -> Iterator[str]:
    """Lines for the classified tracks of a run: all of a few, or those to look at first.

    Parameters
    ----------
    named : bool
        Whether the user named the files, and wants to know of those that were not classified too.
        Those that failed have a message of their own.

    Yields
    ------
    str
        In order of the paths, or from the least sure on if there are more than 40.
    """
    few: list[dict[str, Any]] = []
    least_sure: list[dict[str, Any]] = []
    n_rows = 0
    for piece in rows:
        for row in piece.select(_COLUMNS).to_pylist():
            if row["status"] == Status.FAILED or not (named or _was_decided(row)):
                continue
            n_rows += 1
            if n_rows <= _MOST:
                few.append(row)
            least_sure.append(row)
        least_sure = heapq.nsmallest(_LEAST_SURE, least_sure, key=_sureness)
    if n_rows <= _MOST:
        yield from (line(row, library) for row in sorted(few, key=lambda row: row["uri"]))
        return
    yield f"the {_LEAST_SURE} least sure of {counted(n_rows, 'track')}:"
    yield from (line(row, library) for row in least_sure)
    yield f"and {n_rows - _LEAST_SURE:,} more; --verbose lists every file"


def _was_decided(row: dict[str, Any]) -> bool:
    """By a model, or where genres are cleaned by the taxonomy."""
    if row["confidence"] is None:
        return row["status"] in GIVEN
    return row["status"] not in (Status.KEPT, Status.UNCHANGED)


def _sureness(row: dict[str, Any]) -> tuple[float, str]:
    return (2.0 if row["confidence"] is None else row["confidence"], row["uri"])


def line(row: dict[str, Any], library: str) -> str:
    """One track.

    Parameters
    ----------
    row : dict
        Of a report.
    library : str
        Left out of the path, which stands for a track without a title.

    Examples
    --------
    >>> row = {"artist": "Ween", "title": "Piss Up a Rope", "status": "would_tag"}
    >>> line({**row, "genres_after": ["Country"], "confidence": 0.834}, "/music")
    'Ween – Piss Up a Rope: Country (83 %)'
    >>> line({**row, "genres_after": ["Country"], "confidence": None, "mood_after": "Happy"}, "/m")
    'Ween – Piss Up a Rope: Country, mood Happy'
    >>> cleaned = {"genres_before": ["C&W"], "genres_after": ["Country"], "confidence": None}
    >>> line({**row, **cleaned}, "/music")
    'Ween – Piss Up a Rope: C&W → Country'
    """
    name = row["title"] or row["uri"].removeprefix(library.rstrip("/") + "/")
    if row["title"] and row["artist"]:
        name = f"{row['artist']} – {name}"
    if row["status"] in GIVEN:
        sure = "" if row["confidence"] is None else f" ({row['confidence']:.0%})"
        said = ", ".join(row["genres_after"] or ()) + sure.replace("%", " %")
        before = ", ".join(row.get("genres_before") or ())
        if not sure and before and before != said:
            said = f"{before} → {said}"
        if row.get("mood_after") != row.get("mood_before"):
            said += f", mood {row['mood_after']}"
    else:
        said = f"{row['status'].replace('_', ' ')}, {row['reason']}"
    return safe(f"{name}: {said}")
