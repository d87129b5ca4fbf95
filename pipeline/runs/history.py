"""History: every genre that a file has had, when, and from which model.

A file is followed through all runs by its paths and its fingerprint (see
``transforms/fingerprint.py``), so a file that was moved keeps its history.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.pipeline.runs.changes import began
from genrebeam.pipeline.runs.journal import read_notes
from genrebeam.pipeline.runs.run import Run, runs_of
from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.records import GIVEN, Status, TrackError, printable
from genrebeam.transforms.reports.partitions import last_of_each
from genrebeam.transforms.reports.read import read_parts
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.storage import path_of, storage_of
from genrebeam.transforms.tags.change import Change
from genrebeam.transforms.tags.header import read_header

_COLUMNS = [
    *("uri", "status", "genres_before", "genres_after", "confidence"),
    *("model_name", "model_version", "fingerprint", "finished_at"),
]


@dataclass(frozen=True)
class Event:
    """One event in the history of a file's genres.

    Parameters
    ----------
    time : str
        ISO 8601, UTC.
    what : {"found", "tagged", "would_tag", "given_back", "now"}
        ``found``: it had these genres when a run first saw it, or somebody had changed them.
    genres : tuple of str
        Its genres from then on; for ``would_tag``, those it would have got.
    path : str
        Its path at that time.
    model : str or None
        Name and version, if a model chose the genre.
    confidence : float or None
        Calibrated probability.
    """

    time: str
    what: str
    genres: tuple[str, ...]
    path: str
    run: str | None = None
    model: str | None = None
    confidence: float | None = None


def history_of(path: str, report: str) -> list[Event]:
    """The history of a file's genres, the oldest event first.

    Parameters
    ----------
    path : str
        Absolute path of the file, now or at any earlier time.
    report : str
        The report folder.

    Returns
    -------
    list of Event
        Empty if no run has seen the file.

    Raises
    ------
    OSError, pyarrow.ArrowException
        If the reports cannot be read.
    """
    runs = runs_of(report)
    names = _aliases(path, runs)
    events: list[Event] = []
    known: tuple[str, ...] | None = None
    for run in runs:
        taken = _given_back(run, names)
        rows = _rows_of(run, _COLUMNS, names, set())
        for row in last_of_each(rows, ["uri"], "finished_at").to_pylist():
            before, after = tuple(row["genres_before"]), tuple(row["genres_after"])
            common = {"time": row["finished_at"].isoformat(), "path": row["uri"], "run": run.id}
            if before != known and row["status"] != Status.UNCHANGED:
                events.append(Event(what="found", genres=before, **common))
                known = before
            if row["status"] in GIVEN:
                model = f"{row['model_name']} {row['model_version']}".rstrip()
                made = {"model": model, "confidence": row["confidence"]}
                events.append(Event(what=row["status"], genres=after, **common, **made))
                known = after if row["status"] == Status.TAGGED else known
        for entry in _unreported(run, names, events):
            genres = entry.genres_after
            events.append(Event(entry.time, "tagged", genres, entry.path, run.id))
            known = genres
        events += taken
    events.sort(key=lambda event: event.time)
    return events


def now(path: str, time: str) -> Event | None:
    """The genres that a file has now, or None if it cannot be read."""
    try:
        tags = read_header(path)[0]
    except (TrackError, OSError):
        return None
    return Event(time, "now", tags.genres or tags.shadow, path)


def _aliases(path: str, runs: Sequence[Run]) -> set[str]:
    """All paths that the file had in the reports of these runs.

    Another path with its fingerprint is one of its own if it was moved. Whatever was there
    together with it, in a run or now, is a copy with a life of its own.
    """
    names = {printable(path), printable(storage_of(path).real(path))}
    prints = {found for found in [fingerprint(path)] if found is not None}
    others: set[str] = set()
    for _ in range(2):  # its path leads to its fingerprint, and that leads to its other paths
        seen: dict[str, set[str]] = {}
        for run in runs:
            for row in _rows_of(run, ["uri", "fingerprint"], names | others, prints).to_pylist():
                seen.setdefault(row["uri"], set()).add(run.id)
                if row["uri"] in names and row["fingerprint"] is not None:
                    prints.add(row["fingerprint"])
                elif row["uri"] not in names and row["fingerprint"] in prints:
                    others.add(row["uri"])
        ours = {run for name in names for run in seen.get(name, ())}
        is_there = any(map(_is_there, names))
        for other in sorted(others, key=lambda other: max(seen.get(other, {""}))):
            is_copy = is_there and _is_there(other)
            if not is_copy and not seen.get(other, set()) & ours:
                names.add(other)
                ours |= seen.get(other, set())
        others -= names
    return names


def _is_there(shown: str) -> bool:
    """Whether a file is on a disk now; a bucket is not asked."""
    return "://" not in shown and os.path.lexists(path_of(shown))


def _rows_of(run: Run, columns: Sequence[str], names: set[str], prints: set[str]) -> pa.Table:
    """Rows of a run's report with one of these paths or fingerprints."""
    wanted = pa.schema([SCHEMA.field(column) for column in columns])
    found = [wanted.empty_table()]
    for rows in read_parts(run.tracks, wanted):
        named = pc.is_in(rows["uri"], pa.array(sorted(names), pa.string()))
        known = pc.is_in(rows["fingerprint"], pa.array(sorted(prints), pa.string()))
        found.append(rows.filter(pc.or_(named, known)))
    return pa.concat_tables(found)


def _unreported(run: Run, names: set[str], events: list[Event]) -> list[Change]:
    """Changes that are in the journal but have no row, because the run died."""
    tagged_in = {event.run for event in events if event.what == "tagged"}
    if run.id in tagged_in:
        return []
    return [
        dataclasses.replace(entry, time=entry.time or began(run).isoformat())
        for entry in run.journal.changes()
        if isinstance(entry, Change) and printable(entry.path) in names
    ]


def _given_back(run: Run, names: set[str]) -> list[Event]:
    """Events of undo on the file."""
    before = {
        entry.path: entry.genres_before
        for entry in run.journal.changes()
        if isinstance(entry, Change)
    }
    return [
        Event(note.time, "given_back", before.get(note.path, ()), note.found_at, run.id)
        for note in read_notes(run.undone)
        if note.status == "restored" and names & {printable(note.path), printable(note.found_at)}
    ]
