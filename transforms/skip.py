"""Skip: files that are as an earlier run left them need no work.

The state of a library is its earlier reports: the latest row of each file says how large
and how old the file was, and which model and options decided.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow.parquet as pq

from transforms.records import FileTags, Outcome, Track
from transforms.report import printable

# After these the file is as it shall be. A dry run and a failure leave work to do.
_SETTLED = ("tagged", "kept", "unchanged", "refused")


@dataclass(frozen=True)
class Earlier:
    """What the latest report says of a file.

    Parameters
    ----------
    run : str
        Identifier of that run; later runs sort after earlier ones.
    status : str
    size_bytes, mtime_ns : int
    genres : tuple of str
    settings : str
        Fingerprint of what decided.
    """

    run: str
    status: str
    size_bytes: int
    mtime_ns: int
    genres: tuple[str, ...]
    settings: str


def read_earlier(folder: str, run: str) -> Iterator[tuple[str, Earlier]]:
    """Rows of an earlier run, keyed as `key_of` does.

    Parameters
    ----------
    folder : str
        The run's folder.
    run : str
        Its identifier.

    Yields
    ------
    tuple of str and Earlier
    """
    columns = ["uri", "status", "size_bytes", "mtime_ns", "genres_after", "settings"]
    for name in sorted(os.listdir(folder)):
        if not (name.startswith("part-") and name.endswith(".parquet")):
            continue
        table = pq.read_table(os.path.join(folder, name), columns=columns, partitioning=None)
        for uri, status, size, mtime, genres, settings in zip(
            *(column.to_pylist() for column in table.columns), strict=True
        ):
            yield uri, Earlier(run, status, size, mtime, tuple(genres), settings)


def key_of(track: Track) -> str:
    """What tracks and earlier rows are matched by."""
    return printable(track.uri)


def unchanged(track: Track, earlier: Iterable[Earlier], settings: str) -> Outcome | None:
    """The row of a file that needs no work.

    Parameters
    ----------
    track : Track
        As listed now.
    earlier : iterable of Earlier
        In any order.
    settings : str
        Fingerprint of what would decide now.

    Returns
    -------
    Outcome or None
        None where the file has to be looked at.
    """
    latest = max(earlier, key=lambda row: row.run, default=None)
    if (
        latest is None
        or latest.status not in _SETTLED
        or latest.settings != settings
        or (latest.size_bytes, latest.mtime_ns) != (track.size_bytes, track.mtime_ns)
    ):
        return None
    return Outcome(
        track=Track(**{**vars(track), "tags": FileTags(genres=latest.genres)}),
        status="unchanged",
        stage="skip",
        reason=f"same size, time and settings as in run {latest.run}",
        genres_after=latest.genres,
    )


class ReadEarlier(beam.DoFn):
    """Read earlier reports: (folder, run) -> (key, Earlier)."""

    def process(self, element: tuple[str, str]) -> Iterator[tuple[str, Earlier]]:
        return read_earlier(*element)


class SkipUnchanged(beam.DoFn):
    """Set files apart that need no work: (key, listed and earlier) -> Track.

    Parameters
    ----------
    settings : str
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, settings: str, stopping: Callable[[], bool]) -> None:
        self.settings = settings
        self.stopping = stopping

    def process(
        self, element: tuple[str, dict[str, Iterable]]
    ) -> Iterator[Track | beam.pvalue.TaggedOutput]:
        if self.stopping():
            return
        _, found = element
        for track in found["listed"]:
            outcome = unchanged(track, found["earlier"], self.settings)
            if outcome is None:
                yield track
            else:
                yield beam.pvalue.TaggedOutput("outcomes", outcome)
