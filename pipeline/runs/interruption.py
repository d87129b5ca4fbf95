"""Ctrl-C, SIGTERM, and a library that vanishes: end a run early, but cleanly.

After the first signal every step drops the tracks that it has not begun; tracks in progress are
finished and reported. A second signal ends the process at once; even then every file is whole. If a
disk is unplugged or a share is lost, the run ends as after a signal, before every file fails.

Steps in other processes learn of it from a file in the run's folder. Cancelling the job through its
engine would be worse: tracks in progress would get no row, and Beam's job server for Flink lets the
cluster go on.
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

from genrebeam.model import files
from genrebeam.pipeline.views.terminal import safe

INTERRUPTED = 3

_NOTE = "stop"
_SECONDS_BETWEEN_LOOKS = 0.5

_requested = threading.Event()
_folder: str | None = None


def requested() -> bool:
    """Whether this process was asked to end the run early."""
    return _requested.is_set()


class Stopping:
    """Asks whether a run shall end early; for its steps, in any process.

    Parameters
    ----------
    folder : str
        Of the run.
    library : str, optional
        If it is local, the run ends when it is no longer there.
    """

    def __init__(self, folder: str, library: str | None = None) -> None:
        self.folder = folder
        self.library = library
        self._disk = _disk_of(library)
        self._process = _this_process()
        self._noted = False
        self._looked_at = 0.0

    def __call__(self) -> bool:
        if time.monotonic() - self._looked_at > _SECONDS_BETWEEN_LOOKS:
            return self.look()
        return self._noted or requested()

    def look(self) -> bool:
        """The same without patience: look for the note and the library now."""
        if not self._noted:
            self._looked_at = time.monotonic()
            self._noted = os.path.exists(os.path.join(self.folder, _NOTE))
            if self._library_is_gone():
                self._say_gone()
        return self._noted or requested()

    def _library_is_gone(self) -> bool:
        if self.library is None or "://" in self.library:
            return False
        # Another machine may number the same disk differently.
        if self._process != _this_process():
            return False
        # None: it was there when the run began, and gone before this was made.
        return self._disk is None or _disk_of(self.library) != self._disk

    def _say_gone(self) -> None:
        self._noted = True
        leave_note(self.folder)
        if not requested():
            _requested.set()
            gone = safe(self.library or "")
            rest = "the next run does the rest"
            print(f"\ngenrebeam: {gone} is no longer there; stopping, {rest}", file=sys.stderr)


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def _disk_of(library: str | None) -> tuple[int, int] | None:
    """Device and inode: they differ between a library and the empty mount point it leaves."""
    try:
        facts = os.stat(library) if library else None
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if facts else None


def leave_note(folder: str) -> None:
    """Ask the steps of a run to end, wherever they work."""
    with contextlib.suppress(OSError):
        os.close(files.open_own(os.path.join(folder, _NOTE), os.O_WRONLY | os.O_CREAT))


def remove_note(folder: str) -> None:
    """Remove the file that asks the steps to end."""
    with contextlib.suppress(OSError):
        os.remove(os.path.join(folder, _NOTE))


@contextlib.contextmanager
def handled(folder: str | None = None) -> Iterator[None]:
    """Handle signals inside the block; only the main thread can do that.

    Parameters
    ----------
    folder : str, optional
        The run's folder, if steps may run in other processes.
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
        from genrebeam.transforms.audio import pool

        pool.stop()
        os._exit(INTERRUPTED)
    _requested.set()
    if _folder is not None:
        leave_note(_folder)
    how = "tracks in progress are finished first; a second signal stops at once"
    print(f"\ngenrebeam: stopping; {how}", file=sys.stderr)
