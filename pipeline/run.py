"""A run's folder: manifest, journal and report parts under the reports' home.

::

    genre-report/
        run=20261120T091500.123Z-3fa9/
            run.json           options, versions, state, counts, timings
            journal.jsonl      one line per changed file, written before it changes
            part-*.parquet     one row per file seen (see transforms/report.py)
"""

from __future__ import annotations

import datetime
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from pipeline import __version__
from pipeline.options import TaggingJob, UsageError

_PREFIX = "run="
_MANIFEST = "run.json"
_JOURNAL = "journal.jsonl"
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
    folder : str
        Absolute path.
    """

    id: str
    folder: str

    @property
    def journal(self) -> Journal:
        """Where the run notes what it is about to change."""
        return Journal(os.path.join(self.folder, _JOURNAL))

    def write_manifest(self, facts: dict[str, Any]) -> None:
        """Write ``run.json``, whole or not at all."""
        path = os.path.join(self.folder, _MANIFEST)
        with open(f"{path}.new", "w", encoding="utf-8") as stream:
            json.dump(facts, stream, indent=2)
            stream.write("\n")
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

    def __call__(self, change: dict[str, Any]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, **change}) + "\n"
        # One write in append mode: lines of several processes never mix.
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, line.encode("ascii"))
            os.fsync(handle)
        finally:
            os.close(handle)


def start_run(report: str) -> Run:
    """Make the folder of a new run.

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
    run = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(2)}"
    folder = os.path.join(report, _PREFIX + run)
    try:
        os.makedirs(folder)
        open(os.path.join(folder, _JOURNAL), "a").close()
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror})") from error
    return Run(run, folder)


def earlier_runs(report: str, run: Run) -> list[tuple[str, str]]:
    """Folders and identifiers of the runs before this one.

    Parameters
    ----------
    report : str
        The reports' home.
    run : Run

    Returns
    -------
    list of (folder, id)
        Oldest first.
    """
    names = sorted(name for name in os.listdir(report) if name.startswith(_PREFIX))
    runs = [(os.path.join(report, name), name.removeprefix(_PREFIX)) for name in names]
    return [(folder, id) for folder, id in runs if id != run.id and os.path.isdir(folder)]


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
    from transforms.report import SCHEMA_VERSION, printable, statuses_of

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
    finally:
        facts |= {
            "state": state,
            "finished_at": _now(),
            "seconds": round(time.monotonic() - started, 3),
            "counts": statuses_of(run.folder),
        }
        run.write_manifest(facts)
    return facts


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _LIBRARIES}
