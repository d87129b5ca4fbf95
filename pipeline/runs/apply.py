"""Apply: runs that write what was decided before, such as by a person on a report page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.pipeline.options.errors import UsageError, reading
from genrebeam.pipeline.runs import interruption
from genrebeam.pipeline.runs.choices import ReportedFile, write_choice
from genrebeam.pipeline.runs.corrections import Choice, Corrections
from genrebeam.pipeline.runs.manifest import Manifest
from genrebeam.pipeline.runs.run import (
    Run,
    RunResult,
    library_to_change,
    record,
    runs_of,
    start_run,
)
from genrebeam.pipeline.views.terminal import tracked
from genrebeam.transforms.records import Outcome, Stage
from genrebeam.transforms.reports.read import latest_rows
from genrebeam.transforms.reports.write import ReportWriter, RunFacts
from genrebeam.transforms.tags.change import Change
from genrebeam.transforms.tags.tag import TagPolicy

_COLUMNS = ("uri", "stage", "reason", "duration_s")


@dataclass(frozen=True)
class ResolvedChoices:
    """Choices, as far as a report knows their files.

    Parameters
    ----------
    by_library : dict
        Library of the runs that saw the files, to what they say.
    unknown : tuple of (Choice, str)
        The others, and why. They are never written.
    """

    by_library: dict[str, list[ReportedFile]]
    unknown: tuple[tuple[Choice, str], ...]


def look_up(corrections: Corrections, report: str, library: str | None = None) -> ResolvedChoices:
    """Find the files of choices in the report of the run that showed them.

    Parameters
    ----------
    report : str
        The report folder. Nothing is made there.
    library : str, optional
        Root of the music, where the user names it; else the runs are asked that this user's
        program made.

    Raises
    ------
    UsageError
        If the folder cannot be read or has no run.
    """
    with reading(report):
        runs = {run.id: run for run in runs_of(report)}
        if not runs:
            raise UsageError(f"{report}: has no run")
        by_run: dict[str, list[Choice]] = {}
        for choice in corrections.choices:
            by_run.setdefault(choice.run, []).append(choice)
        by_library: dict[str, list[ReportedFile]] = {}
        unknown: list[tuple[Choice, str]] = []
        for id, choices in by_run.items():
            if id in runs:
                unknown += _look_up_in(runs[id], choices, by_library, library)
            else:
                unknown += [(choice, f"{report} has no run {id}") for choice in choices]
    return ResolvedChoices(by_library, tuple(unknown))


def _look_up_in(
    run: Run,
    choices: Sequence[Choice],
    by_library: dict[str, list[ReportedFile]],
    named: str | None,
) -> list[tuple[Choice, str]]:
    """Add the files that a run knows; return the choices whose files it does not know."""
    try:
        library = library_to_change(run, run.read_manifest(), named)
    except UsageError as error:
        return [(choice, str(error)) for choice in choices]
    rows = latest_rows(run.tracks, _COLUMNS)
    wanted = pa.array([choice.uri for choice in choices], pa.string())
    rows = rows.filter(pc.is_in(rows["uri"], wanted))
    by_uri = {row.pop("uri"): row for row in rows.to_pylist()}
    unknown = []
    for choice in choices:
        row = by_uri.get(choice.uri)
        if row is None:
            unknown.append((choice, f"not in the report of run {run.id}"))
        else:
            by_library.setdefault(library, []).append(ReportedFile(choice, library, **row))
    return unknown


def write_choices(
    report: str,
    library: str,
    shown: Sequence[ReportedFile],
    policy: TagPolicy,
    *,
    note: Callable[[str], None],
    watched: TextIO | None = None,
) -> tuple[Run, RunResult]:
    """Write choices in a run of their own, with journal, rows and manifest.

    Parameters
    ----------
    report : str
        The report folder, locked.
    library : str
        As the manifest shall name it.
    note : callable
        Of the lock: takes the run's id.
    watched : file or None
        Where a progress bar goes, if it is a terminal.
    """

    def execute(run: Run) -> None:
        rows = ReportWriter(run.tracks, run.folder, RunFacts.by_hand(library))
        try:
            for one in tracked(shown, len(shown), watched):
                if interruption.requested():
                    return
                rows.add(write_choice(one, policy, run.journal))
        finally:
            rows.flush()

    return write_run(report, library, Stage.BY_HAND.value, execute, note)


def write_run(
    report: str,
    library: str,
    decision_digest: str,
    execute: Callable[[Run], None],
    note: Callable[[str], None],
) -> tuple[Run, RunResult]:
    """A run of ``apply``, from its start to its manifest.

    Parameters
    ----------
    report, library, note
        See `write_choices`.
    execute : callable
        Writes files and rows until `interruption.requested`.
    """
    run = start_run(report)
    note(run.id)
    facts: Manifest = {
        "library": library,
        "command": "apply",
        # No format at all: the run has not seen the whole library.
        "options": {"dry_run": False, "formats": []},
        "decision_digest": decision_digest,
    }
    with interruption.handled(run.folder):
        ended = record(run, facts, lambda: execute(run), interruption.requested)
    interruption.remove_note(run.folder)
    return run, ended


def rehearse(shown: Sequence[ReportedFile], policy: TagPolicy) -> list[Outcome]:
    """What `write_choices` would do, without a run and without writing."""

    def journal(change: Change) -> None:
        raise AssertionError("a dry run changes nothing")

    return [write_choice(one, policy, journal) for one in shown]
