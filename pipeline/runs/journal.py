"""The journal of a run: every change, recorded before it happens."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass

from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.strict import VERSION, RecordError, check_version, parse, record
from genrebeam.transforms.tags.change import Change, Unreadable, read_journal


class Journal:
    """Records changes before they happen, one JSON line each.

    Parameters
    ----------
    path : str
        In a bucket, a folder of that name without its ending, with one object for each line.
    home : str, optional
        The report folder: no link below it is followed.
    """

    def __init__(self, path: str, home: str | None = None) -> None:
        self.path = path
        self.home = home

    def lines(self) -> Iterator[str]:
        """The lines so far; none if there is no journal."""
        return storage_of(self.path).lines(self.path)

    def changes(self) -> Iterator[Change | Unreadable]:
        """What the run has changed, or was about to; see `read_journal`."""
        return read_journal(self.lines())

    def __call__(self, change: Change) -> None:
        self.append(dataclasses.replace(change, time=now()).to_line())

    def append(self, line: str) -> None:
        """Append a line."""
        # Undecodable bytes of paths are ``\\udcxx`` escapes, as `os.fsdecode` has them.
        storage_of(self.path).append(self.path, line.encode("ascii"), self.home)


NOTE_FORMAT = 1


@dataclass(frozen=True)
class Note:
    """A line of a run's list of what was undone.

    Parameters
    ----------
    path : str
        As the journal has it.
    found_at : str
        Where the file was by then.
    time : str
        ISO 8601, UTC.
    status : {"restored", "as_before", "changed", "gone"}
        See `genrebeam.pipeline.runs.undo.Undone`; what failed is not noted.
    """

    path: str
    found_at: str
    time: str
    status: str = "restored"

    def to_line(self) -> str:
        """The line with its line break."""
        return f"{json.dumps({VERSION: NOTE_FORMAT, **vars(self)})}\n"


def read_notes(journal: Journal) -> Iterator[Note]:
    """What was undone of a run; damaged lines are left out."""
    for line in journal.lines():
        try:
            facts = parse(line)
            check_version(facts, NOTE_FORMAT)
            yield record(Note, facts)
        except RecordError:
            continue


def now() -> str:
    """The present time for manifests and journals: ISO 8601, UTC, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
