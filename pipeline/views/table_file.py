"""The rows of a report as CSV, for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TextIO

import pyarrow as pa

from genrebeam.pipeline.views.report_figures import news_of_each
from genrebeam.pipeline.views.terminal import safe

COLUMNS = (
    *("uri", "status", "stage", "reason", "title", "artist", "album", "album_artist", "year"),
    *("duration_s", "genres_before", "genres_after", "confidence", "family", "family_confidence"),
    *("style", "style_confidence", "finished_at", "library", "dry_run", "run"),
)
# A spreadsheet takes what begins with these for a formula, and tags come from anybody.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(
    rows: Iterable[pa.Table],
    runs: Sequence[str],
    stream: TextIO,
    superseded: Collection[str] = (),
) -> int:
    """Write of each file the row that the page shows.

    Parameters
    ----------
    rows : iterable of pyarrow.Table
        With `COLUMNS`.
    runs : sequence of str
        Identifiers of their runs, in order.
    stream : file
        Opened with ``newline=""``.
    superseded : collection of str
        See `news_of_each`.

    Returns
    -------
    int
        Number of rows.
    """
    table, n_rows = csv.writer(stream), 0
    table.writerow(COLUMNS)
    for piece in rows:
        for row in news_of_each(piece, runs, superseded).select(COLUMNS).to_pylist():
            table.writerow([_cell(row[name]) for name in COLUMNS])
            n_rows += 1
    return n_rows


def _cell(value: Any) -> Any:
    """A value as text: lists with semicolons between them, no formula, no command to a terminal."""
    if isinstance(value, list):
        value = "; ".join(value)
    if isinstance(value, str):
        return safe(f"'{value}" if value.startswith(_FORMULA) else value)
    return round(value, 4) if isinstance(value, float) else value
