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
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.settings.options import UsageError
from transforms.records import reason_of
from transforms.storage import Held, storage_of

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
    with contextlib.ExitStack() as stack:
        try:
            note = stack.enter_context(storage_of(report).lock(path, _facts))
        except Held as error:
            advice = f" (if it was killed: {error.advice})" if error.advice else ""
            who = _who(error.note)
            raise UsageError(f"{report}: {who} is at work here; nothing done{advice}") from error
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({reason_of(error)})") from error
        yield note


def _facts(run: str) -> bytes:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {"run": run, "host": socket.gethostname(), "pid": os.getpid(), "started_at": now}
    return f"{json.dumps(facts)}\n".encode("ascii")


def _who(note: bytes) -> str:
    """Who holds the lock, as far as the note tells."""
    try:
        facts: dict[str, Any] = json.loads(note.partition(b"\n")[0])
        run = f"run {facts['run']}" if facts["run"] else "another run"
        return f"{run} (process {facts['pid']} on {facts['host']}, since {facts['started_at']})"
    except (ValueError, KeyError, TypeError):  # it has only just begun
        return "another run"
