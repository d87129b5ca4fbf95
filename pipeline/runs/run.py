"""What runs leave in a report folder, the reports' home (see pipeline/options/home.py).

::

    Music-3fa9c1d2/
        tracks/
            run=20261120T101500.123Z-3fa9/
                part-*.parquet     one row per file seen (see transforms/reports/schema.py)
        runs/
            20261120T101500.123Z-3fa9/
                run.json           options, versions, state, counts, timings
                journal.jsonl      one line per changed file, written before it changes
                undone.jsonl       one line per file that undo gave back
                report.html        the run as a page
        latest                 link to the newest run that has a page
        lock                       who is at work (see pipeline/runs/lock.py)

In a bucket, where nothing can be appended, the journal is a folder of that name without its
ending, with one object per line. Nothing but finished parts is below ``tracks``: tools that take
a folder open all of it.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import logging
import os
import re
import secrets
import shlex
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from genrebeam import __version__
from genrebeam.model import files
from genrebeam.pipeline.options.errors import UsageError, reading, writing
from genrebeam.pipeline.options.home import is_home, is_named_in, make_home
from genrebeam.pipeline.options.job import TaggingJob
from genrebeam.pipeline.runs.journal import Journal, now
from genrebeam.pipeline.runs.manifest import (
    FORMAT,
    MOST_BYTES,
    Manifest,
    read_manifest,
    write_manifest,
)
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.records import printable, reason_of
from genrebeam.transforms.storage import path_of, storage_of
from genrebeam.transforms.storage.seal import is_sealed, seal, why_unsealed
from genrebeam.transforms.strict import RecordError

if TYPE_CHECKING:
    from genrebeam.transforms.reports.read import Rows

_TRACKS, _RUNS, _PREFIX = "tracks", "runs", "run="
_MANIFEST = "run.json"
_JOURNAL = "journal.jsonl"
_UNDONE = "undone.jsonl"
_PAGE = "report.html"
_LATEST = "latest"
# The columns of a report that people are shown, on a page or a terminal.
SHOWN = (
    *("uri", "status", "stage", "reason", "title", "artist", "album", "duration_s"),
    *("genres_before", "genres_after", "confidence", "probabilities"),
    *("mood_before", "mood_after"),
    *("family", "family_confidence", "style", "style_confidence", "tracks_voted"),
    *("extract_s", "classify_s", "write_s", "finished_at"),
)
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_LIBRARIES = (
    "apache-beam",
    "onnxruntime",
    "tensorflow",
    "keras",
    "mutagen",
    "pyarrow",
    "soundfile",
    "av",
)

_log = logging.getLogger("genrebeam")


@dataclass(frozen=True)
class Run:
    """One run of the job.

    Parameters
    ----------
    id : str
        Sorts by the time that it began.
    home : str
        Absolute path of the reports' home.
    """

    id: str
    home: str

    @property
    def folder(self) -> str:
        """Path of the folder of manifest, journal and page."""
        return os.path.join(self.home, _RUNS, self.id)

    @property
    def tracks(self) -> str:
        """Path of the folder of the report's parts."""
        return os.path.join(self.home, _TRACKS, _PREFIX + self.id)

    @property
    def page(self) -> str:
        """Path of the page that shows the run."""
        return os.path.join(self.folder, _PAGE)

    @property
    def has_page(self) -> bool:
        """Whether it has one."""
        return storage_of(self.page).seems_there(self.page)

    @property
    def undo_command(self) -> str:
        """The command that takes its changes back, for a shell."""
        home = "" if is_home(self.home) else f" {shlex.quote(self.home)}"
        return f"genrebeam undo{home} --run {shlex.quote(self.id)}"

    @property
    def journal(self) -> Journal:
        """Where the run notes what it is about to change."""
        return Journal(os.path.join(self.folder, _JOURNAL), self.home)

    def read_manifest(self) -> Manifest:
        """``run.json``; empty where there is none that can be used."""
        return next(_manifests([self])) or Manifest()

    @property
    def undone(self) -> Journal:
        """Where undo notes the files that it gave back."""
        return Journal(os.path.join(self.folder, _UNDONE), self.home)

    @property
    def workplace(self) -> str:
        """A local folder with room for temporary files: beside the report, where that can be."""
        return self.folder if os.access(self.folder, os.W_OK) else tempfile.gettempdir()

    def mark_latest(self) -> None:
        """Let ``latest`` lead to this run, where the file system has links."""
        if "://" not in self.home:
            with contextlib.suppress(OSError):
                latest = os.path.join(self.home, _LATEST)
                files.link(latest, os.path.relpath(self.folder, self.home), below=self.home)

    def mark_undone(self) -> None:
        """Note in the manifest that changes of the run were taken back, all or some."""
        self.write_manifest({**self.read_manifest(), "undone_at": now()})

    def write_manifest(self, facts: Manifest) -> None:
        """Write ``run.json``, whole or not at all."""
        path = os.path.join(self.folder, _MANIFEST)
        with storage_of(path).writing(path, below=self.home) as stream:
            stream.write(write_manifest(facts))


@dataclass(frozen=True)
class RunResult:
    """What a run has left.

    Parameters
    ----------
    rows : Rows
        See `rows_of`.
    """

    manifest: Manifest
    rows: Rows


def rows_of(runs: Sequence[Run], columns: Sequence[str] = SHOWN) -> Rows:
    """The rows of the reports of runs, by default with the columns that people are shown.

    Returns
    -------
    Rows
        One for each file in each run, in pieces.
    """
    from genrebeam.transforms.reports.read import Rows

    workplace = runs[0].workplace if runs else tempfile.gettempdir()
    return Rows([(run.tracks, run.id) for run in runs], columns, workplace)


def _manifests(runs: Sequence[Run]) -> Iterator[Manifest | None]:
    paths = [os.path.join(run.folder, _MANIFEST) for run in runs]
    if not paths:
        return
    for path, open_manifest in storage_of(paths[0]).opened(paths):
        facts = None
        try:
            with open_manifest() as stream:
                facts = read_manifest(stream.read(MOST_BYTES + 1))
        except FileNotFoundError:
            pass
        except (OSError, RecordError) as error:
            _log.warning("%s cannot be used: %s", printable(path), reason_of(error))
        yield facts


def start_run(report: str) -> Run:
    """Make the folders of a new run.

    Parameters
    ----------
    report : str
        The reports' home, made where it is missing.

    Raises
    ------
    UsageError
        If it cannot be made.
    """
    now = datetime.datetime.now(datetime.UTC)
    # Milliseconds, so that the names of runs sort as they followed each other.
    id = f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z-{secrets.token_hex(2)}"
    run = Run(id, report)
    storage = storage_of(report)
    with writing(run.folder):
        storage.make_folder(run.tracks)
        storage.make_folder(run.folder)
        storage.begin_journal(run.journal.path, report)
    return run


def find_run(report: str, id: str) -> Run:
    """A run to be undone.

    Parameters
    ----------
    report : str
        The reports' home.

    Raises
    ------
    UsageError
    """
    with reading(report):
        for run in runs_of(report):
            if run.id == id.removeprefix(_PREFIX):
                return run
    raise UsageError(f"{report}: has no run {id}")


def known_runs(job: TaggingJob, run: Run) -> list[tuple[str, str, bool, str]]:
    """Runs that know what the library's files were given.

    Returns
    -------
    list of tuple
        What `read_earlier` takes of each, newest first. None still holds where the job is to
        decide anew. Of a library around the job's only the job's files are read.
    """
    incremental, own = job.options.incremental, printable(job.library)
    found = []
    for old, facts, still_holds in runs_before(job, run):
        seen = facts["library"]
        within = own if seen != own and is_named_in(own, seen) else ""
        found.append((old.tracks, old.id, incremental and still_holds, within))
    return found


def runs_before(job: TaggingJob, run: Run | None) -> Iterator[tuple[Run, Manifest, bool]]:
    """Runs that saw the library's files, newest first, and whether what they saw still holds.

    They go back to the last that saw all of the library: a finished run has a row for every file,
    so that those before it add nothing, and the cost of skipping does not grow with the nights.
    One that took only what had failed has rows for that alone. What was undone is no longer as
    the runs before saw it.
    """
    known, library = list(_before(job, run)), printable(job.library)
    last_undo = max((facts.get("undone_at", "") for _, facts in known if facts), default="")
    is_file = "://" not in job.library and os.path.isfile(job.library)
    has_seen_all = False
    for old, facts in known:
        if facts is None or not _is_about(facts, library):
            continue
        if "rows_in" in facts:
            continue  # the rows of an earlier run hold
        is_dry = bool(facts.get("options", {}).get("dry_run"))
        if is_dry and job.options.retry_failed:
            continue  # it tried nothing: what failed before it is still to be done
        sees_all = holds(facts["library"], library) and saw_all(
            facts, job.options.formats, job.options.exclude, job.paths
        )
        if is_dry and sees_all and has_seen_all:
            continue  # a later one saw the same
        # A file that is named is decided anew, unless it was the whole library then, too.
        holds_for_it = facts["library"] == library or not is_file
        yield old, facts, holds_for_it and facts.get("started_at", "") > last_undo
        if sees_all and not is_dry:  # a dry run does not say what files were given before
            return
        has_seen_all |= sees_all


def _is_about(facts: Manifest, library: str) -> bool:
    """Whether a run saw files of a library, or of one that is gone and may have become this one."""
    seen = facts.get("library", "")
    is_related = holds(seen, library) or holds(library, seen)
    return bool(seen) and (is_related or not ("://" in seen or os.path.lexists(path_of(seen))))


def holds(folder: str, path: str) -> bool:
    """Whether a path is that of a folder or of something in it, both as manifests say it."""
    return is_named_in(path, folder) or is_named_in(path, _without_links(folder))


@functools.lru_cache(maxsize=1000)
def _without_links(path: str) -> str:
    """As runs of now name it; those of earlier versions named it as the user did."""
    return path if "://" in path else printable(os.path.realpath(path_of(path)))


def _before(job: TaggingJob, run: Run | None) -> Iterator[tuple[Run, Manifest | None]]:
    """Runs before a run, newest first; their manifests are read as they are needed."""
    if storage_of(job.report).has_folder(job.report):
        runs = [old for old in reversed(runs_of(job.report)) if run is None or old.id < run.id]
        yield from zip(runs, _manifests(runs), strict=True)


def runs_with_inputs(job: TaggingJob, run: Run) -> list[Run]:
    """Runs whose reports have what the job's model reads of a track.

    Parameters
    ----------
    run : Run
        The present one.

    Returns
    -------
    list of Run
        Newest first; none where all that was decided stays, so that there is no use for them.
    """
    if not (job.analysis_digest and job.decides_by_stored and job.options.incremental):
        return []
    found = []
    for old, facts in _before(job, run):
        if facts is None or facts.get("library") != printable(job.library):
            continue
        stays = job.settled_by in (None, facts.get("decision_digest"))
        is_dry = facts.get("options", {}).get("dry_run")
        if stays and not is_dry and saw_all(facts, job.options.formats, job.options.exclude):
            break
        if facts.get("analysis_digest") == job.analysis_digest and "rows_in" not in facts:
            found.append(old)
    return found


def saw_all(
    facts: Manifest,
    formats: Iterable[str],
    exclude: Iterable[str] = (),
    paths: Iterable[str] = (),
) -> bool:
    """Whether a run has a row for every file of its library.

    Parameters
    ----------
    formats : iterable of str
        Of the files that count.
    exclude : iterable of str
        Patterns of files that do not.
    paths : iterable of str
        Of the library, if only these count.
    """
    options = facts.get("options", {})
    took = set(facts.get("paths", ()))
    wanted = set(map(printable, paths))
    return (
        facts.get("state") == "finished"
        # None at all: what was mounted there was not there that time.
        and bool(facts.get("counts"))
        and not options.get("retry_failed")
        and set(map(str, options.get("formats", ()))) >= set(formats)
        and set(map(str, options.get("exclude") or ())) <= set(exclude)
        and (not took or (bool(wanted) and wanted <= took))
    )


def superseded(manifests: Mapping[Run, Manifest]) -> set[str]:
    """Ids of runs after which another saw their whole library.

    A file whose newest row is of such a run was gone by then.
    """
    in_order = sorted(manifests.items(), key=lambda known: known[0].id)
    # Of those that found nothing new the rows of an earlier one hold.
    known = [(run.id, facts) for run, facts in in_order if "rows_in" not in facts]
    found = set()
    for number, (id, facts) in enumerate(known):
        options, library = facts.get("options", {}), facts.get("library")
        took = options.get("formats") or FORMATS, options.get("exclude") or ()
        if library and any(
            holds(later.get("library", ""), library) and saw_all(later, *took)
            for _, later in known[number + 1 :]
        ):
            found.add(id)
    return found


def saw_its_library(run: Run, facts: Manifest) -> bool:
    """Whether this user's program says in a run's manifest which library it saw."""
    return is_sealed(_seen(run, facts), facts.get("seal", ""))


def library_to_change(run: Run, facts: Manifest, named: str | None) -> str:
    """The library whose files may be changed by what a run's report says.

    Parameters
    ----------
    named : str or None
        By the user, who trusts the run with it.

    Raises
    ------
    UsageError
        If nobody names it, or only a stranger does.
    """
    library = named or facts.get("library")
    if not library:
        raise UsageError(f"run {run.id} does not say which library it saw; name it with --library")
    if not (named or "://" in run.home or saw_its_library(run, facts)):
        raise UsageError(
            f"run {run.id} was not made by your GenreBeam on this machine; if you trust it, name "
            "the library with --library"
        )
    return library


def _seen(run: Run, facts: Manifest) -> dict[str, Any]:
    """What the seal of a manifest is for: that this run saw this library."""
    return {"run": run.id, "library": facts.get("library", "")}


def runs_of(report: str) -> list[Run]:
    """All runs of a home, oldest first.

    Parameters
    ----------
    report : str
        The reports' home.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    storage = storage_of(report)
    if _RUNS not in storage.folders_in(report):
        return []
    # Ids are shown, and stand in commands to copy: what is none of ours is no run.
    ids = filter(_ID.fullmatch, storage.folders_in(os.path.join(report, _RUNS)))
    return [Run(id, report) for id in sorted(ids)]


def record_run(
    run: Run, job: TaggingJob, execute: Callable[[], bool | None], interrupted: Callable[[], bool]
) -> RunResult:
    """Execute a run of the tagging job and keep its manifest true; see `record`.

    Parameters
    ----------
    execute : callable
        Does the work; true where it is still to be done when this process has ended.
    interrupted : callable
        Whether it was ended early.

    Returns
    -------
    RunResult
        Its ``state`` is ``finished``, ``interrupted``, or ``launched`` until its job has called
        `close_run`; a run that died shows ``running``, one that raised shows ``crashed``.
    """
    make_home(run.home, job.library)
    return record(run, _facts_of(job), execute, interrupted)


def launch_run(job: TaggingJob) -> Run:
    """Start a run whose work is done elsewhere: it is ``launched`` until `close_run` is called."""
    run = start_run(job.report)
    make_home(run.home, job.library)
    _begin(run, _facts_of(job), "launched")
    return run


def _facts_of(job: TaggingJob) -> Manifest:
    facts: Manifest = {
        "library": printable(job.library),
        "options": job.options.recorded(),
        "decision_digest": job.decision_digest,
        "model": {"name": job.bundle.name, "version": job.bundle.version},
        "versions": _versions(),
    }
    if job.options.embeddings and job.analysis_digest:
        facts["analysis_digest"] = job.analysis_digest
    if job.paths:
        facts["paths"] = list(map(printable, job.paths))
    return facts


def record(
    run: Run,
    facts: Manifest,
    execute: Callable[[], bool | None],
    interrupted: Callable[[], bool],
) -> RunResult:
    """Execute a run and keep its manifest true, whatever happens.

    Parameters
    ----------
    facts : Manifest
        What it says of the work: at least ``library`` and ``options``.
    execute, interrupted : callable
        See `record_run`.
    """
    started = time.monotonic()
    facts = _begin(run, facts, "running")
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
        ended = _end(run, facts, state, time.monotonic() - started)
    return ended


def _begin(run: Run, facts: Manifest, state: str) -> Manifest:
    """Write the manifest of a run that begins."""
    from genrebeam.transforms.reports.schema import SCHEMA_VERSION

    will_write = not facts.get("options", {}).get("dry_run")
    if will_write and "://" not in run.home and (why := why_unsealed()):
        _log.warning("%s, so undo of this run asks for --library", printable(why))

    facts = {
        "version": FORMAT,
        "run": run.id,
        "state": state,
        **facts,
        "seal": seal(_seen(run, facts)),
        "schema_version": SCHEMA_VERSION,
        "versions": {"genrebeam": __version__, **facts.get("versions", {})},
        "started_at": now(),
    }
    run.write_manifest(facts)
    return facts


def close_run(run: Run) -> RunResult:
    """Finish the manifest of a run that is launched.

    Parameters
    ----------
    run : Run
        Whose rows are all written. A second call does no harm.
    """
    facts = run.read_manifest()
    ended = datetime.datetime.now(datetime.UTC)
    began = datetime.datetime.fromisoformat(facts.get("started_at", ended.isoformat()))
    seconds = (ended - began).total_seconds()
    return _end(run, facts, "finished", seconds)


def _end(run: Run, facts: Manifest, state: str, seconds: float) -> RunResult:
    from genrebeam.transforms.reports.read import statuses_of

    rows = rows_of([run])
    ending: Manifest = {
        "state": state,
        "finished_at": now(),
        "seconds": round(seconds, 3),
        "counts": statuses_of(rows),
    }
    ended = RunResult({**facts, **ending}, rows)
    run.write_manifest(ended.manifest)
    return ended


def _versions() -> dict[str, str]:
    """Versions of the libraries that are installed; extras may not be."""
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
