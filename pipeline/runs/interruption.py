"""Ctrl-C, SIGTERM, and a library that vanishes: end a run early, but in order.

The first signal asks every step to let the remaining tracks go; what is in hand is finished
and reported. A second one ends the process at once; files stay whole then too. A disk that is
unplugged or a share that is lost ends the run like a signal, before it makes a failure of every
file. Steps in other processes are asked by a note in the run's folder, which they share: an
engine that is told to cancel would leave what is in hand without a row, and Beam's job server
for Flink lets the cluster go on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator

from pipeline.views.terminal import safe

INTERRUPTED = 3

_NOTE = "stop"
_SECONDS_BETWEEN_LOOKS = 0.5

_requested = threading.Event()
_folder: str | None = None


def requested() -> bool:
    """Whether this process was asked to end the run early."""
    return _requested.is_set()


class Stopping:
    """Whether a run shall end early, for its steps, in whatever process they work.

    Parameters
    ----------
    folder : str
        Of the run.
    library : str, optional
        A local one ends the run when it is no longer there.
    """

    def __init__(self, folder: str, library: str | None = None) -> None:
        self.folder = folder
        self.library = library
        self._disk = _disk_of(library)
        self._process = _this_process()
        self._noted = False
        self._looked_at = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._noted and now - self._looked_at > _SECONDS_BETWEEN_LOOKS:
            self._looked_at = now
            self._noted = os.path.exists(os.path.join(self.folder, _NOTE))
            if self._library_is_gone():
                self._say_gone()
        return self._noted or requested()

    def _library_is_gone(self) -> bool:
        # Another machine has numbers of its own for the same disk.
        is_known = self._disk is not None and self._process == _this_process()
        return is_known and _disk_of(self.library) != self._disk

    def _say_gone(self) -> None:
        self._noted = True
        leave_note(self.folder)
        if not requested():
            _requested.set()
            gone = safe(self.library or "")
            rest = "what is not heard yet waits for the next run"
            print(f"\ngenrebeam: {gone} is no longer there; stopping, {rest}", file=sys.stderr)


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _disk_of(library: str | None) -> tuple[int, int] | None:
    """What tells a library from the empty folder that its disk was mounted on."""
    try:
        facts = os.stat(library) if library else None
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if facts else None


def leave_note(folder: str) -> None:
    """Ask the steps of a run to end, wherever they work."""
    with contextlib.suppress(OSError), open(os.path.join(folder, _NOTE), "w"):
        pass


def remove_note(folder: str) -> None:
    """Tidy up behind steps that have ended."""
    with contextlib.suppress(OSError):
        os.remove(os.path.join(folder, _NOTE))


@contextlib.contextmanager
def handled(folder: str | None = None) -> Iterator[None]:
    """Handle signals in the block; only the main thread can.

    Parameters
    ----------
    folder : str, optional
        Of the run, where steps may work in other processes.
    """
    global _folder
    _requested.clear()
    _folder = folder
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, _on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _on_signal(number: int, frame: object) -> None:
    if _requested.is_set():
        from transforms.audio import pool

        pool.stop()
        os._exit(INTERRUPTED)
    _requested.set()
    if _folder is not None:
        leave_note(_folder)
    print("\ngenrebeam: stopping; what is in hand is finished first", file=sys.stderr)
