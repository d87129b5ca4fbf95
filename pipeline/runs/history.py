"""History: every genre that a file has had, when, and from which model.

A file is followed through all runs by its paths and its fingerprint (see
``transforms/fingerprint.py``), so a file that was moved keeps its history.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.pipeline.runs.changes import began
from genrebeam.pipeline.runs.run import Run, runs_of
from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.records import Status, TrackError, Trait, printable
from genrebeam.transforms.reports.pieces import last_of_each
from genrebeam.transforms.reports.read import read_parts
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.undo import read_journal

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
    run : str or None
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
    names, prints = _aliases(path, runs)
    events: list[Event] = []
    known: tuple[str, ...] | None = None
    for run in runs:
        taken = _given_back(run, names)
        rows = _rows_of(run, _COLUMNS, names, prints)
        for row in last_of_each(rows, ["uri"], "finished_at").to_pylist():
            before, after = tuple(row["genres_before"]), tuple(row["genres_after"])
            common = {"time": row["finished_at"].isoformat(), "path": row["uri"], "run": run.id}
            if before != known and row["status"] != Status.UNCHANGED:
                events.append(Event(what="found", genres=before, **common))
                known = before
            if row["status"] in Status.having(Trait.GIVEN):
                model = f"{row['model_name']} {row['model_version']}".rstrip()
                made = {"model": model, "confidence": row["confidence"]}
                events.append(Event(what=row["status"], genres=after, **common, **made))
                known = after if row["status"] == Status.TAGGED else known
        for entry in _unreported(run, names, events):
            genres = tuple(entry["genres_after"])
            events.append(Event(entry["time"], "tagged", genres, entry["path"], run.id))
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


def _aliases(path: str, runs: Sequence[Run]) -> tuple[set[str], set[str]]:
    """All paths and fingerprints that the file had in the reports of these runs."""
    names = {printable(path), printable(storage_of(path).real(path))}
    prints = {found for found in [fingerprint(path)] if found is not None}
    for _ in range(2):  # its path leads to its fingerprint, and that leads to its other paths
        for run in runs:
            for row in _rows_of(run, ["uri", "fingerprint"], names, prints).to_pylist():
                if row["fingerprint"] is not None:
                    prints.add(row["fingerprint"])
                    names.add(row["uri"])
    return names, prints


def _rows_of(run: Run, columns: Sequence[str], names: set[str], prints: set[str]) -> pa.Table:
    """Rows of a run's report with one of these paths or fingerprints."""
    wanted = pa.schema([SCHEMA.field(column) for column in columns])
    found = [wanted.empty_table()]
    for rows in read_parts(run.tracks, wanted):
        named = pc.is_in(rows["uri"], pa.array(sorted(names), pa.string()))
        known = pc.is_in(rows["fingerprint"], pa.array(sorted(prints), pa.string()))
        found.append(rows.filter(pc.or_(named, known)))
    return pa.concat_tables(found)


def _unreported(run: Run, names: set[str], events: list[Event]) -> list[dict[str, Any]]:
    """Changes that are in the journal but have no row, because the run died."""
    told = {event.run for event in events if event.what == "tagged"}
    if run.id in told:
        return []
    return [
        {**entry, "time": entry.get("time") or began(run).isoformat()}
        for entry in read_journal(run.journal.lines())
        if printable(entry.get("path", "")) in names and "genres_after" in entry
    ]


def _given_back(run: Run, names: set[str]) -> list[Event]:
    """Events of undo on the file."""
    before = {
        printable(entry["path"]): tuple(entry.get("genres_before", ()))
        for entry in read_journal(run.journal.lines())
        if "path" in entry
    }
    found = []
    for line in run.undone.lines():
        try:
            note = json.loads(line)
        except ValueError:
            continue
        if names & {printable(note["path"]), printable(note["found_at"])}:
            genres = before.get(printable(note["path"]), ())
            found.append(Event(note["time"], "given_back", genres, note["found_at"], run.id))
    return found
