"""Watching: tag new music in a library as soon as it is complete.

Each run is a process of its own, ``genrebeam tag`` over the whole library: it skips what is known,
and the memory of a run is free again when it has ended. The run itself leaves files alone that are
still being written (``--min-age``), whatever the system reports of them and when.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from genrebeam.pipeline.commands.command import INTERRUPTED, OK, SOME_FAILED, USAGE, print_error
from genrebeam.pipeline.runs.interruption import disk_of
from genrebeam.pipeline.runs.journal import Journal
from genrebeam.transforms.formats import FORMATS, format_of
from genrebeam.transforms.library.exclude import is_no_music
from genrebeam.transforms.tags.change import Change

POLL_S = 60
# How often a library is looked for that is not there, and a busy report folder is tried again.
_AWAY_S, _BUSY_S = 5.0, 60.0
_TICK_S = 0.5
# `watchfiles.Change`, which an extra brings.
_ADDED, _DELETED = 1, 3


class Watch:
    """Tags a library again and again, one run at a time.

    Parameters
    ----------
    library : str
        A local folder.
    options : sequence of str
        Of ``genrebeam tag``.
    min_age_s : float
        How long a file must have been left unchanged, in s.
    """

    def __init__(self, library: str, options: Sequence[str], min_age_s: float) -> None:
        self.library = os.path.abspath(library)
        self.min_age_s = min_age_s
        # -P: the folder that we are in may be a stranger's music, with a json.py in it.
        tag = [sys.executable, "-P", "-m", "genrebeam", "tag", self.library]
        age = ["--min-age", f"{max(1, round(min_age_s))}"]
        self._command = [*tag, *options, *age, "--quiet", "--json"]
        self._stopped = threading.Event()
        self._child: subprocess.Popen | None = None
        self._answer: IO[bytes] | None = None
        self._next_at: float | None = time.monotonic()
        self._changed: set[str] = set()
        self._ours: dict[str, tuple[int | None, int | None]] = {}
        self._home = ""
        self.code = OK
        self._has_run = False

    def stop(self, number: int = signal.SIGTERM, frame: object = None) -> None:
        """End the watch: a run finishes the tracks in progress; a second call ends that too."""
        self._stopped.set()
        if self._child is not None:
            self._child.send_signal(number)

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end the watch, inside the block."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def once(self) -> int:
        """Tag until nothing is left that is still being written."""
        while (self._child or self._next_at is not None) and not self._stopped.is_set():
            self._step()
            self._stopped.wait(_TICK_S)
        self._finish()
        return self.code

    def forever(self, poll_s: float | None) -> int:
        """Tag whatever appears or changes, until `stop`.

        Parameters
        ----------
        poll_s : float, optional
            Seconds between two looks for changes; by default the system reports them, if it can.
        """
        while not self._stopped.is_set() and self.code != USAGE:
            disk = disk_of(self.library)
            if disk is None:
                self._stopped.wait(_AWAY_S)
                continue
            try:
                for changes in self._changes(poll_s):
                    self._note(changes)
                    if self.code == USAGE:
                        break
                    if disk_of(self.library) != disk:
                        self._say_gone()
                        break
                    self._step()
            except FileNotFoundError:  # it went away just now
                continue
            except OSError as error:
                if poll_s is not None:
                    raise
                poll_s = POLL_S
                why = f"{error}; looking for changes every {poll_s} s instead"
                print_error(f"{self.library}: cannot be watched ({why})", OK)
        self._finish()
        return OK if self.code == SOME_FAILED else self.code

    def _changes(self, poll_s: float | None) -> Iterator[Iterable[tuple[int, str]]]:
        """What the system tells, at least every `_TICK_S`."""
        from watchfiles import watch

        return watch(
            self.library,
            watch_filter=None,
            debounce=1000,
            step=100,
            rust_timeout=round(1000 * _TICK_S),
            yield_on_timeout=True,
            stop_event=self._stopped,
            raise_interrupt=False,
            force_polling=poll_s is not None,
            poll_delay_ms=round(1000 * (poll_s or POLL_S)),
            ignore_permission_denied=True,
        )

    def _say_gone(self) -> None:
        # A run that is at work notices it by itself, and says so.
        if self._child is None and not os.path.isdir(self.library):
            print_error(f"{self.library}: is no longer there; waiting for it", OK)
        self._next_at = time.monotonic()

    def _note(self, changes: Iterable[tuple[int, str]]) -> None:
        self._changed |= {path for kind, path in changes if self._may_be_music(kind, path)}
        if self._child is None:
            self._wait_for_changed()

    def _may_be_music(self, kind: int, path: str) -> bool:
        inside = os.path.relpath(path, self.library)
        if kind == _DELETED or any(map(is_no_music, inside.split(os.sep))):
            return False
        # What is in a folder that was moved here, nobody tells.
        return format_of(path) in FORMATS or (kind == _ADDED and os.path.isdir(path))

    def _wait_for_changed(self) -> None:
        """Let a run take what has changed, but not by the run before."""
        if not all(map(self._is_ours, self._changed)):
            self._next_at = time.monotonic() + self.min_age_s
        self._changed.clear()

    def _step(self) -> None:
        """End a run that has ended, and begin one where it is time."""
        if self._child is not None:
            if self._child.poll() is None:
                return
            self._end()
        if self._next_at is None or time.monotonic() < self._next_at:
            return
        self._next_at = None
        self._answer = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the run has ended)
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._answer,
            # Ctrl-C is for the watch, which passes it on once.
            start_new_session=True,
        )
        if self._stopped.is_set():  # just now
            self.stop()

    def _is_ours(self, path: str) -> bool:
        """Whether a file is as the last run left it, or a folder the one of the reports."""
        if self._home and f"{path}/".startswith(f"{self._home}/"):
            return True
        try:
            facts = os.stat(path)
        except OSError:  # gone again
            return True
        return self._ours.get(path) == (facts.st_size, facts.st_mtime_ns)

    def _end(self) -> None:
        """Learn what a run has done, and when the next is due."""
        assert self._child is not None
        assert self._answer is not None
        code = self._child.wait()
        with self._answer as stream:
            stream.seek(0)
            answer = stream.read()
        self._child = self._answer = None
        try:
            facts = json.loads(answer)
            folder, changes, recent = facts["report"], facts["changes"], facts["too_recent"]
        except (ValueError, KeyError, TypeError):  # it has said why
            if code == USAGE and not self._has_run:
                self.code = USAGE
            elif code == USAGE and os.path.isdir(self.library):
                self._next_at = time.monotonic() + _BUSY_S
            return
        self._has_run = True
        self._home = os.path.dirname(os.path.dirname(folder))
        if changes:
            print(changes, flush=True)
        lines = Journal(os.path.join(folder, "journal.jsonl"), self._home).changes()
        self._ours = {
            one.path: (one.size_after, one.mtime_ns_after)
            for one in lines
            if isinstance(one, Change)
        }
        if code == SOME_FAILED or (code == INTERRUPTED and self._stopped.is_set()):
            self.code = code
        if recent:
            self._next_at = time.monotonic() + self.min_age_s
        self._wait_for_changed()

    def _finish(self) -> None:
        """Wait for the run that is at work."""
        if self._child is not None:
            self._end()
