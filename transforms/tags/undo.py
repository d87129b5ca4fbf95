"""Undo: give files back what they were before a run, byte for byte.

The journal of a run has a line for each file, written before the file changed, with what its
new version lacks of the old one (see ``patch.py``). A file that somebody else has changed since
is left as it is. A file that was moved since is known by its bytes. Undoing twice is undoing once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from genrebeam.transforms.records import Stage, Track, explain_error
from genrebeam.transforms.storage import ChangedMeanwhile, Found, storage_of
from genrebeam.transforms.storage.local import open_regular
from genrebeam.transforms.tags.patch import Patch, digest


@dataclass(frozen=True)
class Undone:
    """What became of one file.

    Parameters
    ----------
    path : str
        Where it is now.
    status : {"restored", "would_restore", "as_before", "changed", "failed"}
        ``as_before``: it is as it was already; ``changed``: by others since.
    reason : str
        Of one that was moved, from where.
    """

    path: str
    status: str
    reason: str = ""


def read_journal(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Entries of a journal.

    Parameters
    ----------
    lines : iterable of str

    Yields
    ------
    dict
        ``{"unreadable": number}`` for a damaged line. A last line that was cut off by a crash
        is left out: its file was not changed yet.
    """
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict) and {"path", "undo"} <= entry.keys():
            yield entry
        elif line.endswith("\n") and line.strip():
            yield {"unreadable": number}


class Elsewhere:
    """Files that are no longer where they were changed, known by what is in them.

    Parameters
    ----------
    folder : str
        Where they may be; listed when the first of them is looked for. In a bucket, or where
        there is none, nothing is looked for.
    known : collection of str
        Paths that are no moved files, because changes of their own are to be undone.
    """

    def __init__(self, folder: str, known: Collection[str] = ()) -> None:
        self.folder = folder if os.path.isdir(folder) else ""
        self.known = set(known)
        self._by_size: dict[int, list[str]] | None = None

    def find(self, entry: dict[str, Any], patch: Patch) -> list[str]:
        """Paths of files that are, to the last byte, what a change made.

        Where there is none, of one that is what it was before the change.

        Parameters
        ----------
        entry : dict
            A journal's line.
        patch : Patch
            Its patch.
        """
        sizes = {entry.get("size_after"), entry["size_before"]}
        paths = [path for size in sizes for path in self._listed().get(size, ())]
        states = {path: _state_of(path, patch) for path in paths}
        changed = [path for path in paths if states[path] == "tagged"]
        return changed or [path for path in paths if states[path] == "as_before"][:1]

    def _listed(self) -> dict[int, list[str]]:
        if self._by_size is None:
            from genrebeam.transforms.library.walk import walk

            self._by_size = {}
            for found in walk(self.folder) if self.folder else ():
                if isinstance(found, Track) and os.path.realpath(found.uri) not in self.known:
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
    entries: Iterable[dict[str, Any]], *, dry_run: bool = False, elsewhere: Elsewhere | None = None
) -> Iterator[Undone]:
    """Undo the changes of a run, the last first.

    Parameters
    ----------
    entries : iterable of dict
        In the order of the journal.
    dry_run : bool
        Change nothing.
    elsewhere : Elsewhere, optional
        Where files may have been moved to.

    Yields
    ------
    Undone
    """
    for entry in reversed(list(entries)):
        yield undo(entry, dry_run=dry_run, elsewhere=elsewhere)


def undo(
    entry: dict[str, Any], *, dry_run: bool = False, elsewhere: Elsewhere | None = None
) -> Undone:
    """Undo one change.

    Parameters
    ----------
    entry : dict
        A journal's line.
    dry_run : bool
        Change nothing.
    elsewhere : Elsewhere, optional
        Where the file may have been moved to.

    Returns
    -------
    Undone
    """
    if "unreadable" in entry:
        return Undone("", "failed", f"line {entry['unreadable']} of the journal is damaged")
    path = entry["path"]
    try:
        return _undo_file(path, Patch.from_json(entry["undo"]), entry, dry_run, elsewhere)
    except Exception as error:  # whatever a file does is told, and the next one is undone
        return Undone(path, "failed", explain_error(error, Stage.UNDO, entry.get("format", "")))


def _undo_file(
    path: str, patch: Patch, entry: dict[str, Any], dry_run: bool, elsewhere: Elsewhere | None
) -> Undone:
    """Undo a change where the file was changed, or else where it has been moved to."""
    try:
        there = _undo(path, patch, entry, dry_run)
    except (FileNotFoundError, NotADirectoryError):
        there = None
    if there and there.status != "changed":
        return there
    found = elsewhere.find(entry, patch) if elsewhere else []
    if len(found) == 1:
        undone = _undo(found[0], patch, entry, dry_run)
        return Undone(undone.path, undone.status, undone.reason or f"moved from {path}")
    if there:
        return there
    if found:
        return Undone(path, "failed", f"moved, but {len(found)} files are what it was: {found[0]}")
    where = f", and not elsewhere in {elsewhere.folder}" if elsewhere and elsewhere.folder else ""
    return Undone(path, "failed", f"no longer there{where}")


def _undo(path: str, patch: Patch, entry: dict[str, Any], dry_run: bool) -> Undone:
    storage = storage_of(path)
    before = storage.find(path)
    with storage.localised(path, before) as now, open_regular(now) as stream:
        found = _compared(stream, patch)
        if found is not None:
            return Undone(path, *found)
        storage.check_writable(path, in_place_links=entry.get("in_place", False))
        if dry_run:
            return Undone(path, "would_restore")
        try:
            with storage.changing(before, entry["format"]) as (_, copy):
                with open(copy, "w+b") as old:
                    patch.apply(stream, old)
                storage.put(before, copy, _say_nothing, mtime_ns=entry["mtime_ns_before"])
        except ChangedMeanwhile:
            return Undone(path, "changed", "changed while it was being restored")
    return Undone(path, "restored")


def _say_nothing(after: Found | None) -> None:
    pass


def _compared(stream: BinaryIO, patch: Patch) -> tuple[str, str] | None:
    """Why there is nothing to restore, or None."""
    if digest(stream) == patch.new_digest:
        return None
    if patch.is_old(stream):
        return "as_before", ""
    return "changed", "changed by others since"
