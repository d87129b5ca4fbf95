"""Decoding processes, for as long as they are needed.

There is one pool for all of a process; it ends when nobody needs it any more.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator

from genrebeam.transforms.audio import pool
from genrebeam.transforms.genre.classify import end_loading

_lock = threading.Lock()
_users: weakref.WeakSet[object] = weakref.WeakSet()


class _Block:
    """A block of `decoding`."""


@contextlib.contextmanager
def decoding(processes: int | None = None) -> Iterator[None]:
    """Decoding processes for as long as the block runs, however it ends.

    Parameters
    ----------
    processes : int, optional
        Started now, so that they load while other things do; by default with the first task.
    """
    block = _Block()
    begin_decoding(block)
    if processes is not None:
        pool.start(processes)
    try:
        yield
    finally:
        end_decoding(block)


def begin_decoding(user: object) -> None:
    """Let the processes that are to come stay for as long as this one needs them."""
    with _lock:
        _users.add(user)


def end_decoding(user: object) -> None:
    """End the processes now, unless others need them, and wait for what is being loaded."""
    with _lock:
        _users.discard(user)
        if not _users:
            pool.stop()
    end_loading()
