"""A pool of processes for decoding, features and tags, beside the process that owns the model.

A file that hangs or crashes its process costs one track: the process is replaced. A process that
somebody else has killed costs none, because its task is done again. Each process has a pipe of its
own and shares nothing with the others, no lock either: whenever one dies, no other is concerned.
The processes start from a fork server that has the libraries loaded once; if that dies, there is a
new one. This module imports nothing heavy.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing import forkserver, spawn
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from genrebeam.transforms.audio import pool_worker
from genrebeam.transforms.audio.pool_worker import READY, Answer, LimitExceeded, Limits, work

# What decoding, features and tags import when they are called: loaded once, not by each process.
_LOADED_LATE = ("scipy.fft", "scipy.sparse", "soundfile", "soxr", "av")

# Of our processes, for multiprocessing.
_NAME = "genrebeam decoder"

# What decoding a track may take: far more than any needs.
_DECODING = Limits(memory_bytes=2 << 30)
# How often time limits are looked at, in s.
_SECONDS_PER_LOOK = 0.5
# How often a task is begun if its process died by itself: perhaps of what the task before had left.
_TRIES_IF_DIED = 2
# If it was killed from outside: at least so often, and for this many s. The system kills what takes
# too much memory, so that it may be the task's fault after all.
_TRIES_IF_KILLED, _TRIED_S = 10, 20.0
_KILLS = {-number for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
# How long a process is tried to be started, how long to wait in between, and for its exit code.
_START_S, _START_PAUSE_S, _EXIT_S = 60.0, 0.05, 1.0


class ProcessDied(Exception):
    """A process that died over its task.

    Parameters
    ----------
    exit_code : int or None
        Negative for a signal.
    """

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class TaskTimeout(Exception):
    """A task that was ended at its time limit."""


class PoolStopped(Exception):
    """A task that was ended with its pool."""

    def __init__(self) -> None:
        super().__init__("its decoding was ended")


@dataclass(eq=False)
class _Task:
    """Calls of a function; its future gets one result, or with `each` a list of answers."""

    function: Callable[..., Any]
    calls: Sequence[tuple]
    limits: Limits
    timeout_s: float
    each: bool
    again: bool = True
    future: Future = field(default_factory=Future)

    def settle(self, answers: list[Answer]) -> None:
        """Give the future what came of the calls."""
        good, found = answers[0]
        if self.each:
            self.future.set_result(answers)
        elif good:
            self.future.set_result(found)
        else:
            self.future.set_exception(found)


@dataclass(eq=False)
class _Worker:
    """A process at work.

    `seconds` is how long it has been at its task, `timeout_s` how long it may be.
    """

    process: multiprocessing.process.BaseProcess
    connection: Connection
    timeout_s: float | None = None
    seconds: float = 0.0
    is_over: bool = False

    def ask(self, message: bytes, timeout_s: float) -> list[Answer]:
        """Have a task done.

        Raises
        ------
        EOFError, OSError
            If the process has died.
        """
        self.seconds, self.timeout_s = 0.0, timeout_s
        try:
            self.connection.send_bytes(message)
            answers: list[Answer] = pickle.loads(self.connection.recv_bytes())
        finally:
            self.timeout_s = None
        return answers

    def is_ready(self) -> bool:
        """Wait until it waits for a task; false if it died before."""
        with contextlib.suppress(EOFError, OSError):
            return self.connection.recv_bytes() == READY
        return False

    def kill(self) -> None:
        # Not the process's own `kill`: that does nothing once the fork server has died.
        if self.process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)

    def end(self) -> int | None:
        """End it, and tell its exit code; None if nobody knows."""
        self.kill()
        self.connection.close()
        with _processes:
            self.process.join(_EXIT_S)
            code = self.process.exitcode
        return None if code == 255 else code  # what it is for whoever has lost the fork server


# multiprocessing's list of processes is not made for several threads.
_processes = threading.Lock()


class _Pool:
    """Threads that each own a process; they are started when there is work for them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._changed = threading.Condition(threading.RLock())
        self._tasks: deque[_Task] = deque()
        self._threads: list[threading.Thread] = []
        self._workers: set[_Worker] = set()
        self._idle = 0
        self._is_stopped = False

    def add(self, task: _Task, *, first: bool = False) -> None:
        with self._changed:
            (self._tasks.appendleft if first else self._tasks.append)(task)
            if len(self._tasks) > self._idle and len(self._threads) < self.most:
                thread = threading.Thread(target=self._serve, name="pool", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            for task in self._tasks:
                task.future.cancel()
            self._tasks.clear()
            for worker in self._workers:
                worker.kill()
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(2 * _EXIT_S)

    def look(self, passed_s: float) -> bool:
        """End tasks at their time limit, after this many s more; whether the pool goes on."""
        with self._changed:
            for worker in self._workers:
                worker.seconds += passed_s
                if worker.timeout_s is not None and worker.seconds > worker.timeout_s:
                    worker.is_over = True
                    worker.kill()
            return not self._is_stopped

    def _serve(self) -> None:
        worker = None
        while task := self._next():
            if not task.future.set_running_or_notify_cancel():
                continue
            try:
                worker, answers = self._answers(worker, task, task.calls)
            except BaseException as error:  # none that was foreseen, but nobody shall wait for ever
                task.future.set_exception(error)
                worker = None
                continue
            task.settle(answers)
        if worker is not None:
            self._end(worker)

    def _next(self) -> _Task | None:
        with self._changed:
            self._idle += 1
            try:
                while not self._tasks and not self._is_stopped:
                    self._changed.wait()
                return self._tasks.popleft() if self._tasks else None
            finally:
                self._idle -= 1

    def _answers(
        self, worker: _Worker | None, task: _Task, calls: Sequence[tuple]
    ) -> tuple[_Worker | None, list[Answer]]:
        """Have calls done; the process that is there for the next ones, and what came of these."""
        message = pickle.dumps((task.function, calls, task.limits), pickle.HIGHEST_PROTOCOL)
        killed = died = 0
        began = time.monotonic()
        while True:
            if worker is None:
                worker = self._begin()
            try:
                answers = worker.ask(message, task.timeout_s)
                if len(answers) < len(calls):  # it could not read what it was sent
                    answers *= len(calls)
            except (EOFError, OSError):
                code = self._end(worker)
            else:
                # Whatever it was stopped at, it may have left half done.
                if any(isinstance(found, LimitExceeded) for good, found in answers if not good):
                    self._end(worker)
                    worker = None
                return worker, answers
            is_over, worker = worker.is_over, None
            if self._is_stopped:
                return None, [(False, PoolStopped())] * len(calls)
            if code is None or code in _KILLS:
                killed += 1
            else:
                died += 1
            is_hopeless = killed >= _TRIES_IF_KILLED and time.monotonic() - began > _TRIED_S
            if not task.again or is_over or is_hopeless or died == _TRIES_IF_DIED:
                break
        if len(calls) == 1:
            return None, [(False, TaskTimeout() if is_over else ProcessDied(code))]
        answers = []
        for call in calls:  # which of them was it?
            worker, answer = self._answers(worker, task, [call])
            answers += answer
        return worker, answers

    def _begin(self) -> _Worker:
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError, EOFError):  # the fork server has just died
                worker = _start_process()
                with self._changed:
                    self._workers.add(worker)
                    if self._is_stopped:
                        worker.kill()
                if worker.is_ready():
                    return worker
                self._end(worker)
            if self._is_stopped:
                raise PoolStopped
            time.sleep(_START_PAUSE_S)
        raise ProcessDied(None)

    def _end(self, worker: _Worker) -> int | None:
        with self._changed:
            self._workers.discard(worker)
        return worker.end()


def _start_process() -> _Worker:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    try:
        process = context.Process(target=work, args=(theirs,), name=_NAME, daemon=True)
        with _processes, _without_interrupts():
            process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return _Worker(process, ours)


_lock = threading.RLock()
_pool: _Pool | None = None
_is_forked = False


def default_processes() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def submit(
    function: Callable[..., Any],
    arguments: tuple,
    *,
    processes: int,
    timeout_s: float,
    limits: Limits = _DECODING,
) -> Future:
    """Run a function in the pool of this process, which is started where there is none.

    If the process is killed from outside, the function is run again: it must be one that can be.

    Parameters
    ----------
    function : callable
        Importable by name.
    processes : int
        Size of a pool that is started.
    timeout_s : float
        Of the running time, in s. The time that the machine sleeps, or that all of this is stopped
        (Ctrl-Z), does not count.

    Returns
    -------
    Future
        Fails with `TaskTimeout`, `LimitExceeded` or `ProcessDied`, or with the function's error.
    """
    return _submit(_Task(function, [arguments], limits, timeout_s, each=False), processes)


def submit_each(
    function: Callable[..., Any],
    calls: Sequence[tuple],
    *,
    timeout_s: float,
    limits: Limits,
) -> Future:
    """Run a function several times in one process, for calls that take less than sending them.

    They go before all that was submitted and has not begun. A pool that is there stays as large as
    it is.

    Parameters
    ----------
    calls : sequence of tuple
        Arguments of each.
    timeout_s : float
        See `submit`; the time of all together. If it is over, each is tried alone.
    limits : Limits
        Of each.

    Returns
    -------
    Future
        A list of (bool, Any): whether a call was successful, and its result or its error.
    """
    return _submit(_Task(function, list(calls), limits, timeout_s, each=True), first=True)


def call(
    function: Callable[..., Any],
    *arguments: Any,
    timeout_s: float,
    limits: Limits,
    again: bool = True,
) -> Any:
    """Run a function in the pool and wait for it; for whatever parses bytes of unknown origin.

    It goes before all that was submitted and has not begun. A pool that is there stays as large as
    it is.

    Parameters
    ----------
    timeout_s, limits
        See `submit`.
    again : bool
        Whether it may be run again if its process was killed: not where it changes something.

    Raises
    ------
    LimitExceeded, TaskTimeout, ProcessDied
        If it took more than it may, or took its process down.
    Exception
        What the function raised.
    """
    task = _Task(function, [arguments], limits, timeout_s, each=False, again=again)
    return _submit(task, first=True).result()


def runs_inline() -> bool:
    """Whether there is no other process to run a function in.

    This is one of the pool, or a fork, which has none of the threads that would serve a pool, or
    one of another pool, whose processes may start none.
    """
    return pool_worker.is_worker or _is_forked or multiprocessing.current_process().daemon


def _submit(task: _Task, processes: int | None = None, *, first: bool = False) -> Future:
    if runs_inline():
        task.settle([pool_worker.answer(task.function, given) for given in task.calls])
        return task.future
    with _lock:
        start(processes)
        assert _pool is not None
        _pool.add(task, first=first)
    return task.future


def start(processes: int | None = None) -> None:
    """Start the pool of this process, if there is none: its libraries take a while to load.

    Parameters
    ----------
    processes : int, optional
        How large it is at least; by default as many as there are CPUs, if it is not there yet.
    """
    global _pool
    with _lock:
        if _pool is None:
            _pool = _start(processes or default_processes())
        _pool.most = max(_pool.most, processes or 1)


def stop() -> None:
    """End the pool's processes now, whatever they do."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.stop()


def _start(processes: int) -> _Pool:
    _let_numba_cache()
    _leave_the_program_alone()
    # In this order: the first settles what must be settled before numpy is loaded.
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        [
            "genrebeam.transforms.audio.pool_process",
            "genrebeam.transforms.audio.features",
            "genrebeam.transforms.tags.header",
            *_LOADED_LATE,
        ]
    )
    with _without_interrupts():
        forkserver.ensure_running()
    pool = _Pool(processes)
    atexit.register(pool.stop)
    threading.Thread(target=_watch, args=(pool,), name="time limits", daemon=True).start()
    return pool


@functools.cache
def _leave_the_program_alone() -> None:
    """Let our processes not run the file of the program that started them.

    They need nothing of it, and it may do its work again: not every one looks at ``__name__``.
    """
    prepare = spawn.get_preparation_data

    def get_preparation_data(name: str, *others: Any) -> dict[str, Any]:
        data = prepare(name, *others)
        if name == _NAME:
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
        return data

    spawn.get_preparation_data = get_preparation_data


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C reaches the whole process group, also a server that has just begun to start."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(pool: _Pool) -> None:
    """End tasks at their time limit, for as long as this pool goes on."""
    looked_at = time.monotonic()
    goes_on = True
    while goes_on:
        time.sleep(_SECONDS_PER_LOOK)
        now = time.monotonic()
        # Where more has passed between two looks, all of this was stopped, the processes too.
        passed, looked_at = min(now - looked_at, 2 * _SECONDS_PER_LOOK), now
        goes_on = pool.look(passed)


def _forget() -> None:
    """In a fork: what is known of the pool is not true here."""
    global _lock, _pool, _is_forked
    _lock, _pool, _is_forked = threading.RLock(), None, True


os.register_at_fork(after_in_child=_forget)


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
