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
from genrebeam.model.loading import say
from genrebeam.pipeline.views.terminal import counted, safe

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
    *libraries : str
        If one is local, the run ends when it is no longer there.
    """

    def __init__(self, folder: str, *libraries: str) -> None:
        self.folder = folder
        # A file that is written is another one afterwards; its folder is not.
        roots = (os.path.dirname(one) if os.path.isfile(one) else one for one in libraries)
        self._disks = {root: disk_of(root) for root in roots if "://" not in root}
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
            if gone := self._gone():
                self._say_gone(gone)
        return self._noted or requested()

    def _gone(self) -> str | None:
        # Another machine may number the same disk differently.
        if self._process != _this_process():
            return None
        for root, disk in self._disks.items():
            # None: it was there when the run began, and gone before this was made.
            if disk is None or disk_of(root) != disk:
                return root
        return None

    def _say_gone(self, gone: str) -> None:
        self._noted = True
        leave_note(self.folder)
        if not requested():
            _requested.set()
            rest = "the next run does the rest"
            print(
                f"\ngenrebeam: {safe(gone)} is no longer there; stopping, {rest}", file=sys.stderr
            )


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


def disk_of(library: str) -> tuple[int, int] | None:
    """Device and inode: they differ between a library and the empty mount point it leaves."""
    try:
        facts = os.stat(library)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


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
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, _on_signal)
    try:
        yield
    finally:
        _requested.clear()  # what this process does next is another matter
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
    from genrebeam.pipeline.views import progress

    how = "a second signal stops at once"
    if n_tracks := progress.tracks_in_progress():
        # Tracks that vote together are decided together.
        but = "but those of an album that is cut off"
        how = f"{counted(n_tracks, 'track')} in progress will be finished, {but}; {how}"
    say(f"\ngenrebeam: stopping; {how}")
