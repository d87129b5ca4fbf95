"""Lock: one run at a time on one report folder.

Two runs at once would harm no file (see ``transforms/tags/rewrite.py``), but both would analyse
everything, and neither would know what the other has done.

On a disk the operating system holds the lock (``flock``). It ends with the process that took it,
even if that is killed; the file is for people only. In a bucket the lock is an object that
only one run can create. If that run is killed, a person has to remove the object.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.transforms.records import reason_of
from genrebeam.transforms.storage import Held, storage_of

_NAME = "lock"


@contextlib.contextmanager
def locked(report: str) -> Iterator[Callable[[str], None]]:
    """Lock a report folder inside the block.

    On a file system without locks the block runs without one.

    Parameters
    ----------
    report : str
        The report folder; created if it is missing.

    Yields
    ------
    callable
        Takes the run's id and writes it into the lock, for the message of a second run.

    Raises
    ------
    UsageError
        If another run holds the lock, or the folder cannot be written.
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


def is_free(report: str) -> bool:
    """Whether certainly no run is at work on a report folder; of a bucket it is not known."""
    path = os.path.join(report, _NAME)
    if "://" in report:
        return False
    if not os.path.exists(path):
        return True
    try:
        with storage_of(report).lock(path, _facts):
            return True
    except (Held, OSError):
        return False


def _facts(run: str) -> bytes:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {"run": run, "host": socket.gethostname(), "pid": os.getpid(), "started_at": now}
    return f"{json.dumps(facts)}\n".encode("ascii")


def _who(note: bytes) -> str:
    """Who holds the lock, as far as its content says."""
    try:
        facts: dict[str, Any] = json.loads(note.partition(b"\n")[0])
        run = f"run {facts['run']}" if facts["run"] else "another run"
        return f"{run} (process {facts['pid']} on {facts['host']}, since {facts['started_at']})"
    except (ValueError, KeyError, TypeError):  # it has only just begun
        return "another run"
