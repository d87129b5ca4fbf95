"""Lock: one run at a time on one home of reports.

Two runs at once would do no file harm (see ``transforms/rewrite.py``), but they would hear
everything twice and each miss what the other settles.

The system holds the lock (``flock``), not the file: it is gone with the process that took it,
however that ended. What the file says is for people.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.options import UsageError
from transforms.records import reason_of

_NAME = "lock"
# What file systems without locks answer; some network mounts are.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)

_log = logging.getLogger("genrebeam")


@contextlib.contextmanager
def locked(report: str) -> Iterator[Callable[[str], None]]:
    """Hold a home of reports for the time of the block.

    On a file system without locks the block runs without one.

    Parameters
    ----------
    report : str
        The reports' home, made where it is missing.

    Yields
    ------
    callable
        Notes the run, by its identifier, for whoever comes second.

    Raises
    ------
    UsageError
        If another run holds it, or the home cannot be written.
    """
    path = os.path.join(report, _NAME)
    try:
        os.makedirs(report, exist_ok=True)
        # Not truncated: another's note may be in it. Not inherited: decoders outlive a crash.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({reason_of(error)})") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{report}: {_who(handle)} is at work here; nothing done") from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise UsageError(f"{path}: cannot be locked ({reason_of(error)})") from error
            _log.info("%s: no lock, other runs are not seen (%s)", path, reason_of(error))
        _forget(handle)  # what a killed run noted
        try:
            yield lambda run: _note(handle, run)
        finally:
            # Not unlinked: a third run would lock a new file while a second has this one open.
            _forget(handle)
    finally:
        os.close(handle)


def _forget(handle: int) -> None:
    with contextlib.suppress(OSError):  # the lock is the system's, not the note
        os.ftruncate(handle, 0)


def _note(handle: int, run: str) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {"run": run, "host": socket.gethostname(), "pid": os.getpid(), "started_at": now}
    with contextlib.suppress(OSError):  # a full disk; the lock holds without it
        os.pwrite(handle, (json.dumps(facts) + "\n").encode("ascii"), 0)


def _who(handle: int) -> str:
    """Who holds the lock, as far as the note tells."""
    try:
        facts: dict[str, Any] = json.loads(os.pread(handle, 4096, 0))
        return (
            f"run {facts['run']} (process {facts['pid']} on {facts['host']}, "
            f"since {facts['started_at']})"
        )
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun
        return "another run"
