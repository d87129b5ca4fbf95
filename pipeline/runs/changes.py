"""Changes: which changes of which runs to undo.

For each changed file a run's journal has a line and its report a row. Together they say which file
it was, its album, and its size after the change.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.runs.run import Run, find_run, runs_of
from genrebeam.transforms.records import printable
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.storage.local import open_regular
from genrebeam.transforms.tags.patch import digest
from genrebeam.transforms.tags.undo import read_journal

Entry = dict[str, Any]


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
    """

    run: str | None = None
    since: datetime.datetime | None = None
    tracks: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()
    _digests: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_all(self) -> bool:
        """Whether all changes of a run are chosen."""
        return not (self.tracks or self.albums)

    def find(self, report: str) -> list[tuple[Run, list[Entry]]]:
        """The chosen runs, the latest first, each with its chosen changes.

        Parameters
        ----------
        report : str
            The report folder.

        Raises
        ------
        UsageError
            If there is no such run, or none of the chosen files was changed.
        OSError
        """
        if self.since is None and (self.run is not None or self.is_all):
            run = find_run(report, self.run)
            found = [(run, self._of(run))]
        else:
            found = list(self._search(report))
        if not any(entries for _, entries in found) and not (self.is_all and self.run):
            raise UsageError(f"{report}: {self._nothing()}")
        return found

    def _search(self, report: str) -> Iterator[tuple[Run, list[Entry]]]:
        try:
            runs = runs_of(report)
        except OSError as error:
            raise UsageError(f"{report}: cannot be read ({error.strerror})") from error
        for run in reversed(runs):
            if self.since is not None and began(run) < self.since:
                return
            entries = self._of(run)
            if entries:
                yield run, entries
                if self.since is None:
                    return

    def _of(self, run: Run) -> list[Entry]:
        entries = list(read_journal(run.journal.lines()))
        needs_rows = self.albums or any("size_after" not in entry for entry in entries)
        paths = {printable(entry["path"]) for entry in entries if "path" in entry}
        rows = _rows(run, paths) if needs_rows else {}
        found = []
        for entry in entries:
            row = rows.get(printable(entry.get("path", "")), {})
            # Journals of early versions lack the size after the change.
            entry.setdefault("size_after", row.get("size_bytes"))
            if "unreadable" in entry:
                if self.is_all:
                    found.append(entry)
            elif self._is_track(entry) and self._is_album(row):
                found.append(entry)
        return found

    def _is_track(self, entry: Entry) -> bool:
        path = entry["path"]
        for track in self.tracks:
            if path == track or path.startswith(f"{track.rstrip('/')}/"):
                return True
            if self._digest(track) == entry["undo"]["new_digest"]:
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
