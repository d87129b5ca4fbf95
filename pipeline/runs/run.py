"""What runs leave under the reports' home.

::

    genre-report/
        tracks/
            run=20261120T101500.123Z-3fa9/
                part-*.parquet     one row per file seen (see transforms/reports/report.py)
        runs/
            20261120T101500.123Z-3fa9/
                run.json           options, versions, state, counts, timings
                journal.jsonl      one line per changed file, written before it changes
                undone.jsonl       one line per file that undo gave back
                report.html        the run as a page
        lock                       who is at work (see pipeline/runs/lock.py)

In a bucket, where nothing can be appended, the journal is a folder of that name without its
ending, with one object per line. Nothing but finished parts is below ``tracks``: tools that take
a folder open all of it. Runs that left all their files in ``genre-report/run=<id>/`` are still
read, skipped by and undone.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import io
import json
import os
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from pipeline import __version__
from pipeline.settings.options import TaggingJob, UsageError
from transforms.records import printable
from transforms.storage import buckets, places
from transforms.storage.places import is_remote
from transforms.tags.rewrite import sync

_TRACKS, _RUNS, _PREFIX = "tracks", "runs", "run="
_MANIFEST = "run.json"
_JOURNAL = "journal.jsonl"
_REMOTE_JOURNAL = "journal"
_UNDONE = "undone.jsonl"
_REMOTE_UNDONE = "undone"
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
    def journal(self) -> Journal | RemoteJournal:
        """Where the run notes what it is about to change."""
        if is_remote(self.home):
            return RemoteJournal(os.path.join(self.folder, _REMOTE_JOURNAL))
        return Journal(os.path.join(self.folder, _JOURNAL))

    def read_manifest(self) -> dict[str, Any] | None:
        """``run.json``, or None where there is none that can be read."""
        return next(_manifests([self]))

    @property
    def undone(self) -> Journal | RemoteJournal:
        """Where undo notes the files that it gave back."""
        if is_remote(self.home):
            return RemoteJournal(os.path.join(self.folder, _REMOTE_UNDONE))
        return Journal(os.path.join(self.folder, _UNDONE))

    def mark_undone(self) -> None:
        """Note in the manifest that changes of the run were taken back, all or some."""
        self.write_manifest({**(self.read_manifest() or {}), "undone_at": _now()})

    def write_manifest(self, facts: dict[str, Any]) -> None:
        """Write ``run.json``, whole or not at all."""
        with places.writing(os.path.join(self.folder, _MANIFEST)) as stream:
            stream.write(f"{json.dumps(facts, indent=2)}\n".encode("ascii"))


def _manifests(runs: Sequence[Run]) -> Iterator[dict[str, Any] | None]:
    paths = [os.path.join(run.folder, _MANIFEST) for run in runs]
    for _, open_manifest in places.opened(paths):
        try:
            with open_manifest() as stream:
                facts = json.load(stream)
        except (OSError, ValueError):
            facts = None
        yield facts if isinstance(facts, dict) else None


class Journal:
    """Appends one JSON line per change and forces it to the disk.

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
        data = _line(change)
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


class RemoteJournal:
    """Writes one object per change: a `Journal` in a bucket.

    Parameters
    ----------
    path : str
        Of its folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def lines(self) -> Iterator[str]:
        """What was noted so far, in the order of time."""
        for _, open_line in places.opened(places.files_in(self.path)):
            yield open_line().read().decode("ascii", errors="replace")

    def __call__(self, change: dict[str, Any]) -> None:
        # Names that sort as the clocks of the workers say, and that no two changes share.
        name = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:12]}"
        buckets.write(f"{self.path}/{name}.json", io.BytesIO(_line(change)))


def _line(change: dict[str, Any]) -> bytes:
    """Undecodable bytes of paths are ``\\udcxx`` escapes, as `os.fsdecode` has them."""
    return f"{json.dumps({'time': _now(), **change})}\n".encode("ascii")


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
    if is_remote(report):  # folders are there with their first object
        return run
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
        if id is not None:
            runs = [run for run in runs if run.id == id.removeprefix(_PREFIX)]
            if not runs:
                raise UsageError(f"{report}: has no run {id}")
        changing = (run for run in reversed(runs) if any(True for _ in run.journal.lines()))
        found = next(changing, runs[-1] if id else None)
    except OSError as error:
        raise UsageError(f"{report}: cannot be read ({error.strerror})") from error
    if found is None:
        raise UsageError(f"{report}: has no run that changed files")
    return found


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
    if not (is_remote(job.report) or os.path.isdir(job.report)):
        return []
    runs = [old for old in reversed(runs_of(job.report)) if run is None or old.id < run.id]
    known = list(zip(runs, _manifests(runs), strict=True))
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
        if saw_all(facts, job.formats):
            break
    return found


def saw_all(facts: dict[str, Any], formats: Iterable[str]) -> bool:
    """Whether a run has a row for every file of its library.

    Parameters
    ----------
    facts : dict
        Its manifest.
    formats : iterable of str
        Of the files that count.
    """
    options = facts["options"]
    return (
        facts["state"] == "finished"
        # None at all: what was mounted there was not there that time.
        and bool(facts.get("counts"))
        and not options.get("retry_failed")
        and set(options["formats"]) >= set(formats)
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
    names = places.folders_in(report)
    old = [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]
    runs = [Run(id, report, in_one_folder=True) for id in old]
    if _RUNS in names:
        runs += [Run(id, report) for id in places.folders_in(os.path.join(report, _RUNS))]
    return sorted(runs, key=lambda run: run.id)


def record_run(
    run: Run, job: TaggingJob, execute: Callable[[], bool | None], interrupted: Callable[[], bool]
) -> dict[str, Any]:
    """Execute a run and keep its manifest true, whatever happens.

    Parameters
    ----------
    run : Run
    job : TaggingJob
    execute : callable
        Does the work; true where it is still to be done when this process has ended.
    interrupted : callable
        Whether it was ended early.

    Returns
    -------
    dict
        The manifest. ``state`` is ``finished``, ``interrupted``, or ``launched`` until its job
        has called `close_run`; a run that died shows ``running``, one that raised shows
        ``crashed``.
    """
    from transforms.reports.report import SCHEMA_VERSION

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
        goes_on = execute()
        state = "interrupted" if interrupted() else "launched" if goes_on else "finished"
    except Exception:
        # Ending early may break what is in the making; that is no news then.
        if not interrupted():
            raise
        state = "interrupted"
    finally:
        facts |= _ending(run, state, time.monotonic() - started)
        run.write_manifest(facts)
    return facts


def close_run(run: Run) -> None:
    """Finish what `record_run` left as launched: manifest and page.

    Parameters
    ----------
    run : Run
        Whose rows are all written. Once more does no harm.
    """
    from pipeline.views.report_page import write_report_page

    facts = run.read_manifest() or {}
    began = datetime.datetime.fromisoformat(facts["started_at"])
    seconds = (datetime.datetime.now(datetime.UTC) - began).total_seconds()
    run.write_manifest({**facts, **_ending(run, "finished", seconds)})
    write_report_page([run], run.page)


def _ending(run: Run, state: str, seconds: float) -> dict[str, Any]:
    from transforms.reports.report import statuses_of

    return {
        "state": state,
        "finished_at": _now(),
        "seconds": round(seconds, 3),
        "counts": statuses_of(run.tracks),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _LIBRARIES}
