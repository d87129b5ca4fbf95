"""Failures: which files of a run failed before, so that a night reports a broken file once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.pipeline.runs.manifest import Manifest
from genrebeam.pipeline.runs.run import Run
from genrebeam.transforms.library.skip import is_same_time
from genrebeam.transforms.records import Status
from genrebeam.transforms.reports.read import read_parts
from genrebeam.transforms.reports.schema import SCHEMA

_COLUMNS = ("uri", "status", "reason", "size_bytes", "mtime_ns", "finished_at")
_FACTS = pa.schema([SCHEMA.field(name) for name in _COLUMNS])
# Runs in these states have printed their failures; one that crashed has not.
_PRINTED = ("finished", "interrupted")


def known_failures(
    run: Run, earlier: Sequence[tuple[Run, Manifest]], rows: Iterable[pa.Table]
) -> frozenset[str]:
    """The files of a run that failed in the same way in their last run before it.

    A file that has changed since then, or fails for another reason, is a new failure.

    Parameters
    ----------
    earlier : sequence of (Run, Manifest)
        See `runs_before`.
    rows : iterable of pyarrow.Table
        Of the run, with ``uri`` and ``status``.

    Returns
    -------
    frozenset of str
        As the report names them.

    Raises
    ------
    OSError
        If a report cannot be read.
    """
    failed = [
        piece.filter(pc.equal(piece["status"], Status.FAILED.value))["uri"].combine_chunks()
        for piece in rows
    ]
    names = pa.concat_arrays([pa.array([], pa.string()), *failed])
    if not len(names):
        return frozenset()
    now = _last_rows([run], names)
    printed = (old for old, facts in earlier if facts.get("state") in _PRINTED)
    before = _last_rows(printed, names)
    return frozenset(name for name, row in before.items() if _is_same(row, now[name]))


def _is_same(before: dict[str, Any], now: dict[str, Any]) -> bool:
    alike = all(before[name] == now[name] for name in ("status", "reason", "size_bytes"))
    return alike and (
        before["mtime_ns"] == now["mtime_ns"]
        or (now["mtime_ns"] is not None and is_same_time(before["mtime_ns"], now["mtime_ns"]))
    )


def _last_rows(runs: Iterable[Run], names: pa.Array) -> dict[str, dict[str, Any]]:
    """The last row of each of these files, by name."""
    found: dict[str, tuple[Any, dict[str, Any]]] = {}
    for run, row in _rows(runs, names):
        order = (run, row["finished_at"])
        if row["uri"] not in found or order > found[row["uri"]][0]:
            found[row["uri"]] = order, row
    return {name: row for name, (_, row) in found.items()}


def _rows(runs: Iterable[Run], names: pa.Array) -> Iterator[tuple[str, dict[str, Any]]]:
    for run in runs:
        for part in read_parts(run.tracks, _FACTS):
            for row in part.filter(pc.is_in(part["uri"], names)).to_pylist():
                yield run.id, row
