"""Change: a line of a run's journal, which says what a file was before it was changed.

A line that this user's program wrote has a seal (see ``transforms/storage/seal.py``). A journal
that came from elsewhere has none that fits.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from genrebeam.transforms.storage.seal import is_sealed, seal
from genrebeam.transforms.strict import VERSION, RecordError, check_version, parse, record

FORMAT = 1


@dataclass(frozen=True)
class Change:
    """One change of one file.

    Parameters
    ----------
    path : str
        Where the file was, with all links resolved; undecodable bytes as surrogates.
    undo : dict of str to str
        See `genrebeam.transforms.tags.patch.Patch`.
    format : str
        The file's extension.
    size_before, mtime_ns_before : int
        In bytes; in ns. No less than 0, respectively any.
    size_after, mtime_ns_after : int or None
        As far as the storage tells.
    in_place : bool
        Whether the file had several names and was changed where it stood.
    library : str
        Root of the run that changed it; empty where that is not known.
    time : str
        ISO 8601, UTC.
    seal : str
        That this user's program wrote the line; empty where it could not say so.
    """

    path: str
    undo: dict[str, str]
    format: str
    size_before: int
    mtime_ns_before: int
    size_after: int | None = None
    mtime_ns_after: int | None = None
    genres_before: tuple[str, ...] = ()
    genres_after: tuple[str, ...] = ()
    in_place: bool = False
    library: str = ""
    time: str = ""
    seal: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether this user's program wrote the line."""
        return is_sealed(_facts(self), self.seal)

    def to_line(self) -> str:
        """The line, sealed, with its line break."""
        facts = _facts(self)
        if sealed := seal(facts):
            facts["seal"] = sealed
        return f"{json.dumps({VERSION: FORMAT, **facts})}\n"


def _facts(change: Change) -> dict[str, object]:
    facts = {name: value for name, value in vars(change).items() if name != "seal"}
    return {name: value for name, value in facts.items() if value is not None}


@dataclass(frozen=True)
class Unreadable:
    """Lines of a journal that are damaged.

    Parameters
    ----------
    first : int
        Number of the first one, from 1.
    reason : str
        What is wrong with the first.
    """

    first: int
    n_lines: int
    reason: str


def read_change(line: str) -> Change:
    """Read a line of a journal.

    Raises
    ------
    RecordError
        If anything in it is not as `Change.to_line` writes it.
    """
    facts = parse(line)
    check_version(facts, FORMAT)
    change = record(Change, facts)
    if not (os.path.isabs(change.path) or "://" in change.path) or "\0" in change.path:
        raise RecordError("its path is not absolute")
    if change.size_before < 0 or (change.size_after or 0) < 0:
        raise RecordError("a size is negative")
    if {"pieces", "old_digest", "new_digest"} - change.undo.keys():
        raise RecordError("has no patch")
    return change


def read_journal(lines: Iterable[str]) -> Iterator[Change | Unreadable]:
    """Read a journal.

    Yields
    ------
    Change or Unreadable
        The changes in order, then what is to be said of damaged lines, if there are any. A last
        line that was cut off by a crash is left out: its file was not changed yet.
    """
    damaged: Unreadable | None = None
    for number, line in enumerate(lines, 1):
        try:
            yield read_change(line)
        except RecordError as error:
            if not line.endswith("\n") or not line.strip():
                continue
            damaged = (
                dataclasses.replace(damaged, n_lines=damaged.n_lines + 1)
                if damaged
                else Unreadable(number, 1, str(error))
            )
    if damaged:
        yield damaged
