"""A pool of processes for decoding and features, beside the process that owns the model.

A file that hangs or crashes its decoder costs one track: pebble ends its process and starts
another. The processes start from a fork server that has the libraries loaded once. This module
imports nothing heavy.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pebble import ProcessPool

# What decoding and features import when they are called: loaded once, not by each process.
_LOADED_LATE = ("scipy.fft", "scipy.sparse", "soundfile", "soxr")

# How often time limits are looked at, in s.
_SECONDS_PER_LOOK = 0.5


@dataclass(eq=False)
class _Limited:
    """A task, the time that it may take and the time that it has taken, in s."""

    future: Future
    timeout_s: float
    seconds: float = 0.0


_lock = threading.RLock()
_pool: ProcessPool | None = None
_limited: list[_Limited] = []


def default_processes() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def submit(function: Any, arguments: tuple, *, processes: int, timeout_s: float) -> Future:
    """Run a function in the pool of this process, which is started where there is none.

    Parameters
    ----------
    function : callable
        Importable by name.
    arguments : tuple
    processes : int
        Size of a pool that is started.
    timeout_s : float
        Of the running time, in s. The time that the machine sleeps, or that all of this is stopped
        (Ctrl-Z), does not count.

    Returns
    -------
    Future
        Cancelled at the time limit; fails with `pebble.ProcessExpired` where the process died.
    """
    with _lock:
        start(processes)
        assert _pool is not None
        # Not with pebble's own limit: it is one by the wall clock, which goes on in sleep.
        future = _pool.schedule(function, args=list(arguments))
        _limited.append(_Limited(future, timeout_s))
        return future


def start(processes: int) -> None:
    """Start the pool of this process, if there is none: its libraries take a while to load.

    Parameters
    ----------
    processes : int
    """
    global _pool
    with _lock:
        if _pool is None or not _pool.active:
            _pool = _start(processes)


def stop() -> None:
    """End the pool's processes now, whatever they do."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
        _limited.clear()
    if pool is not None:
        pool.stop()
        pool.join()


def _start(processes: int) -> ProcessPool:
    from pebble import ProcessPool

    _let_numba_cache()
    context = multiprocessing.get_context("forkserver")
    # In this order: the first settles what must be settled before numpy is loaded.
    context.set_forkserver_preload(
        [
            "genrebeam.transforms.audio.pool_process",
            "genrebeam.transforms.audio.features",
            *_LOADED_LATE,
        ]
    )
    # Ctrl-C reaches the whole process group, also a server that has just begun to start.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    pool = ProcessPool(max_workers=processes, context=context)
    atexit.register(stop)
    threading.Thread(target=_watch, args=(pool,), name="time limits", daemon=True).start()
    return pool


def _watch(pool: ProcessPool) -> None:
    """End tasks at their time limit, for as long as this is the pool."""
    looked_at = time.monotonic()
    while True:
        time.sleep(_SECONDS_PER_LOOK)
        now = time.monotonic()
        # Where more has passed between two looks, all of this was stopped, decoders too.
        passed, looked_at = min(now - looked_at, 2 * _SECONDS_PER_LOOK), now
        with _lock:
            if _pool is not pool:
                return
            _limited[:] = [limited for limited in _limited if not limited.future.done()]
            for limited in _limited:
                limited.seconds += passed if limited.future.running() else 0.0
                if limited.seconds > limited.timeout_s:
                    limited.future.cancel()


def _let_numba_cache() -> None:
    """Give numba a folder of its own where it could write neither to librosa's nor to the user's.

    Without one, as in a container that is read-only, it refuses to load what librosa compiles.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    library = find_spec("librosa")
    places = [Path(library.origin).parent] if library and library.origin else []
    if not any(_is_writable(place) for place in [*places, Path.home() / ".cache"]):
        folder = tempfile.mkdtemp(prefix="genrebeam-")
        os.environ["NUMBA_CACHE_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _is_writable(folder: Path) -> bool:
    """Whether files can be put there, perhaps after making it."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)
