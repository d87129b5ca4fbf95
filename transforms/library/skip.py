"""Skip: files that are as an earlier run left them need no work.

The state of a library is its earlier reports: the latest row of each file says how large
and how old the file was, and which model and options decided.

A file that was listened to and then moved is found again by its size and time, of which the
listing tells, and then by its fingerprint: no other file is opened for it.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.library.fingerprint import fingerprint
from transforms.library.formats import format_of
from transforms.records import AudioFacts, FileTags, Outcome, Track, printable, reason_of, with_tags
from transforms.reports.report import SCHEMA, parts_of
from transforms.storage import places
from transforms.tags.form import TagForm
from transforms.tags.header import read_header

# After these the file is as it shall be. A dry run and a failure leave work to do.
_SETTLED = ("tagged", "kept", "unchanged", "refused")
# Refused for what may change without the file: its permissions, its links.
_PASSING_STAGES = ("walk", "tag")
_ANY_FORM = TagForm()
_ROWS_AT_ONCE = 10_000
_log = logging.getLogger("genrebeam")


@dataclass(frozen=True)
class Earlier:
    """What a report says of a file, column by column.

    Parameters
    ----------
    status, stage : str
    size_bytes, mtime_ns : int
    settings : str
        Fingerprint of what decided.
    genres_after : sequence of str
        That the file had after that run.
    confidence : float or None
    title, artist, album : str or None
    duration_s, sample_rate_hz, channels, bitrate_bps
        See `AudioFacts`.
    fingerprint : str or None
    run : str
        Identifier of that run; later runs sort after earlier ones.
    """

    status: str
    stage: str
    size_bytes: int
    mtime_ns: int
    settings: str
    genres_after: Sequence[str] = ()
    confidence: float | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    bitrate_bps: int | None = None
    fingerprint: str | None = None
    run: str = ""

    def __reduce__(self) -> tuple[type[Earlier], tuple]:
        # Every file's is shuffled, so it is pickled as short and as fast as can be.
        return Earlier, tuple(vars(self).values())

    @property
    def tags(self) -> FileTags:
        """Tags of the file after that run."""
        return FileTags(self.title, self.artist, self.album, tuple(self.genres_after))

    @property
    def audio(self) -> AudioFacts:
        """What was known of its audio."""
        return AudioFacts(self.duration_s, self.sample_rate_hz, self.channels, self.bitrate_bps)

    @property
    def is_settled(self) -> bool:
        """Whether the file was as it shall be."""
        if self.status == "refused":
            return self.stage not in _PASSING_STAGES
        return self.status in _SETTLED


# Which run a row is from, where rows of many are in one part (see `compact`).
_RUN = pa.field("run", pa.string())
_COLUMNS = ("uri", *(column.name for column in dataclasses.fields(Earlier)))
_STATE = pa.schema([_RUN if name == "run" else SCHEMA.field(name) for name in _COLUMNS])


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
    for table in _tables(folder, run):
        for uri, *values in _rows(table):
            yield uri, Earlier(*values)


def _rows(table: pa.Table) -> Iterator[tuple]:
    """Values of each row, with few of them in memory at once."""
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _tables(folder: str, run: str) -> Iterator[pa.Table]:
    """Parts of a run, or of what `compact` made of many, as far as they can be read."""
    for part, open_part in places.opened(parts_of(folder)):
        try:
            with open_part() as stream:
                # Reads those columns that are there; `read_table` wants them all.
                table = pq.ParquetFile(stream).read(columns=_STATE.names)
            if "fingerprint" not in table.column_names:  # of a run before there were any
                table = table.append_column("fingerprint", pa.nulls(len(table), pa.string()))
            if _RUN.name not in table.column_names:
                runs = pa.repeat(pa.scalar(run, pa.string()), len(table))
                table = table.append_column(_RUN, runs)
            table = table.select(_STATE.names).cast(_STATE)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            name = os.path.basename(part)
            _log.warning("%s in run %s cannot be read, left out: %s", name, run, reason_of(error))
            continue
        yield table


def compact(runs: Sequence[tuple[str, str]], folder: str) -> None:
    """Write the latest row of each file as one part, for `read_earlier`.

    Runs that were ended early each have rows for all that those before them settled. In
    Arrow, the rows that do not count cost a twentieth of what they cost as elements of a graph.

    Parameters
    ----------
    runs : sequence of (str, str)
        Folder of the parts and identifier; newest first.
    folder : str
        Is made. In memory are one part at a time and the names of all files.
    """
    places.make_folder(folder)
    names: list[pa.Array] = []
    with (
        places.writing(f"{folder}/part-0.parquet") as stream,
        pq.ParquetWriter(stream, _STATE) as writer,
    ):
        for source, run in runs:
            later = pa.chunked_array(names, pa.string())
            for table in _tables(source, run):
                counts = pc.invert(pc.is_in(table["uri"], value_set=later))
                writer.write_table(table.filter(counts))
                names += table["uri"].chunks


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
    latest = _latest(earlier)
    if (
        latest is None
        or not latest.is_settled
        or latest.settings != settings
        or (latest.size_bytes, latest.mtime_ns) != (track.size_bytes, track.mtime_ns)
    ):
        return None
    return _as_before(track, latest, f"same size, time and settings as in run {latest.run}")


def _latest(earlier: Iterable[Earlier]) -> Earlier | None:
    return max(earlier, key=lambda row: row.run, default=None)


def _as_before(track: Track, earlier: Earlier, reason: str) -> Outcome:
    return Outcome(
        track=with_tags(track, earlier.tags, earlier.audio),
        status="unchanged",
        stage="skip",
        reason=reason,
        genres_after=tuple(earlier.genres_after),
        confidence=earlier.confidence,
        fingerprint=earlier.fingerprint,
    )


def size_and_time(known: Track | Earlier) -> str:
    """What files that were moved are looked up by."""
    return f"{known.size_bytes} {known.mtime_ns}"


def moved(
    track: Track, gone: Iterable[tuple[str, Earlier]], form: TagForm = _ANY_FORM
) -> Outcome | None:
    """The row of a file that an earlier run settled under another name.

    The file is only opened where there is such a name. Its genres have to be those that the
    run left: an untagged copy can have the size and time of a tagged one.

    Parameters
    ----------
    track : Track
        A file that was not known.
    gone : iterable of (str, Earlier)
        Names that are no longer listed, with the same size and time, and what was settled.
    form : TagForm
        How tags are read.

    Returns
    -------
    Outcome or None
        None where the file has to be looked at.
    """
    named_alike = [(name, row) for name, row in gone if format_of(name) == track.format]
    found = fingerprint(track.uri) if named_alike else None
    if found is None:
        return None
    try:
        tags, _ = read_header(track.uri, form)
    except Exception:  # the steps after this one say why
        return None
    # Names with the same fingerprint were the same recording: any of them will do.
    for name, row in sorted(named_alike, key=lambda item: item[0]):
        if row.fingerprint == found and row.tags.genres == tuple(map(printable, tags.genres)):
            reason = f"moved from {name}; same file and settings as in run {row.run}"
            return _as_before(track, row, reason)
    return None


class ReadEarlier(beam.DoFn):
    """Read earlier reports: (folder, run) -> (key, Earlier)."""

    def process(self, element: tuple[bytes, str]) -> Iterator[tuple[str, Earlier]]:
        folder, run = element
        return read_earlier(os.fsdecode(folder), run)


class SkipUnchanged(beam.DoFn):
    """Set files apart that need no work: (key, listed and earlier) -> Track.

    What is settled and no longer listed comes out as ``gone``: (size and time, (key, Earlier)).

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
        key, found = element
        if not any(True for _ in found["listed"]):
            latest = _latest(found["earlier"])
            settled = latest and latest.is_settled and latest.settings == self.settings
            if settled and latest.fingerprint:
                yield beam.pvalue.TaggedOutput("gone", (size_and_time(latest), (key, latest)))
            return
        for track in found["listed"]:
            outcome = unchanged(track, found["earlier"], self.settings)
            if outcome is None:
                yield track
            else:
                yield beam.pvalue.TaggedOutput("outcomes", outcome)


class SkipMoved(beam.DoFn):
    """Set moved files apart: (size and time, new and gone) -> Track.

    Parameters
    ----------
    form : TagForm
        How tags are read.
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, form: TagForm, stopping: Callable[[], bool]) -> None:
        self.form = form
        self.stopping = stopping

    def process(
        self, element: tuple[str, dict[str, Iterable]]
    ) -> Iterator[Track | beam.pvalue.TaggedOutput]:
        _, found = element
        gone = list(found["gone"])
        for track in found["new"]:
            if self.stopping():
                return
            outcome = moved(track, gone, self.form)
            if outcome is None:
                yield track
            else:
                yield beam.pvalue.TaggedOutput("outcomes", outcome)


class TakeFailed(beam.DoFn):
    """Take files whose latest row says ``failed``: (key, listed and earlier) -> Track.

    Parameters
    ----------
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping

    def process(self, element: tuple[str, dict[str, Iterable]]) -> Iterator[Track]:
        if self.stopping():
            return
        _, found = element
        latest = _latest(found["earlier"])
        if latest and latest.status == "failed":
            yield from found["listed"]
