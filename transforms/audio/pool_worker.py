"""What a process of the pool does: one task after the other, each within its limits.

This module imports nothing heavy, and has no effect when it is imported.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

# How often a task whose time is over is interrupted again, in s: a library may swallow it.
_SECONDS_BETWEEN = 0.25

READY = b"ready"
"""What a process says when it has started."""

is_worker = False
"""Whether this process is one of a pool."""


@dataclass(frozen=True)
class Limits:
    """What a task may take.

    Parameters
    ----------
    cpu_s : float or None
        Time of the processor, in s. Waiting for a disk or a network does not count.
    memory_bytes : int or None
        Beyond what the process has when the task begins.
    """

    cpu_s: float | None = None
    memory_bytes: int | None = None


_NO_LIMITS = Limits()


class LimitExceeded(Exception):
    """A task that took more than it may; the message says what, without a subject."""


class _CpuTimeOver(BaseException):
    """Not an `Exception`: libraries that take those for damage let it pass."""


Answer = tuple[bool, Any]
"""Whether a call was successful, and its result or its error."""


def work(connection: Connection) -> None:
    """Do what the pool asks for until it goes away."""
    global is_worker
    is_worker = True
    signal.signal(signal.SIGPROF, _on_cpu_time)
    with contextlib.suppress(EOFError, OSError):
        connection.send_bytes(READY)
        while True:
            connection.send_bytes(_answers(connection.recv_bytes()))


def _answers(message: bytes) -> bytes:
    try:
        function, calls, limits = pickle.loads(message)
    except Exception as error:
        return pickle.dumps([(False, _as_text(error))])
    answers = [answer(function, arguments, limits) for arguments in calls]
    try:
        return pickle.dumps(answers, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # something that no other process can be shown
        return pickle.dumps([(False, _as_text(error))] * len(calls))


def answer(function: Callable[..., Any], arguments: tuple, limits: Limits = _NO_LIMITS) -> Answer:
    """What became of a call."""
    try:
        with _within(limits):
            return True, function(*arguments)
    except MemoryError:
        most = (limits.memory_bytes or 0) >> 20
        return False, LimitExceeded(f"needs more than {most} MB of memory" if most else "no memory")
    except _CpuTimeOver:
        return False, LimitExceeded(f"takes longer than {limits.cpu_s:g} s")
    except Exception as error:
        return False, _portable(error)


def _portable(error: Exception) -> Exception:
    """An error as the pool's process can have it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # its class is of a library that did not think of it
        return _as_text(error)
    return error


def _as_text(error: BaseException) -> Exception:
    return RuntimeError(f"{type(error).__name__}: {error}")


# --- limits -----------------------------------------------------------------------------

_counting = False


def _on_cpu_time(number: int, frame: object) -> None:
    if _counting:
        raise _CpuTimeOver


@contextlib.contextmanager
def _within(limits: Limits) -> Iterator[None]:
    global _counting
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        if limits.memory_bytes is not None:
            _limit_memory(limits.memory_bytes, before[1])
        if limits.cpu_s is not None:
            _counting = True
            signal.setitimer(signal.ITIMER_PROF, limits.cpu_s, _SECONDS_BETWEEN)
        yield
    finally:
        if limits.cpu_s is not None:
            _counting = False
            signal.setitimer(signal.ITIMER_PROF, 0)
        if limits.memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, before)


def _limit_memory(allowed: int, hard: int) -> None:
    """Let this process get this many bytes more, or any number where the system cannot tell."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", "rb") as stream:
            has = int(stream.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
        most = has + allowed
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
