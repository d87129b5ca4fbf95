"""Changes: which changes of which runs to undo.

For each changed file a run's journal has a line and its report a row. Together they say which file
it was, its album, and its size after the change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from genrebeam.pipeline.options.errors import UsageError, reading
from genrebeam.pipeline.runs.journal import read_notes
from genrebeam.pipeline.runs.run import Run, find_run, holds, runs_of, saw_its_library
from genrebeam.pipeline.runs.undo import UndoScope
from genrebeam.transforms.records import printable
from genrebeam.transforms.storage import absolute, path_of, storage_of
from genrebeam.transforms.storage.local import open_regular
from genrebeam.transforms.tags.change import Change, Unreadable
from genrebeam.transforms.tags.patch import digest

Entry = Change | Unreadable
# Of a note: its file was neither there nor found elsewhere.
GONE = "gone"


@dataclass(frozen=True)
class Selection:
    """A choice of changes.

    Parameters
    ----------
    run : str or None
        A run's id; None for the latest run that has made such a change.
    since : datetime.datetime or None
        All runs that began at this time or later, instead of one.
    tracks : tuple of str
        Files, or folders of files; empty for all. A file that was moved can be given by its
        present path.
    albums : tuple of str
        Albums, as the files' tags name them, ignoring case; empty for all.
    near : str
        A folder: only runs on a library that holds it, or is in it; empty for all.
    """

    run: str | None = None
    since: datetime.datetime | None = None
    tracks: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()
    near: str = ""
    _digests: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_all(self) -> bool:
        """Whether all changes of a run are chosen."""
        return not (self.tracks or self.albums)

    def find(self, report: str) -> list[tuple[Run, list[Entry]]]:
        """The chosen runs, the latest first, each with its chosen changes.

        A run that is named is taken as it is. Else changes count that are not undone yet.

        Parameters
        ----------
        report : str
            The report folder.

        Returns
        -------
        list
            Empty where all that was chosen is undone already.

        Raises
        ------
        UsageError
            If there is no such run, or none of the chosen files was changed.
        """
        if self.run is not None:
            run = find_run(report, self.run)
            entries = self._of(run, list(run.journal.changes()))
            if not entries and not self.is_all:
                raise UsageError(f"{report}: {self._nothing()}")
            return [(run, entries)]
        # What is gone is tried again when nothing else is left.
        found = list(self._search(report, _left_there)) or list(self._search(report, left))
        if not found and not any(self._search(report, lambda run: list(run.journal.changes()))):
            raise UsageError(f"{report}: {self._nothing()}")
        return found

    def _search(
        self, report: str, changes_of: Callable[[Run], list[Entry]]
    ) -> Iterator[tuple[Run, list[Entry]]]:
        for run in reversed(_runs(report, self.near)):
            if self.since is not None and began(run) < self.since:
                return
            entries = self._of(run, changes_of(run))
            if any(isinstance(entry, Change) for entry in entries):
                yield run, entries
                if self.since is None:
                    return

    def _of(self, run: Run, entries: list[Entry]) -> list[Entry]:
        changes = [entry for entry in entries if isinstance(entry, Change)]
        needs_rows = self.albums or any(change.size_after is None for change in changes)
        own = {change.path for change in changes}
        rows = _rows(run, set(map(printable, own))) if needs_rows else {}
        found: list[Entry] = []
        for entry in entries:
            if isinstance(entry, Unreadable):
                if self.is_all:
                    found.append(entry)
                continue
            row = rows.get(printable(entry.path), {})
            if self._is_track(entry, own) and self._is_album(row):
                # Journals of early versions lack the size after the change.
                size = entry.size_after if entry.size_after is not None else row.get("size_bytes")
                found.append(dataclasses.replace(entry, size_after=size))
        return found

    def _is_track(self, change: Change, own: set[str]) -> bool:
        """Whether a change is of one of the files: by its path, by content only if that is gone."""
        for track in self.tracks:
            names = {track, storage_of(track).real(track)}
            if any(
                change.path == name or change.path.startswith(f"{name.rstrip('/')}/")
                for name in names
            ):
                return True
            # A copy is not the file, though it has its content.
            if names & own or storage_of(change.path).seems_there(change.path):
                continue
            if self._digest(track) == change.undo["new_digest"]:
                return True
        return not self.tracks

    def _digest(self, path: str) -> str:
        """Digest of a file, which may have been moved; empty if there is no such file."""
        if path not in self._digests:
            self._digests[path] = ""
            with contextlib.suppress(OSError), open_regular(path) as stream:
                self._digests[path] = digest(stream)
        return self._digests[path]

    def _is_album(self, row: dict[str, Any]) -> bool:
        names = {name.casefold() for name in self.albums}
        return not names or (row.get("album") or "").casefold() in names

    def _nothing(self) -> str:
        if not self.is_all:
            named = ", ".join((*self.tracks, *self.albums))
            return f"no run has changed {named}{self._when()}"
        return f"has no run that changed files{self._when()}"

    def _when(self) -> str:
        return f" since {self.since:%Y-%m-%d %H:%M}" if self.since else ""


def left(run: Run) -> list[Entry]:
    """The changes of a run that are not undone yet, in the order of its journal."""
    undone = Counter(note.path for note in read_notes(run.undone) if note.status != GONE)
    found = []
    for entry in reversed(list(run.journal.changes())):
        if isinstance(entry, Change) and undone[entry.path]:
            undone[entry.path] -= 1  # the last change of a file is undone first
        else:
            found.append(entry)
    return found[::-1]


def _left_there(run: Run) -> list[Entry]:
    """The same; none where the files of all of them were gone when they were to be undone."""
    gone = {note.path for note in read_notes(run.undone) if note.status == GONE}
    entries = left(run)
    paths = {entry.path for entry in entries if isinstance(entry, Change)}
    return entries if paths - gone else []


def seen_beside(run: Run) -> set[str]:
    """Real paths of files that were there beside those that a run changed, or changed before it.

    None of them is a file of the run under another name, even if it has the same content.
    """
    from genrebeam.transforms.reports.read import Rows

    found = {
        entry.path
        for one in _runs(run.home)
        if one.id <= run.id
        for entry in one.journal.changes()
        if isinstance(entry, Change)
    }
    for piece in Rows([(run.tracks, run.id)], ["uri"], run.workplace):
        found |= {os.path.realpath(path_of(uri)) for uri in piece["uri"].to_pylist()}
    return found


def next_to_undo(report: str, near: str = "") -> tuple[Run, int] | None:
    """The run that the next undo takes back, and how many of its changes are left."""
    for run in reversed(_runs(report, near)):
        if n_left := _files_left(run).total():
            return run, n_left
    return None


def _files_left(run: Run) -> Counter[str]:
    """How many changes of each file are not undone yet; patches do not stay in memory."""
    changed = Counter(entry.path for entry in run.journal.changes() if isinstance(entry, Change))
    changed.subtract(note.path for note in read_notes(run.undone))
    return +changed


def check_has_runs(report: str) -> None:
    """Raise `UsageError` if a folder is no report, before anything is made in it."""
    if not _runs(report):
        raise UsageError(f"{report}: has no run that changed files")


def changed_later(run: Run) -> dict[str, str]:
    """Files that later runs changed and undo has not given back: path to the last such run."""
    return {
        path: later.id
        for later in _runs(run.home)
        if later.id > run.id
        for path in _files_left(later)
    }


def place_of(run: Run, entries: Sequence[Entry], named: str | None) -> UndoScope:
    """Where undo may write, for changes of a run.

    Parameters
    ----------
    named : str or None
        The library, where the user names it.

    Raises
    ------
    UsageError
        If nothing but a folder that came from elsewhere says what the library is.
    """
    if named is not None:
        library = absolute(named)
        if not storage_of(library).has_folder(library):
            raise UsageError(f"{library}: no such folder")
        return UndoScope(library, named=True)
    manifest = run.read_manifest()
    library = path_of(manifest.get("library", ""))
    # Who may write into a bucket is not for us to say.
    if library and ("://" in run.home or saw_its_library(run, manifest)):
        return UndoScope(library, named="://" in run.home)
    ours = (entry for entry in entries if isinstance(entry, Change) and entry.is_ours)
    if change := next(ours, None):
        return UndoScope(change.library, named=False)
    if not entries:  # killed before it changed anything
        return UndoScope(library, named=False)
    message = f", such as {shlex.quote(library)}" if library else ""
    raise UsageError(
        f"run {run.id} was not made by your GenreBeam on this machine; if you trust it, name the "
        f"folder of its music{message}, with --library"
    )


def _runs(report: str, near: str = "") -> list[Run]:
    """All runs, or those on a library that holds a folder or is in it."""
    with reading(report):
        runs = runs_of(report)
    if not near:
        return runs
    libraries = [(run, run.read_manifest().get("library", "")) for run in runs]
    return [run for run, seen in libraries if holds(seen, near) or holds(near, seen)]


def _rows(run: Run, paths: set[str]) -> dict[str, dict[str, Any]]:
    """Rows of a run's files by the real paths of these, as in the journal."""
    from genrebeam.transforms.reports.read import Rows

    found: dict[str, dict[str, Any]] = {}
    for piece in Rows([(run.tracks, run.id)], ["uri", "album", "size_bytes"], run.workplace):
        uris = piece["uri"].to_pylist()
        for number, uri in enumerate(uris):
            known = paths & {uri, storage_of(uri).real(uri)}
            if known:
                row = piece.slice(number, 1).to_pylist()[0]
                found |= dict.fromkeys(known, row)
    return found


def began(run: Run) -> datetime.datetime:
    """When a run began, from its id."""
    try:
        stamp = datetime.datetime.strptime(run.id[:15], "%Y%m%dT%H%M%S")
    except ValueError:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return stamp.replace(tzinfo=datetime.UTC)


def moment(text: str) -> datetime.datetime:
    """Parse a date or time; without a time zone it is in this machine's.

    Raises
    ------
    UsageError
    """
    try:
        return datetime.datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise UsageError(
            f"{text}: not a date or time such as 2026-11-20 or '2026-11-20 10:15'"
        ) from None


def shown(when: datetime.datetime | str) -> str:
    """A time for a person to read, to the minute, in this machine's time zone."""
    if isinstance(when, str):
        when = datetime.datetime.fromisoformat(when)
    return f"{when.astimezone():%Y-%m-%d %H:%M}"
