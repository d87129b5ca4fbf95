"""Lock: one run at a time on one home of reports.

Two runs at once would do no file harm (see ``transforms/tags/rewrite.py``), but they would hear
everything twice and each miss what the other settles.

The system holds the lock (``flock``), not the file: it is gone with the process that took it,
however that ended. What the file says is for people. In a bucket the lock is an object that only
one can create; one that a run left that was killed is for people to remove.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import io
import json
import logging
import os
import shlex
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.settings.options import UsageError
from transforms.records import reason_of
from transforms.storage import buckets
from transforms.storage.buckets import is_remote

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
    if is_remote(report):
        with _locked_by_object(report, path) as note:
            yield note
        return
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
            who = _who(os.pread(handle, 4096, 0))
            raise UsageError(f"{report}: {who} is at work here; nothing done") from error
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
    with contextlib.suppress(OSError):  # a full disk; the lock holds without it
        os.pwrite(handle, _facts(run=run), 0)


def _facts(**known: str | None) -> bytes:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {**known, "host": socket.gethostname(), "pid": os.getpid(), "started_at": now}
    return f"{json.dumps(facts)}\n".encode("ascii")


def _who(note: bytes) -> str:
    """Who holds the lock, as far as the note tells."""
    try:
        facts: dict[str, Any] = json.loads(note)
        run = f"run {facts['run']}" if facts["run"] else "another run"
        return f"{run} (process {facts['pid']} on {facts['host']}, since {facts['started_at']})"
    except (ValueError, KeyError, TypeError):  # it has only just begun
        return "another run"


@contextlib.contextmanager
def _locked_by_object(report: str, path: str) -> Iterator[Callable[[str], None]]:
    # By it a lock is known again that was written though the answer was lost.
    key = uuid.uuid4().hex
    try:
        try:
            held = buckets.put(path, io.BytesIO(_facts(run=None, key=key)), replacing=None)
        except buckets.ObjectChanged as error:
            held, found = _read(path)
            if key.encode() not in found:
                tool = "gcloud storage rm" if path.startswith("gs://") else "aws s3 rm"
                raise UsageError(
                    f"{report}: {_who(found)} is at work here; nothing done "
                    f"(if it was killed: {tool} {shlex.quote(path)})"
                ) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({reason_of(error)})") from error

    def note(run: str) -> None:
        with contextlib.suppress(OSError):  # the lock holds without it
            buckets.put(path, io.BytesIO(_facts(run=run, key=key)), replacing=held)

    try:
        yield note
    finally:
        try:
            held, found = _read(path)
            if key.encode() in found:  # else somebody has removed it, and another run begun
                buckets.remove(held)
        except OSError as error:
            _log.warning("%s: cannot be removed (%s)", path, reason_of(error))


def _read(path: str) -> tuple[buckets.RemoteObject, bytes]:
    held, stream = buckets.find(path), io.BytesIO()
    buckets.fetch(held, stream)
    return held, stream.getvalue()
