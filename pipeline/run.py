"""What runs leave under the reports' home.

::

    genre-report/
        tracks/
            run=20261120T101500.123Z-3fa9/
                part-*.parquet     one row per file seen (see transforms/report.py)
        runs/
            20261120T101500.123Z-3fa9/
                run.json           options, versions, state, counts, timings
                journal.jsonl      one line per changed file, written before it changes
                report.html        the run as a page
        lock                       who is at work (see pipeline/lock.py)

Nothing but finished parts is below ``tracks``: tools that take a folder open all of it. Runs
that left all their files in ``genre-report/run=<id>/`` are still read, skipped by and undone.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from pipeline import __version__
from pipeline.options import TaggingJob, UsageError
from transforms.records import printable
from transforms.rewrite import sync

_TRACKS, _RUNS, _PREFIX = "tracks", "runs", "run="
_MANIFEST = "run.json"
_JOURNAL = "journal.jsonl"
_PAGE = "report.html"
_LIBRARIES = (
    "apache-beam",
    "tensorflow",
    "keras",
    "librosa",
    "mutagen",
    "pyarrow",
    "soundfile",
    "av",
)


@dataclass(frozen=True)
class Run:
    """One run of the job.

    Parameters
    ----------
    id : str
        Sorts by the time that it began.
    home : str
        Absolute path of the reports' home.
    in_one_folder : bool
        Whether all its files are in one folder, as they once were.
    """

    id: str
    home: str
    in_one_folder: bool = False

    @property
    def folder(self) -> str:
        """Path of the folder of manifest, journal and page."""
        return self.tracks if self.in_one_folder else os.path.join(self.home, _RUNS, self.id)

    @property
    def tracks(self) -> str:
        """Path of the folder of the report's parts."""
        name = _PREFIX + self.id
        return os.path.join(self.home, *([] if self.in_one_folder else [_TRACKS]), name)

    @property
    def page(self) -> str:
        """Path of the page that shows the run."""
        return os.path.join(self.folder, _PAGE)

    @property
    def journal(self) -> Journal:
        """Where the run notes what it is about to change."""
        return Journal(os.path.join(self.folder, _JOURNAL))

    def read_manifest(self) -> dict[str, Any] | None:
        """``run.json``, or None where there is none that can be read."""
        try:
            with open(os.path.join(self.folder, _MANIFEST), encoding="utf-8") as stream:
                facts = json.load(stream)
        except (OSError, ValueError):
            return None
        return facts if isinstance(facts, dict) else None

    def mark_undone(self) -> None:
        """Note in the manifest that the run's changes were taken back."""
        self.write_manifest({**(self.read_manifest() or {}), "undone_at": _now()})

    def write_manifest(self, facts: dict[str, Any]) -> None:
        """Write ``run.json``, whole or not at all."""
        path = os.path.join(self.folder, _MANIFEST)
        with open(f"{path}.new", "w", encoding="utf-8") as stream:
            json.dump(facts, stream, indent=2)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(f"{path}.new", path)


class Journal:
    """Appends one JSON line per change and forces it to the disk.

    Paths are as `os.fsdecode` gives them: undecodable bytes are ``\\udcxx`` escapes.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def lines(self) -> Iterator[str]:
        """What was noted so far; nothing where there is no journal."""
        with (
            contextlib.suppress(FileNotFoundError),
            open(self.path, encoding="ascii", errors="replace") as stream,
        ):
            yield from stream

    def __call__(self, change: dict[str, Any]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, **change}) + "\n"
        data = line.encode("ascii")
        # One write in append mode: lines of several processes never mix.
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                data = b"\n" + data  # behind the stump of one that was cut off
            written = os.write(handle, data)
            if written != len(data):
                # Almost full: the rest would not fit either, and the change must not happen.
                if os.fstat(handle).st_size == size + written:
                    os.ftruncate(handle, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
            os.fsync(handle)
        finally:
            os.close(handle)


def start_run(report: str) -> Run:
    """Make the folders of a new run.

    Parameters
    ----------
    report : str
        The reports' home, made where it is missing.

    Returns
    -------
    Run

    Raises
    ------
    UsageError
        If it cannot be made.
    """
    now = datetime.datetime.now(datetime.UTC)
    # Milliseconds, so that the names of runs sort as they followed each other.
    id = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(2)}"
    run = Run(id, report)
    try:
        os.makedirs(run.tracks)
        os.makedirs(run.folder)
        open(run.journal.path, "a").close()
        # The journal's lines are worth nothing in a folder that a power cut takes away.
        for made in (run.folder, os.path.dirname(run.folder), report):
            sync(made)
    except OSError as error:
        raise UsageError(f"{run.folder}: cannot be written ({error.strerror})") from error
    return run


def find_run(report: str, id: str | None = None) -> Run:
    """A run to be undone.

    Parameters
    ----------
    report : str
        The reports' home.
    id : str, optional
        By default the latest run that has changed files.

    Returns
    -------
    Run

    Raises
    ------
    UsageError
    """
    try:
        runs = runs_of(report)
    except OSError as error:
        raise UsageError(f"{report}: cannot be read ({error.strerror})") from error
    if id is not None:
        runs = [run for run in runs if run.id == id.removeprefix(_PREFIX)]
        if not runs:
            raise UsageError(f"{report}: has no run {id}")
    changing = [run for run in runs if any(True for _ in run.journal.lines())]
    if not (changing or id):
        raise UsageError(f"{report}: has no run that changed files")
    return (changing or runs)[-1]


def earlier_runs(job: TaggingJob, run: Run | None = None) -> list[Run]:
    """Runs that know the state of the library: back to the last that saw all of it.

    A finished run has a row for every file, so that those before it add nothing: the cost of
    skipping does not grow with the nights. One that took only what had failed has rows for
    that alone.

    Parameters
    ----------
    job : TaggingJob
    run : Run, optional
        The present one.

    Returns
    -------
    list of Run
        Newest first; none where the library was never seen.
    """
    if not os.path.isdir(job.report):
        return []
    runs = [old for old in reversed(runs_of(job.report)) if run is None or old.id < run.id]
    known = [(old, old.read_manifest()) for old in runs]
    # What was undone is no longer as the runs before saw it.
    last_undo = max((facts.get("undone_at", "") for _, facts in known if facts), default="")
    found = []
    for old, facts in known:
        if facts is None or facts.get("library") != printable(job.library):
            continue
        if facts["started_at"] <= last_undo:
            break
        if job.retry_failed and facts["options"]["dry_run"]:
            continue  # it tried nothing: what failed before it is still to be done
        found.append(old)
        if _saw_all(facts, job):
            break
    return found


def _saw_all(facts: dict[str, Any], job: TaggingJob) -> bool:
    options = facts["options"]
    return (
        facts["state"] == "finished"
        # None at all: what was mounted there was not there that time.
        and bool(facts.get("counts"))
        and not options.get("retry_failed")
        and set(options["formats"]) >= set(job.formats)
    )


def runs_of(report: str) -> list[Run]:
    """All runs of a home, oldest first.

    Parameters
    ----------
    report : str
        The reports' home.

    Returns
    -------
    list of Run

    Raises
    ------
    OSError
        If it cannot be read.
    """
    names = _folders_in(report)
    old = [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]
    runs = [Run(id, report, in_one_folder=True) for id in old]
    if _RUNS in names:
        runs += [Run(id, report) for id in _folders_in(os.path.join(report, _RUNS))]
    return sorted(runs, key=lambda run: run.id)


def _folders_in(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def record_run(
    run: Run, job: TaggingJob, execute: Callable[[], None], interrupted: Callable[[], bool]
) -> dict[str, Any]:
    """Execute a run and keep its manifest true, whatever happens.

    Parameters
    ----------
    run : Run
    job : TaggingJob
    execute : callable
        Does the work.
    interrupted : callable
        Whether it was ended early.

    Returns
    -------
    dict
        The manifest. ``state`` is ``finished`` or ``interrupted``; a run that died shows
        ``running``, one that raised shows ``crashed``.
    """
    from transforms.report import SCHEMA_VERSION, statuses_of

    started = time.monotonic()
    facts: dict[str, Any] = {
        "run": run.id,
        "state": "running",
        "library": printable(job.library),
        "options": {
            "existing": job.existing,
            "dry_run": job.dry_run,
            "top_k": job.top_k,
            "min_confidence": job.min_confidence,
            "vote": job.vote,
            "segments": job.n_segments or "all",
            "formats": list(job.formats),
            "processes": job.processes,
            "embeddings": job.embeddings,
            "incremental": job.incremental,
            "retry_failed": job.retry_failed,
        },
        "settings": job.settings,
        "model": {"name": job.bundle.name, "version": job.bundle.version},
        "schema_version": SCHEMA_VERSION,
        "versions": {"genrebeam": __version__, **_versions()},
        "started_at": _now(),
    }
    run.write_manifest(facts)
    state = "crashed"
    try:
        execute()
        state = "interrupted" if interrupted() else "finished"
    except Exception:
        # Ending early may break what is in the making; that is no news then.
        if not interrupted():
            raise
        state = "interrupted"
    finally:
        facts |= {
            "state": state,
            "finished_at": _now(),
            "seconds": round(time.monotonic() - started, 3),
            "counts": statuses_of(run.tracks),
        }
        run.write_manifest(facts)
    return facts


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _LIBRARIES}
