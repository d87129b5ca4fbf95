"""Partitions: rows of reports in memory that does not grow with them.

This many rows stay in memory; beyond that they go to files, each for some of the library's
folders, which are read back one after the other.
"""

from __future__ import annotations

import contextlib
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa

_MOST_IN_MEMORY = 100_000
_FILES = 128


class PartitionedRows:
    """Tables of rows, divided by folder of music; to be gone through as often as needed.

    All rows of a file of music, and of all files beside it, are in the same piece. Temporary
    files are gone with the object.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        With a column ``uri``; read at once.
    columns : pyarrow.Schema
        Of every table.
    workplace : str
        Local folder with room for what does not stay in memory.

    Raises
    ------
    OSError
        If the disk is full.
    """

    def __init__(self, tables: Iterable[pa.Table], columns: pa.Schema, workplace: str) -> None:
        self.columns = columns
        self._workplace = workplace
        self._held: list[pa.Table] = []
        self._files: list[BinaryIO] = []
        self._writers: list[pa.ipc.RecordBatchStreamWriter] = []
        open_files = contextlib.ExitStack()
        weakref.finalize(self, open_files.close)
        n_held = 0
        for table in tables:
            self._held.append(table)
            n_held += len(table)
            if n_held >= _MOST_IN_MEMORY:
                self._spill(open_files)
                n_held = 0
        if self._files:
            self._spill(open_files)
            for writer in self._writers:
                writer.close()

    def __iter__(self) -> Iterator[pa.Table]:
        if not self._files:
            yield self._all_held()
        for file in self._files:
            file.seek(0)
            yield pa.ipc.open_stream(file).read_all().combine_chunks()

    def _all_held(self) -> pa.Table:
        return pa.concat_tables([self.columns.empty_table(), *self._held]).combine_chunks()

    def _spill(self, open_files: contextlib.ExitStack) -> None:
        if not self._files:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            for _ in range(_FILES):
                file = open_files.enter_context(
                    tempfile.TemporaryFile(dir=self._workplace)  # noqa: SIM115
                )
                self._files.append(file)
                self._writers.append(pa.ipc.new_stream(file, self.columns, options=options))
        rows, self._held = self._all_held(), []
        uris = rows["uri"].to_pylist()
        places = np.fromiter((hash(uri.rpartition("/")[0]) % _FILES for uri in uris), np.int64)
        rows = rows.take(np.argsort(places, kind="stable")).combine_chunks()
        ends = np.cumsum(np.bincount(places, minlength=_FILES))
        for writer, begin, end in zip(self._writers, [0, *ends[:-1]], ends, strict=True):
            if begin < end:
                writer.write_table(rows.slice(begin, end - begin))


def last_of_each(rows: pa.Table, keys: Sequence[str], by: str) -> pa.Table:
    """Of the rows with equal keys, the one that comes last by another column.

    Parameters
    ----------
    keys : sequence of str
        Columns.
    by : str
        Column.

    Returns
    -------
    pyarrow.Table
        In any order.
    """
    keys = list(keys)
    if len(rows.group_by(keys).aggregate([])) == len(rows):
        return rows
    places = rows.select([*keys, by]).append_column("place", pa.array(np.arange(len(rows))))
    groups = places.sort_by(by).group_by(keys, use_threads=False)
    return rows.take(groups.aggregate([("place", "last")])["place_last"])
