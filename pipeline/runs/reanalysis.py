"""Reanalysis: files that are analysed although an earlier run has decided about them.

With a new model or other options a whole library is decided again. That can take a night, so
the user is warned before it begins.
"""

from __future__ import annotations

import logging

from genrebeam.pipeline.options.job import TaggingJob
from genrebeam.pipeline.runs.run import runs_of
from genrebeam.transforms.records import Outcome, Status, printable

# Fewer are no reason to stop.
_MANY = 100
# In a run of fewer tracks most of the time is start-up.
_ENOUGH = 50
_ANALYSED = (Status.TAGGED, Status.WOULD_TAG, Status.UNSURE, Status.REFUSED)

_log = logging.getLogger("genrebeam")


class ReanalysisCounter:
    """Counts files that are decided about again."""

    def __init__(self, job: TaggingJob) -> None:
        self.job = job
        self.n_files = 0

    def add(self, kept: Outcome) -> None:
        """Count a file, unless it is only looked at.

        Parameters
        ----------
        kept : Outcome
            The row that it would have if the earlier decision stayed.
        """
        existing = self.job.options.existing
        is_kept = existing == "keep" and bool(kept.track.tags.genres)
        self.n_files += not (is_kept or existing == "clean")

    def warn(self) -> None:
        """Say how many files are analysed again, and how long that takes."""
        if self.n_files < _MANY:
            return
        seconds = self._seconds_a_track()
        time = "" if seconds is None else f", which takes about {_in_words(seconds * self.n_files)}"
        _log.warning(
            "an earlier run decided about %s files with another model or with other options; "
            "they are analysed again%s. --keep-decisions leaves them alone",
            f"{self.n_files:,}",
            time,
        )

    def _seconds_a_track(self) -> float | None:
        """As in the run on this library that has analysed most; None if none was long enough."""
        found: list[tuple[int, float]] = []
        for run in runs_of(self.job.report):
            facts = run.read_manifest()
            counts = facts.get("counts", {})
            n_analysed = sum(counts.get(status, 0) for status in _ANALYSED)
            if facts.get("library") == printable(self.job.library) and n_analysed >= _ENOUGH:
                found.append((n_analysed, facts.get("seconds", 0.0)))
        n_analysed, seconds = max(found, default=(0, 0.0))
        return seconds / n_analysed if n_analysed and seconds else None


def _in_words(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 90 else f"{round(minutes / 60):,} h"
