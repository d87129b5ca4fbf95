"""Unchanged: what a run has found that no earlier run had.

On most nights a library is as it was. Such a run keeps neither rows nor a page of its own: its
manifest names the run whose rows still hold, in ``rows_in``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.pipeline.options.job import TaggingJob
from genrebeam.pipeline.runs.manifest import Manifest
from genrebeam.pipeline.runs.run import Run, RunResult, saw_all
from genrebeam.transforms.records import Status
from genrebeam.transforms.reports.read import RUN, Rows, were_skipped
from genrebeam.transforms.storage import storage_of

_COMPARED = ("status", "stage", "reason")
# Files of these may be in a run without news: skipped ones, and those that fail as before.
_OLD_NEWS = {Status.UNCHANGED, Status.FAILED}


def drop_if_unchanged(
    run: Run, job: TaggingJob, earlier: Sequence[tuple[Run, Manifest]], ended: RunResult
) -> Run | None:
    """Remove the rows of a run that has found nothing new.

    Parameters
    ----------
    earlier : sequence of (Run, Manifest)
        Those of `runs_before` that still hold.
    ended : RunResult
        What it has left. Its rows stay in memory.

    Returns
    -------
    Run or None
        The run whose rows hold for this one, too; None where there is news.

    Raises
    ------
    OSError
        If reports cannot be read.
    """
    facts = ended.manifest
    counts = facts.get("counts", {})
    if facts.get("state") != "finished" or not counts or not counts.keys() <= _OLD_NEWS:
        return None
    if job.options.retry_failed or not job.options.incremental:
        return None
    if not earlier:
        return None
    last, before = earlier[0]
    is_alike = (
        saw_all(before, job.options.formats, job.options.exclude, job.paths)
        and before.get("library") == facts.get("library")
        # Rows that take over the decisions of other settings are news.
        and before.get("decision_digest") == facts.get("decision_digest")
        and bool(before.get("options", {}).get("dry_run")) == job.options.dry_run
        and sum(before.get("counts", {}).values()) == sum(counts.values())
    )
    if not is_alike or not _says_nothing_new(run, last):
        return None
    run.write_manifest({**facts, "rows_in": last.id})
    storage_of(run.home).remove_folder(run.tracks)
    return last


def _says_nothing_new(run: Run, earlier: Run) -> bool:
    """Whether each file was skipped or failed as before, and none is gone."""
    both = [(one.tracks, one.id) for one in (earlier, run)]
    for piece in Rows(both, ("uri", *_COMPARED), run.workplace):
        is_now = pc.equal(piece[RUN.name], run.id)
        now, before = piece.filter(is_now), piece.filter(pc.invert(is_now))
        place = pc.index_in(now["uri"], before["uri"].combine_chunks())
        if len(now) != len(before) or place.null_count:
            return False
        if not pc.all(_is_old(now, before.take(place)), min_count=0).as_py():
            return False
    return True


def _is_old(now: pa.Table, before: pa.Table) -> pa.ChunkedArray:
    same = pc.equal(now["status"], Status.FAILED.value)
    for name in _COMPARED:
        same = pc.and_(same, pc.equal(now[name], before[name]))
    return pc.or_(were_skipped(now), same)
