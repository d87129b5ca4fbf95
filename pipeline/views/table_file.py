"""The rows of a report as CSV, for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, TextIO

import pyarrow as pa

from genrebeam.transforms.reports.pieces import last_of_each

_COLUMNS = (
    *("uri", "status", "stage", "reason", "title", "artist", "album", "duration_s"),
    *("genres_before", "genres_after", "confidence", "family", "family_confidence"),
    *("style", "style_confidence", "finished_at", "run"),
)
# A spreadsheet takes what begins with these for a formula, and tags come from anybody.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(rows: Iterable[pa.Table], stream: TextIO) -> int:
    """Write the latest row of each file.

    Parameters
    ----------
    rows : iterable of pyarrow.Table
        See `genrebeam.pipeline.runs.run.rows_of`.
    stream : file
        Opened with ``newline=""``.

    Returns
    -------
    int
        Number of rows.
    """
    table, n_rows = csv.writer(stream), 0
    table.writerow(_COLUMNS)
    for piece in rows:
        for row in last_of_each(piece, ["uri"], "finished_at").select(_COLUMNS).to_pylist():
            table.writerow([_cell(row[name]) for name in _COLUMNS])
            n_rows += 1
    return n_rows


def _cell(value: Any) -> Any:
    """A value as text: lists with semicolons between them, and nothing that is a formula."""
    if isinstance(value, list):
        value = "; ".join(value)
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return round(value, 4) if isinstance(value, float) else value
