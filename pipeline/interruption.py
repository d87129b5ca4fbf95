"""Ctrl-C and SIGTERM: end a local run early, but in order.

The first signal asks every step in this process to let the remaining tracks go; what is in
hand is finished and reported. A second one ends the process at once, which no file minds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

INTERRUPTED = 3

_requested = threading.Event()


def requested() -> bool:
    """Whether the run shall end early."""
    return _requested.is_set()


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Handle signals in the block; only the main thread can."""
    _requested.clear()
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
        from transforms import pool

        pool.stop()
        os._exit(INTERRUPTED)
    _requested.set()
    print("\ngenrebeam: stopping; what is in hand is finished first", file=sys.stderr)
