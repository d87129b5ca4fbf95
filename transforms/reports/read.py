"""Read reports: the rows that runs left, whatever version of GenreBeam wrote them."""

from __future__ import annotations

import fnmatch
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genrebeam.transforms.records import Stage, Status, printable, reason_of
from genrebeam.transforms.reports.partitions import PartitionedRows, last_of_each
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.storage import storage_of

# Which run a row is from, where rows of many are together.
RUN = pa.field("run", pa.string())

_log = logging.getLogger("genrebeam")


def were_skipped(rows: pa.Table) -> pa.ChunkedArray:
    """Whether each row is of a file that was skipped because nothing had changed."""
    return pc.and_(
        pc.equal(rows["status"], Status.UNCHANGED.value), pc.equal(rows["stage"], Stage.SKIP.value)
    )


def parts_of(folder: str) -> list[str]:
    """Paths of the finished parts of a run's report; none where they were deleted."""
    return [
        path
        for path in storage_of(folder).files_in(folder)
        if fnmatch.fnmatchcase(os.path.basename(path), "part-*.parquet")
    ]


def read_parts(folder: str, columns: pa.Schema) -> Iterator[pa.Table]:
    """Read the parts of a run's report, one at a time.

    A part that cannot be read is left out with a warning. Columns that an earlier version did
    not write are null.

    Parameters
    ----------
    folder : str
        Of the run's parts.
    columns : pyarrow.Schema
        What to read; those that may not be null have to be there.

    Yields
    ------
    pyarrow.Table
        With these columns, in this order, of these types.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    for path, open_part in storage_of(folder).opened(parts_of(folder)):
        try:
            with open_part() as stream:
                # Reads the columns that are there; `read_table` wants them all.
                part = pq.ParquetFile(stream).read(columns=columns.names)
            arrays = [_column(part, field) for field in columns]
            table = pa.table(arrays, schema=columns)
        except (pa.ArrowException, OSError, ValueError) as error:
            warn_unreadable(path, error)
            continue
        yield table


def warn_unreadable(path: str, error: Exception) -> None:
    """Say which part of a report is left out."""
    name = printable("/".join(path.split("/")[-2:]))
    _log.warning("%s cannot be read and is left out: %s", name, reason_of(error))


def _column(part: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name in part.column_names:
        return part[field.name].cast(field.type)
    if not field.nullable:
        raise ValueError(f"it has no column {field.name}")
    return pa.chunked_array([pa.nulls(len(part), field.type)])


def latest_rows(folder: str, columns: Sequence[str]) -> pa.Table:
    """Read a run's report, with one row for each file.

    A runner that tries something again may report a file twice: its last row counts.

    Parameters
    ----------
    folder : str
        Of the run's parts.

    Returns
    -------
    pyarrow.Table
        Without the rows of parts that cannot be read (see `read_parts`).

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    wanted = _needed(columns)
    rows = pa.concat_tables([wanted.empty_table(), *read_parts(folder, wanted)])
    return last_of_each(rows, ["uri"], "finished_at").select(list(columns))


def _needed(columns: Sequence[str]) -> pa.Schema:
    """These columns and those that tell which row of a file is the last."""
    names = dict.fromkeys([*columns, "uri", "finished_at"])
    return pa.schema([SCHEMA.field(name) for name in names])


class Rows:
    """Rows of the reports of some runs, one for each file in each run, in pieces.

    Iterating yields `pyarrow.Table`, as often as needed. All rows of a folder of music are in
    the same one (see `PartitionedRows`), so that memory grows with neither the library nor the
    runs.

    Parameters
    ----------
    reports : sequence of (str, str)
        Folder of a run's parts and the run's identifier.
    columns : sequence of str
        To read; ``run``, the identifier, comes with them.
    workplace : str
        Local folder with room for what does not stay in memory.

    Raises
    ------
    OSError
        If a report cannot be read, or the disk is full.
    """

    def __init__(
        self, reports: Sequence[tuple[str, str]], columns: Sequence[str], workplace: str
    ) -> None:
        wanted = _needed(columns)
        tables = (
            table.append_column(RUN, pa.repeat(run, len(table)))
            for folder, run in reports
            for table in read_parts(folder, wanted)
        )
        self._keys = ["uri"] if len(reports) == 1 else [RUN.name, "uri"]
        self._pieces = PartitionedRows(tables, wanted.append(RUN), workplace)

    def __iter__(self) -> Iterator[pa.Table]:
        for piece in self._pieces:
            yield last_of_each(piece, self._keys, "finished_at")


def statuses_of(rows: Iterable[pa.Table]) -> dict[str, int]:
    """Count rows by status.

    Parameters
    ----------
    rows : iterable of pyarrow.Table
        With the column ``status``.

    Returns
    -------
    dict of str to int
        In the order of `genrebeam.transforms.records.Status`; without those that no row has.
    """
    counted: Counter[str] = Counter()
    for piece in rows:
        counted.update(
            {one["values"]: one["counts"] for one in piece["status"].value_counts().to_pylist()}
        )
    return {status.value: counted[status] for status in Status if counted[status]}
