"""Undo: give files back what they were before a run, byte for byte.

The journal of a run has a line for each file, written before the file changed, with what its
new version lacks of the old one (see ``patch.py``). A file that somebody else has changed since
is left as it is. Undoing twice is undoing once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from transforms.fields import read_header
from transforms.patch import Patch, PatchError
from transforms.records import TrackError, reason_of
from transforms.remote import RemoteObject, downloaded, is_remote
from transforms.rewrite import check_writable, copied_beside, dress, identity_of, overwrite, replace


@dataclass(frozen=True)
class Undone:
    """What became of one file.

    Parameters
    ----------
    path : str
    status : {"restored", "would_restore", "as_before", "changed", "failed"}
        ``as_before``: it is as it was already; ``changed``: by others since.
    reason : str
    """

    path: str
    status: str
    reason: str = ""


def read_journal(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Entries of a journal; a last line that was cut off by a crash changed nothing yet.

    Parameters
    ----------
    lines : iterable of str

    Yields
    ------
    dict
    """
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "undo" in entry:
            yield entry


def undo_all(entries: Iterable[dict[str, Any]], *, dry_run: bool = False) -> Iterator[Undone]:
    """Undo the changes of a run, the last first.

    Parameters
    ----------
    entries : iterable of dict
        In the order of the journal.
    dry_run : bool
        Change nothing.

    Yields
    ------
    Undone
    """
    for entry in reversed(list(entries)):
        yield undo(entry, dry_run=dry_run)


def undo(entry: dict[str, Any], *, dry_run: bool = False) -> Undone:
    """Undo one change.

    Parameters
    ----------
    entry : dict
        A journal's line.
    dry_run : bool
        Change nothing.

    Returns
    -------
    Undone
    """
    path = entry["path"]
    try:
        return _undo(path, entry, dry_run)
    except Exception as error:  # whatever a file does is told, and the next one is undone
        return Undone(path, "failed", reason_of(error))


def _undo(path: str, entry: dict[str, Any], dry_run: bool) -> Undone:
    patch = Patch.from_json(entry["undo"])
    if is_remote(path):
        return _undo_object(path, patch, entry, dry_run)
    before = os.stat(path)
    with open(path, "rb") as stream:
        try:
            patch.check(stream)
        except PatchError:
            if _is_as_before(path, before.st_size, before.st_mtime_ns, entry):
                return Undone(path, "as_before")
            return Undone(path, "changed", "changed by others since")
        check_writable(path, in_place_links=True)
        if dry_run:
            return Undone(path, "would_restore")
        with copied_beside(path, entry["format"]) as copy:
            with open(copy, "wb") as old:
                patch.apply(stream, old)
            if os.path.getsize(copy) != entry["size_before"]:
                raise TrackError(path, "its old version could not be put together")
            dress(copy, path, mtime_ns=entry["mtime_ns_before"])
            if identity_of(os.stat(path)) != identity_of(before):
                return Undone(path, "changed", "changed while it was being restored")
            if before.st_nlink > 1:
                overwrite(path, copy, lambda: None)
                os.utime(path, ns=(before.st_atime_ns, entry["mtime_ns_before"]))
            else:
                replace(copy, path)
    return Undone(path, "restored")


def _undo_object(uri: str, patch: Patch, entry: dict[str, Any], dry_run: bool) -> Undone:
    found = RemoteObject.find(uri)
    with downloaded(found) as now, downloaded(found) as copy:
        with open(now, "rb") as stream:
            try:
                patch.check(stream)
            except PatchError:
                if _is_as_before(now, found.size, found.mtime_ns, entry):
                    return Undone(uri, "as_before")
                return Undone(uri, "changed", "changed by others since")
            if dry_run:
                return Undone(uri, "would_restore")
            with open(copy, "wb") as old:
                patch.apply(stream, old)
        found.replace(copy)
    return Undone(uri, "restored")


def _is_as_before(path: str, size: int, mtime_ns: int, entry: dict[str, Any]) -> bool:
    """Whether the change never came to be, or was undone."""
    if size != entry["size_before"]:
        return False
    if mtime_ns == entry["mtime_ns_before"]:
        return True
    return list(read_header(path)[0].genres) == entry["genres_before"]
