"""Skip: files that are as an earlier run left them need no work.

The state of a library is its earlier reports: the latest row of each file says how large
and how old the file was, and which model and options decided.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.records import AudioFacts, FileTags, Outcome, Track, printable, reason_of, with_tags
from transforms.report import parts_of

# After these the file is as it shall be. A dry run and a failure leave work to do.
_SETTLED = ("tagged", "kept", "unchanged", "refused")
# Refused for what may change without the file: its permissions, its links.
_PASSING_STAGES = ("walk", "tag")
_COLUMNS = (
    "uri",
    "status",
    "stage",
    "size_bytes",
    "mtime_ns",
    "settings",
    "genres_after",
    "confidence",
    *("title", "artist", "album"),
    *("duration_s", "sample_rate_hz", "channels", "bitrate_bps"),
)

_log = logging.getLogger("genrebeam")


@dataclass(frozen=True)
class Earlier:
    """What a report says of a file.

    Parameters
    ----------
    run : str
        Identifier of that run; later runs sort after earlier ones.
    status, stage : str
    size_bytes, mtime_ns : int
    settings : str
        Fingerprint of what decided.
    confidence : float or None
    tags : FileTags
        With the genres that the file had after that run.
    audio : AudioFacts
    """

    run: str
    status: str
    stage: str
    size_bytes: int
    mtime_ns: int
    settings: str
    confidence: float | None
    tags: FileTags
    audio: AudioFacts

    @property
    def is_settled(self) -> bool:
        """Whether the file was as it shall be."""
        if self.status == "refused":
            return self.stage not in _PASSING_STAGES
        return self.status in _SETTLED


def read_earlier(folder: str, run: str) -> Iterator[tuple[str, Earlier]]:
    """Rows of an earlier run, keyed as `key_of` does.

    A part that cannot be read is left out with a warning: its files are looked at again.

    Parameters
    ----------
    folder : str
        Of the run's parts.
    run : str
        Its identifier.

    Yields
    ------
    tuple of str and Earlier
    """
    for part in parts_of(folder):
        try:
            with open(part, "rb") as stream:
                columns = pq.read_table(stream, columns=list(_COLUMNS)).select(_COLUMNS).columns
        except (pa.ArrowException, OSError) as error:
            name = os.path.basename(part)
            _log.warning("%s in run %s cannot be read, left out: %s", name, run, reason_of(error))
            continue
        for values in zip(*(column.to_pylist() for column in columns), strict=True):
            uri, status, stage, size, mtime, settings, genres, confidence = values[:8]
            yield (
                uri,
                Earlier(
                    run=run,
                    status=status,
                    stage=stage,
                    size_bytes=size,
                    mtime_ns=mtime,
                    settings=settings,
                    confidence=confidence,
                    tags=FileTags(*values[8:11], genres=tuple(genres)),
                    audio=AudioFacts(*values[11:]),
                ),
            )


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
        or not latest.is_settled
        or latest.settings != settings
        or (latest.size_bytes, latest.mtime_ns) != (track.size_bytes, track.mtime_ns)
    ):
        return None
    return Outcome(
        track=with_tags(track, latest.tags, latest.audio),
        status="unchanged",
        stage="skip",
        reason=f"same size, time and settings as in run {latest.run}",
        genres_after=latest.tags.genres,
        confidence=latest.confidence,
    )


class ReadEarlier(beam.DoFn):
    """Read earlier reports: (folder, run) -> (key, Earlier)."""

    def process(self, element: tuple[bytes, str]) -> Iterator[tuple[str, Earlier]]:
        folder, run = element
        return read_earlier(os.fsdecode(folder), run)


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
