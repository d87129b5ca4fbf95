"""Progress of a run in this process: drawn on a terminal, otherwise a line a minute."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from genrebeam.pipeline.views.terminal import (
    WIDEST_BAR,
    bar,
    clock,
    console_of,
    counted,
    is_terminal,
    safe,
)
from genrebeam.pipeline.views.time_left import TimeLeft
from genrebeam.transforms.records import GIVEN, Features, Outcome, Stage, Status, Track

if TYPE_CHECKING:
    from rich.console import RenderableType

_SECONDS_PER_LINE = 60.0
_SECONDS_PER_FRAME = 0.2
# Whoever looks comes more often than that, in s: else this process was stopped meanwhile (Ctrl-Z).
# While the machine sleeps the clock stands still by itself.
_STANDSTILL = 5.0
_SECONDS_PER_LOOK = 1.0
_MOST_GENRES = 4
# From this many columns on there is room for the rate.
_WIDE = 60


@dataclass(frozen=True)
class Progress:
    """How far a run is; nothing in it grows with the library.

    Parameters
    ----------
    listed : int
        Files found.
    not_analysed : int
        Files that are done without being analysed.
    analysed : int
        Files that are done and were analysed, or could not be.
    seconds : float
        Since analysis began; without the time that the machine slept or the run was stopped.
    seconds_left : float or None
        None while that is not known.
    statuses : dict of str to int
        Files that are done.
    genres : dict of str to int
        Files that get each genre of the model.
    """

    listed: int = 0
    not_analysed: int = 0
    analysed: int = 0
    seconds: float = 0.0
    seconds_left: float | None = None
    statuses: dict[str, int] = field(default_factory=dict)
    genres: dict[str, int] = field(default_factory=dict)

    @property
    def to_analyse(self) -> int:
        """Files to analyse in all, as far as is known."""
        return max(self.analysed, self.listed - self.not_analysed)

    @property
    def rate(self) -> float:
        """Files analysed in a second."""
        return self.analysed / self.seconds if self.seconds else 0.0

    @property
    def clock(self) -> str:
        """Time left, as ``h:mm:ss``."""
        return "?" if self.seconds_left is None else clock(self.seconds_left, hours=True)


class _Counts:
    """Counted by the runner's threads, looked at by the one that shows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listed = self._not_analysed = self._analysed = 0
        self._decoded = self._decided = 0
        self._bytes_left = 0
        self._seconds, self._looked_at = 0.0, time.monotonic()
        self._time_left = TimeLeft()
        self._statuses: Counter[str] = Counter()
        self._genres: Counter[str] = Counter()

    def add_listed(self, track: Track) -> None:
        with self._lock:
            self._tick()
            self._listed += 1
            self._bytes_left += track.size_bytes
            if not self._analysed:
                self._seconds = 0.0

    def add_decoded(self) -> None:
        with self._lock:
            self._decoded += 1

    # A signal asks for these, perhaps while its own thread has the lock: they go without.
    @property
    def in_progress(self) -> int:
        return max(0, self._decoded - self._decided)

    @property
    def left(self) -> int:
        return max(0, self._listed - self._not_analysed - self._analysed)

    def add_outcome(self, outcome: Outcome) -> None:
        analysed = outcome.was_classified
        size_bytes = outcome.track.size_bytes
        with self._lock:
            self._tick()
            self._statuses[outcome.status] += 1
            self._decided += outcome.decision is not None or outcome.stage == Stage.CLASSIFY
            if analysed:
                self._analysed += 1
                self._time_left.add(self._seconds, size_bytes)
            else:
                self._not_analysed += 1
                if not self._analysed:
                    self._seconds = 0.0
            if outcome.stage == Stage.WALK:  # never passed on as a track
                self._listed += 1
            else:
                self._bytes_left -= size_bytes
            if outcome.decision is not None and outcome.status in GIVEN:
                self._genres.update(outcome.decision.genres)

    def look(self) -> Progress:
        with self._lock:
            self._tick()
            files_left = self._listed - self._not_analysed - self._analysed
            return Progress(
                listed=self._listed,
                not_analysed=self._not_analysed,
                analysed=self._analysed,
                seconds=self._seconds,
                seconds_left=self._time_left(files_left, self._bytes_left),
                statuses=dict(self._statuses),
                genres=dict(self._genres),
            )

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _STANDSTILL:
            self._seconds += now - self._looked_at
        self._looked_at = now


_counts = _Counts()
_ended = threading.Event()
_thread: threading.Thread | None = None


def count_listed(track: Track) -> Track:
    """Count a file that was found; a step of the graph that changes nothing."""
    _counts.add_listed(track)
    return track


def count_decoded(features: Features) -> Features:
    """Count a track that was decoded; a step of the graph that changes nothing."""
    _counts.add_decoded()
    return features


def tracks_in_progress() -> int:
    """Tracks that were decoded in this process and are not done."""
    return _counts.in_progress


def files_left() -> int:
    """Files that were found in this process and are not done."""
    return _counts.left


def count_outcome(outcome: Outcome) -> None:
    """Count a file that is done."""
    _counts.add_outcome(outcome)


@contextlib.contextmanager
def shown(*, quiet: bool = False) -> Iterator[None]:
    """Show progress on the standard error stream while the block runs.

    Parameters
    ----------
    quiet : bool
        Only count.
    """
    global _counts, _ended, _thread
    _counts, _ended, _thread = _Counts(), threading.Event(), None
    terminal = sys.__stderr__
    if quiet or terminal is None:  # None: closed by the caller
        yield
        return
    # An own descriptor: the usual one is silenced while TensorFlow is loaded.
    with os.fdopen(
        os.dup(terminal.fileno()),
        "w",
        buffering=1,
        encoding=terminal.encoding,
        errors="backslashreplace",
    ) as stream:
        show = _while_read(draw if is_terminal(stream) else _lines)
        arguments = (_ended, stream, _counts.look)
        _thread = threading.Thread(target=show, args=arguments, name="progress", daemon=True)
        _thread.start()
        try:
            yield
        finally:
            hide()


def hide() -> None:
    """Show no more of this run, because other processes do the work and count it."""
    _ended.set()
    if _thread is not None:
        _thread.join()


def _while_read(show: Callable[..., None]) -> Callable[..., None]:
    """Show until the program that reads has ended; the run goes on without it."""

    def shown(*arguments: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            show(*arguments)

    return shown


def draw(ended: threading.Event, stream: TextIO, look: Callable[[], Progress]) -> None:
    """Draw progress on a terminal until it ends, and leave nothing behind."""
    from rich.live import Live
    from rich.spinner import Spinner

    console, waiting = console_of(stream), Spinner("line")
    with Live(console=console, auto_refresh=False, transient=True) as live:
        last = False
        while not last:
            last = ended.is_set()
            live.update(_frame(look(), waiting, console.width), refresh=True)
            ended.wait(_SECONDS_PER_FRAME)


def _frame(progress: Progress, waiting: RenderableType, width: int) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    cells = [f"{progress.analysed:,}/{progress.to_analyse:,}", f"{progress.clock} left"]
    if width >= _WIDE:
        cells.insert(1, f"{progress.rate:.1f} files/s")
    room = width - sum(len(cell) + 2 for cell in cells)
    first = bar(progress.analysed, progress.to_analyse, max(1, min(WIDEST_BAR, room)))
    if not progress.analysed:  # by then all are known that need no analysis
        found = f"{counted(progress.listed, 'file')} found, {progress.to_analyse:,} to analyse"
        first, cells = waiting, [found if progress.listed else "starting"]
    above = Table.grid(padding=(0, 2, 0, 0))
    above.add_row(first, *(Text(cell, no_wrap=True) for cell in cells))
    parts = [
        f"{n:,} {status}"
        for status, n in progress.statuses.items()
        if status in set(Status) - {*GIVEN, Status.FAILED}
    ]
    most = sorted(progress.genres.items(), key=lambda pair: (-pair[1], pair[0]))
    parts += [f"{safe(genre)} {n:,}" for genre, n in most[:_MOST_GENRES]]
    below = Text(no_wrap=True, overflow="ellipsis")
    if failed := progress.statuses.get(Status.FAILED):
        below.append(f"{failed:,} failed" + (", " if parts else ""), "red")
    below.append(", ".join(parts))
    return Group(above, below)


def _lines(ended: threading.Event, stream: TextIO, look: Callable[[], Progress]) -> None:
    due = time.monotonic() + _SECONDS_PER_LINE
    while not ended.wait(min(_SECONDS_PER_LOOK, _SECONDS_PER_LINE)):
        progress = look()
        if time.monotonic() >= due:
            due = time.monotonic() + _SECONDS_PER_LINE
            print(line(progress), file=stream)


def line(progress: Progress) -> str:
    """One line of progress.

    Examples
    --------
    >>> line(Progress(listed=250, analysed=50, seconds=10, seconds_left=40, statuses={"failed": 1}))
    'genrebeam: 50 of 250 files analysed, 5.0 files/s, 0:00:40 left, 1 failed'
    """
    return (
        f"genrebeam: {progress.analysed:,} of {counted(progress.to_analyse, 'file')} analysed, "
        f"{progress.rate:.1f} files/s, {progress.clock} left, "
        f"{progress.statuses.get('failed', 0):,} failed"
    )
