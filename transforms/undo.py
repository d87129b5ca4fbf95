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
from typing import Any, BinaryIO

from transforms.patch import Patch, digest
from transforms.records import explain_error
from transforms.remote import beside, downloaded, find, is_remote, upload
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
    if "unreadable" in entry:
        return Undone("", "failed", f"line {entry['unreadable']} of the journal is damaged")
    path = entry["path"]
    try:
        return _undo(path, entry, dry_run)
    except Exception as error:  # whatever a file does is told, and the next one is undone
        return Undone(path, "failed", explain_error(error, "undo", entry.get("format", "")))


def _undo(path: str, entry: dict[str, Any], dry_run: bool) -> Undone:
    patch = Patch.from_json(entry["undo"])
    if is_remote(path):
        return _undo_object(path, patch, entry, dry_run)
    real = os.path.realpath(path)
    before = os.stat(real)
    with open(real, "rb") as stream:
        found = _compared(stream, patch)
        if found is not None:
            return Undone(path, *found)
        check_writable(path, in_place_links=entry.get("in_place", False))
        if dry_run:
            return Undone(path, "would_restore")
        with copied_beside(real, entry["format"]) as copy:
            with open(copy, "w+b") as old:
                patch.apply(stream, old)
            dress(copy, real, mtime_ns=entry["mtime_ns_before"])
            if identity_of(os.stat(real)) != identity_of(before):
                return Undone(path, "changed", "changed while it was being restored")
            if before.st_nlink > 1:
                overwrite(real, copy, lambda: None)
                os.utime(real, ns=(before.st_atime_ns, entry["mtime_ns_before"]))
            else:
                replace(copy, real)
    return Undone(path, "restored")


def _undo_object(uri: str, patch: Patch, entry: dict[str, Any], dry_run: bool) -> Undone:
    found = find(uri)
    with downloaded(found) as now, open(now, "rb") as stream:
        state = _compared(stream, patch)
        if state is not None:
            return Undone(uri, *state)
        if dry_run:
            return Undone(uri, "would_restore")
        copy = beside(now)
        with open(copy, "w+b") as old:
            patch.apply(stream, old)
        upload(found, copy)
    return Undone(uri, "restored")


def _compared(stream: BinaryIO, patch: Patch) -> tuple[str, str] | None:
    """Why there is nothing to restore, or None."""
    if digest(stream) == patch.new_digest:
        return None
    if patch.is_old(stream):
        return "as_before", ""
    return "changed", "changed by others since"
