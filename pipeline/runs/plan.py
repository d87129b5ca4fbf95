"""Plan: what a dry run showed, to be written exactly so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import pyarrow.compute as pc

from genrebeam.pipeline.options.errors import UsageError, reading
from genrebeam.pipeline.options.tagging import WritingOptions
from genrebeam.pipeline.runs import interruption
from genrebeam.pipeline.runs.apply import write_run
from genrebeam.pipeline.runs.manifest import Manifest
from genrebeam.pipeline.runs.run import Run, RunResult, library_to_change, runs_of
from genrebeam.pipeline.views.terminal import tracked
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.library.skip import is_same_time
from genrebeam.transforms.records import (
    ID3_VERSIONS,
    Outcome,
    Stage,
    Status,
    Track,
    dropped,
    printable,
    with_tags,
)
from genrebeam.transforms.reports.read import read_parts
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.reports.write import RunFacts, row, write_part
from genrebeam.transforms.storage import is_inside, path_of, storage_of
from genrebeam.transforms.tags.formats.format import CONFIDENCE, MODEL, MOOD
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.rewrite import Journal
from genrebeam.transforms.tags.tag import TagPolicy, written

# What writing changes in a row of the dry run; all else is as it was decided there.
_WRITTEN = (
    *("status", "stage", "reason", "error_type", "error_message", "size_bytes", "mtime"),
    *("mtime_ns", "genres_before", "genres_after", "mood_before", "mood_after", "write_s"),
    *("finished_at", "fingerprint", "dry_run"),
)
_ROWS_PER_PART = 1000


@dataclass(frozen=True)
class Plan:
    """A dry run whose genres can be written.

    Parameters
    ----------
    library : str
        Nothing outside of it is written.
    """

    run: Run
    manifest: Manifest
    library: str

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of the files that would be tagged, each once."""
        seen: set[str] = set()
        for part in read_parts(self.run.tracks, SCHEMA):
            planned = part.filter(pc.equal(part["status"], Status.WOULD_TAG.value))
            for batch in planned.to_batches(max_chunksize=_ROWS_PER_PART):
                for one in batch.to_pylist():
                    if one["uri"] not in seen:
                        seen.add(one["uri"])
                        yield one

    def policy(self, *, dry_run: bool) -> TagPolicy:
        """How the dry run would have written.

        Raises
        ------
        UsageError
            If its options are none.
        """
        known = {field.name for field in dataclasses.fields(WritingOptions)}
        options = self.manifest.get("options", {})
        writing = WritingOptions(**{name: options[name] for name in known & options.keys()})
        if writing.id3_version not in ID3_VERSIONS or not isinstance(writing.separator, str):
            raise UsageError(f"run {self.run.id}: its options are damaged")
        write = dataclasses.replace(writing.write, library=path_of(self.library))
        confidence = options.get("write_confidence") is True
        return TagPolicy(
            dry_run=dry_run, form=writing.form, write=write, write_confidence=confidence
        )


def find_plan(report: str, id: str, library: str | None = None) -> Plan:
    """Find a dry run.

    Parameters
    ----------
    report : str
        The report folder.
    id : str
        Of the run.
    library : str, optional
        Root of the music, where the user names it.

    Raises
    ------
    UsageError
        If there is no such run, it was no dry run, or nobody says that its library is the user's.
    """
    with reading(report):
        run = next((one for one in runs_of(report) if one.id == id.removeprefix("run=")), None)
    if run is None:
        raise UsageError(f"{id}: neither a file of corrections nor a run of {report}")
    manifest = run.read_manifest()
    if manifest.get("options", {}).get("dry_run") is not True:
        raise UsageError(f"run {run.id} is not a dry run: its changes are written already")
    return Plan(run, manifest, library_to_change(run, manifest, library))


def write_plan(
    plan: Plan, *, note: Callable[[str], None], watched: TextIO | None = None
) -> tuple[Run, RunResult]:
    """Write a plan in a run of its own, with journal, rows and manifest.

    Parameters
    ----------
    plan : Plan
        Of a report folder that is locked.
    note : callable
        Of the lock: takes the run's id.
    watched : file or None
        Where a progress bar goes, if it is a terminal.
    """
    policy = plan.policy(dry_run=False)
    total = plan.manifest.get("counts", {}).get(Status.WOULD_TAG, 0)

    def execute(run: Run) -> None:
        done: list[dict[str, Any]] = []
        try:
            for planned in tracked(plan.rows(), total, watched):
                if interruption.requested():
                    return
                outcome = write_planned(planned, plan.library, policy, run.journal)
                done.append(_as_written(planned, outcome))
                if len(done) >= _ROWS_PER_PART:
                    write_part(done, run.tracks, run.folder)
                    done.clear()
        finally:
            if done:
                write_part(done, run.tracks, run.folder)

    digest = plan.manifest.get("decision_digest", "")
    return write_run(plan.run.home, plan.library, digest, execute, note)


def write_planned(
    planned: dict[str, Any], library: str, policy: TagPolicy, journal: Journal
) -> Outcome:
    """Write what a dry run showed for a file, if the file is still as it was then.

    Parameters
    ----------
    planned : dict
        The file's row.
    library : str
        Nothing outside of it is written.
    journal : callable
        See `genrebeam.transforms.tags.tag.write_genres`.
    """
    track = Track(path_of(planned["uri"]), planned["format"])
    outcome = Outcome(track, Status.REFUSED, Stage.TAG, "")
    try:
        if track.format not in FORMATS or not is_inside(track.uri, path_of(library)):
            reason = "leads out of the run's library, or is no music"
            return dataclasses.replace(outcome, stage=Stage.WALK, reason=reason)
        found = storage_of(track.uri).find(track.uri)
        track = track.as_written(found.size, found.mtime_ns)
        track = with_tags(track, *read_header(track.uri, policy.form))
    except Exception as error:  # whatever a file does to its reader is a row
        return dropped(track, Stage.READ_TAGS, error)
    genres = track.tags.genres or track.tags.shadow
    outcome = dataclasses.replace(outcome, track=track, genres_after=genres)
    is_as_shown = (
        found.size == planned["size_bytes"]
        and is_same_time(planned["mtime_ns"], found.mtime_ns)
        and list(map(printable, genres)) == planned["genres_before"]
    )
    mood = _mood_of(planned)
    if mood is not None:  # older dry runs know of none
        is_as_shown &= _shown(track.tags.mood) == planned["mood_before"]
    if not is_as_shown:
        if list(map(printable, genres)) != planned["genres_after"]:
            return dataclasses.replace(outcome, reason="changed since the dry run; left as it is")
        reason = "has the genre that the dry run showed already"
        return dataclasses.replace(
            outcome, status=Status.UNCHANGED, stage=Stage.SKIP, reason=reason
        )
    own = {printable(genre): genre for genre in (*track.tags.genres, *track.tags.shadow)}
    after = tuple(own.get(genre, genre) for genre in planned["genres_after"])
    custom = {}
    if policy.write_confidence and planned["confidence"] is not None:
        model = f"{planned['model_name']} {planned['model_version']}"
        custom = {CONFIDENCE: f"{planned['confidence']:.3f}", MODEL: model}
    if mood is not None:
        custom[MOOD] = mood
    outcome = dataclasses.replace(outcome, reason=planned["reason"], genres_after=after, mood=mood)
    return written(outcome, journal, policy, custom)


def _mood_of(planned: dict[str, Any]) -> str | None:
    """The mood that a dry run would have written."""
    mood: str | None = planned["mood_after"]
    return mood if mood != planned["mood_before"] else None


def _shown(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _as_written(planned: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """The row of a file: what the dry run decided, and what became of it."""
    if outcome.status in (Status.TAGGED, Status.UNCHANGED):
        from genrebeam.transforms.fingerprint import fingerprint

        outcome = dataclasses.replace(outcome, fingerprint=fingerprint(outcome.track.uri))
    now = row(outcome, RunFacts.by_hand())
    return {**planned, **{name: now[name] for name in _WRITTEN}}
