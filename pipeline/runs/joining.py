"""Joining: one home for a library, where runs on its parts have left several."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence

from genrebeam.pipeline.options.errors import UsageError, writing
from genrebeam.pipeline.options.home import joining, make_home
from genrebeam.pipeline.runs.lock import locked
from genrebeam.pipeline.runs.run import Run, runs_of


def join_homes(report: str, library: str, roots: Sequence[str]) -> None:
    """Move the runs of homes that belong to a library into its own (see `joining`).

    A home where a run is at work is left for the next time.

    Parameters
    ----------
    report : str
        The library's own; locked.
    library : str
        Absolute path.
    roots : sequence of str
        What is listed of it.

    Raises
    ------
    UsageError
        If they cannot be moved.
    """
    for home in joining(report, roots):
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(home.path))
            except UsageError:
                continue
            with writing(report):
                make_home(report, library)
                for run in runs_of(home.path):
                    _move(run, Run(run.id, report))
                shutil.rmtree(home.path)


def _move(run: Run, joined: Run) -> None:
    # The rows first: a run that is listed has its rows.
    for source, target in ((run.tracks, joined.tracks), (run.folder, joined.folder)):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # moved before a crash, or never written
            os.rename(source, target)
