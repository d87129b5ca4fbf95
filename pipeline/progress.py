"""Progress of a run in this process: a bar on a terminal, otherwise a line a minute."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from transforms.records import Outcome, Track

_SECONDS_PER_LINE = 60.0


class _Counts:
    def __init__(self) -> None:
        self.listed = 0
        self.statuses: Counter[str] = Counter()

    @property
    def done(self) -> int:
        return sum(self.statuses.values())


_counts = _Counts()


def count_listed(track: Track) -> Track:
    """Count a file that was found; a step of the graph that changes nothing."""
    _counts.listed += 1
    return track


def count_outcome(outcome: Outcome) -> None:
    """Count a file that is done."""
    _counts.statuses[outcome.status] += 1
    if outcome.stage == "walk":  # never passed on as a track
        _counts.listed += 1


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Show progress on the standard error stream while the block runs."""
    global _counts
    _counts = _Counts()
    ended = threading.Event()
    if sys.__stderr__ is None:  # closed by the caller
        yield
        return
    # An own descriptor: the usual one is silenced while TensorFlow is loaded.
    with os.fdopen(os.dup(sys.__stderr__.fileno()), "w", buffering=1) as stream:
        show = _bar if stream.isatty() else _lines
        arguments = (ended, stream)
        thread = threading.Thread(target=show, args=arguments, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _lines(ended: threading.Event, stream: TextIO) -> None:
    started = time.monotonic()
    while not ended.wait(_SECONDS_PER_LINE):
        print(
            line(
                _counts.done, _counts.listed, _counts.statuses["failed"], time.monotonic() - started
            ),
            file=stream,
        )


def line(done: int, listed: int, n_failed: int, seconds: float) -> str:
    """One line of progress.

    Parameters
    ----------
    done, listed, n_failed : int
        Files.
    seconds : float
        Since the run began.

    Returns
    -------
    str

    Examples
    --------
    >>> line(50, 200, 1, 10.0)
    'genrebeam: 50 of 200 files, 5.0 files/s, 0:00:30 left, 1 failed'
    """
    rate = done / seconds if seconds else 0.0
    left = _clock((listed - done) / rate) if rate else "?"
    return (
        f"genrebeam: {done:,} of {listed:,} files, {rate:.1f} files/s, "
        f"{left} left, {n_failed:,} failed"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _bar(ended: threading.Event, stream: TextIO) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} files/s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} failed"),
        console=Console(file=stream),
        transient=True,
    ) as progress:
        task = progress.add_task("listing", total=None, rate=0.0, failed=0)
        started = time.monotonic()
        while not ended.wait(0.2):
            done = _counts.done
            progress.update(
                task,
                description="listening" if done else "listing",
                completed=done,
                total=_counts.listed or None,
                rate=done / (time.monotonic() - started),
                failed=_counts.statuses["failed"],
            )
