"""Undo: give files back what they were before a run, byte for byte.

The journal of a run has a line for each file, written before the file changed, with what its
new version lacks of the old one (see ``patch.py``). A file that somebody else has changed since
is left as it is. A file that was moved since is recognised by its bytes, but only if nothing is
at its path: a copy is not the file. A second undo of the same run changes nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from genrebeam.transforms.formats import FORMATS, format_of
from genrebeam.transforms.records import Stage, Track, TrackError, explain_error
from genrebeam.transforms.storage import ChangedMeanwhile, is_inside, storage_of
from genrebeam.transforms.storage.local import open_regular
from genrebeam.transforms.tags.change import Change, Unreadable
from genrebeam.transforms.tags.patch import Patch, digest


@dataclass(frozen=True)
class Undone:
    """What became of one file.

    Parameters
    ----------
    path : str
        Where it is now.
    status : {"restored", "would_restore", "as_before", "changed", "gone", "failed"}
        ``as_before``: it is as it was already; ``changed``: by others since; ``gone``: neither
        there nor found elsewhere.
    reason : str
        Of one that was moved, from where.
    """

    path: str
    status: str
    reason: str = ""


class NotOurs(TrackError):
    """A file that undo does not touch, whatever a journal says."""


@dataclass(frozen=True)
class UndoScope:
    """Where undo may write.

    Parameters
    ----------
    library : str
        Nothing outside of it is written, wherever links lead now.
    named : bool
        Whether the user named it, so that journals count that came from elsewhere.
    """

    library: str
    named: bool

    def check(self, path: str, change: Change) -> None:
        """Refuse a file that a stranger's journal may name, but that is no music of the library.

        Raises
        ------
        NotOurs
        """
        if not (self.named or change.is_ours):
            raise NotOurs(path, "its journal line is not yours; if you trust it, use --library")
        if not is_inside(path, self.library):
            raise NotOurs(path, f"outside of the library {self.library}")
        # A link's target may have any name; who else but us would know that it is music?
        if format_of(path) not in FORMATS and not change.is_ours:
            raise NotOurs(path, "not one of the formats that are tagged")


class MovedFiles:
    """Files that are no longer where they were changed, known by what is in them.

    Parameters
    ----------
    folder : str
        Where they may be; listed when the first of them is looked for. In a bucket, or where
        there is none, nothing is looked for.
    known : callable
        Gives real paths that are no moved files; called when the first is looked for.
    """

    def __init__(self, folder: str, known: Callable[[], Collection[str]] = tuple) -> None:
        self.folder = folder if os.path.isdir(folder) else ""
        self._known = known
        self._by_size: dict[int, list[str]] | None = None

    def find(self, change: Change, patch: Patch) -> list[str]:
        """Paths of files that are, to the last byte, what a change made.

        Where there is none, of one that is what it was before the change.

        Parameters
        ----------
        patch : Patch
            Its patch.
        """
        sizes = {change.size_after, change.size_before}
        paths = [path for size in sizes for path in self._listed().get(size or 0, ())]
        states = {path: _state_of(path, patch) for path in paths}
        changed = [path for path in paths if states[path] == "tagged"]
        return changed or [path for path in paths if states[path] == "as_before"][:1]

    def _listed(self) -> dict[int, list[str]]:
        if self._by_size is None:
            from genrebeam.transforms.library.walk import walk

            self._by_size = {}
            known = set(self._known()) if self.folder else set()
            for found in walk(self.folder) if self.folder else ():
                if isinstance(found, Track) and os.path.realpath(found.uri) not in known:
                    self._by_size.setdefault(found.size_bytes, []).append(found.uri)
        return self._by_size


def _state_of(path: str, patch: Patch) -> str:
    """Whether a file is what a change made, or what it was before, or neither."""
    try:
        with open_regular(path) as stream:
            found = _compared(stream, patch)
    except OSError:
        return "failed"
    return "tagged" if found is None else found[0]


def undo_all(
    changes: Iterable[Change | Unreadable], moved: MovedFiles | None = None
) -> Iterator[Undone]:
    """Undo changes in the order of the journal, the last first; see `undo`."""
    return (undo(change, moved=moved) for change in reversed(list(changes)))


def undo(
    change: Change | Unreadable,
    *,
    dry_run: bool = False,
    moved: MovedFiles | None = None,
    place: UndoScope | None = None,
) -> Undone:
    """Undo one change.

    Parameters
    ----------
    dry_run : bool
        Change nothing.
    moved : MovedFiles, optional
        Where the file may have been moved to.
    place : UndoScope, optional
        Where undo may write; by default the journal is believed.
    """
    if isinstance(change, Unreadable):
        more = f", and {change.n_lines - 1:,} more" if change.n_lines > 1 else ""
        return Undone("", "failed", f"line {change.first} of the journal is damaged{more}")
    try:
        patch = Patch.from_json(change.undo)
        return _undo_file(patch, change, dry_run, moved, place)
    except Exception as error:  # whatever a file does is said, and the next one is undone
        return Undone(change.path, "failed", explain_error(error, Stage.UNDO, change.format))


def _undo_file(
    patch: Patch,
    change: Change,
    dry_run: bool,
    moved: MovedFiles | None,
    place: UndoScope | None,
) -> Undone:
    """Undo a change where the file was changed, or, if nothing is there, where it was moved to."""
    path = change.path
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return _undo(path, patch, change, dry_run, place)
    found = moved.find(change, patch) if moved else []
    if len(found) == 1:
        undone = _undo(found[0], patch, change, dry_run, place)
        return Undone(undone.path, undone.status, undone.reason or f"moved from {path}")
    if found:
        return Undone(path, "failed", f"moved, but {len(found)} files are what it was: {found[0]}")
    where = f", and not elsewhere in {moved.folder}" if moved and moved.folder else ""
    return Undone(path, "gone", f"no longer there{where}")


def _undo(
    path: str, patch: Patch, change: Change, dry_run: bool, place: UndoScope | None
) -> Undone:
    patch.check_old_size(change.size_before)
    storage = storage_of(path)
    before = storage.find(path)
    if place:
        place.check(before.uri, change)
    with storage.localised(before.uri, before) as now, open_regular(now) as stream:
        found = _compared(stream, patch)
        if found is not None:
            return Undone(path, *found)
        storage.check_writable(path, in_place_links=change.in_place)
        if dry_run:
            return Undone(path, "would_restore")
        try:
            with storage.changing(before, change.format) as (_, copy):
                with open(copy, "w+b") as old:
                    patch.apply(stream, old)
                storage.put(before, copy, lambda after: None, mtime_ns=change.mtime_ns_before)
        except ChangedMeanwhile:
            return Undone(path, "changed", "changed while it was being restored")
    return Undone(path, "restored")


def _compared(stream: BinaryIO, patch: Patch) -> tuple[str, str] | None:
    """Why there is nothing to restore, or None."""
    if digest(stream) == patch.new_digest:
        return None
    if patch.is_old(stream):
        return "as_before", ""
    return "changed", "changed by others since"
