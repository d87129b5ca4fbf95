"""Skip: files that are as an earlier run left them need no work.

The state of a library is its earlier reports: the latest row of each file says how large
and how old the file was, and which model and options decided.

A file that was analysed and then moved is found again by its size and time, of which the
listing tells, and then by its fingerprint: no other file is opened for it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.formats import format_of
from genrebeam.transforms.records import (
    AudioFacts,
    EarlierGenres,
    FileTags,
    Outcome,
    Stage,
    Status,
    Stored,
    Track,
    is_settled,
    printable,
    with_tags,
)
from genrebeam.transforms.reports.partitions import PartitionedRows, last_of_each
from genrebeam.transforms.reports.read import RUN, read_parts
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.reports.write import storable_time
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.header import read_header

_ANY_FORM = TagForm()
# How exactly file systems keep times, in ns: SMB, exFAT, many servers, FAT.
_GRAINS_NS = (100, 10_000_000, 1_000_000_000, 2_000_000_000)
_ROWS_AT_ONCE = 10_000
# Of files that have the genre that a run gave them; what is unsure or refused has its own.
_WITH_GENRE = (Status.TAGGED, Status.KEPT, Status.UNCHANGED)


@dataclass(frozen=True)
class Earlier:
    """What a report says of a file, column by column.

    Parameters
    ----------
    mtime_ns : int or None
        None where the report cannot tell it.
    settings : str
        Fingerprint of what decided.
    genres_after : sequence of str
        That the file had after that run.
    duration_s, sample_rate_hz, channels, bitrate_bps
        See `AudioFacts`.
    decided_by : str or None
        As in `genrebeam.transforms.records.Outcome`.
    dry_run : bool or None
        Whether that run was one; None where the report is too old to tell.
    run : str
        Identifier of that run; later runs sort after earlier ones.
    still_holds : bool
        Whether the file may still be as that run left it. Not after an undo, for instance: then
        the row says what the run gave the file, and settles nothing.
    """

    status: str
    stage: str
    size_bytes: int
    mtime_ns: int | None
    settings: str
    genres_after: Sequence[str] = ()
    confidence: float | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    year: int | None = None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    bitrate_bps: int | None = None
    fingerprint: str | None = None
    decided_by: str | None = None
    dry_run: bool | None = None
    run: str = ""
    still_holds: bool = True

    def __reduce__(self) -> tuple[type[Earlier], tuple]:
        # Every file's is shuffled, so it is pickled as short and as fast as can be.
        return Earlier, tuple(vars(self).values())

    @property
    def tags(self) -> FileTags:
        """Tags of the file after that run."""
        return FileTags(
            *(self.title, self.artist, self.album, tuple(self.genres_after)),
            album_artist=self.album_artist,
            year=self.year,
        )

    @property
    def given(self) -> EarlierGenres | None:
        """The genres that GenreBeam gave the file, in that run or before it."""
        if self.status not in _WITH_GENRE or self.is_by_hand or not self.genres_after:
            return None
        # Reports up to version 5 do not say it, but only what was analysed has a confidence.
        decided_by = self.decided_by or ("audio" if self.confidence is not None else None)
        if not decided_by:
            return None
        return EarlierGenres(tuple(self.genres_after), decided_by, self.fingerprint)

    @property
    def audio(self) -> AudioFacts:
        """What was known of its audio."""
        return AudioFacts(self.duration_s, self.sample_rate_hz, self.channels, self.bitrate_bps)

    @property
    def is_settled(self) -> bool:
        """Whether the file was as it shall be."""
        return is_settled(self.status, self.stage)

    @property
    def is_by_hand(self) -> bool:
        """Whether a person chose its genre, so that no model and no option changes it."""
        return self.stage == Stage.BY_HAND and self.is_settled

    def settles(self, settings: str | None) -> bool:
        """Whether a run with these settings has nothing to decide; None stands for any."""
        is_settled = self.is_settled and self.still_holds
        return is_settled and (settings in (None, self.settings) or self.is_by_hand)


_COLUMNS = ("uri", *(one.name for one in dataclasses.fields(Earlier) if one.name != "still_holds"))
# Rows of a dry run that say what the next run is to do. It leaves the file as earlier rows say.
_ANNOUNCED = pa.array([Status.WOULD_TAG.value, Status.UNSURE.value])
# What a head reads, in this order.
_INPUTS = ("class_logits", "embedding")
_STORED_FACTS = ("uri", "size_bytes", "mtime_ns", "segments_analysed")
_STORED = pa.schema([SCHEMA.field(name) for name in (*_STORED_FACTS, "status", *_INPUTS)])
_STATE = pa.schema([RUN if name == "run" else SCHEMA.field(name) for name in _COLUMNS])


def read_earlier(
    folder: str, run: str, still_holds: bool = True, within: str = ""
) -> Iterator[tuple[str, Earlier]]:
    """Rows of an earlier run, keyed as `key_of` does.

    A part that cannot be read is left out with a warning: its files are looked at again.

    Parameters
    ----------
    folder : str
        Of the run's parts.
    run : str
        Its identifier.
    still_holds : bool
        See `Earlier`.
    within : str
        A folder or a file, as reports show it: only its rows; empty for all.
    """
    for table in _tables(folder, run, within):
        for uri, *values in _rows(table):
            row = Earlier(*values)
            yield uri, row if still_holds else dataclasses.replace(row, still_holds=False)


def _rows(table: pa.Table) -> Iterator[tuple]:
    """Values of each row, with few of them in memory at once."""
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _tables(folder: str, run: str, within: str = "") -> Iterator[pa.Table]:
    """Parts of a run, or of what `compact` made of many, as far as they can be read."""
    for table in read_parts(folder, _STATE):
        place = table.column_names.index(RUN.name)
        table = table.set_column(place, RUN, pc.fill_null(table[RUN.name], run))
        if within:
            below = pc.starts_with(table["uri"], f"{within}/")
            table = table.filter(pc.or_(pc.equal(table["uri"], within), below))
        is_dry = pc.fill_null(table["dry_run"], False)
        yield table.filter(pc.invert(pc.and_(is_dry, pc.is_in(table["status"], _ANNOUNCED))))


def read_stored(folder: str, run: str) -> Iterator[tuple[str, Stored]]:
    """What an earlier run has stored of tracks, keyed as `key_of` does.

    Parameters
    ----------
    folder, run : str
        See `read_earlier`.

    Yields
    ------
    tuple of str and Stored
    """
    for table in read_parts(folder, _STORED):
        # Whether it is music, more classes decide than are stored.
        decided = pc.not_equal(table["status"], Status.REFUSED.value)
        known = pc.and_(pc.is_valid(table["embedding"]), pc.is_valid(table["class_logits"]))
        for batch in table.filter(pc.and_(decided, known)).to_batches(_ROWS_AT_ONCE):
            if len(batch):
                inputs = np.hstack([_matrix(batch[name]) for name in _INPUTS]).astype("<f2")
                facts = (batch[name].to_pylist() for name in _STORED_FACTS)
                for row, uri, size_bytes, mtime_ns, n_segments in zip(inputs, *facts, strict=True):
                    yield uri, Stored(run, size_bytes, mtime_ns, n_segments, row.tobytes())


def _matrix(column: pa.Array) -> np.ndarray:
    """Lists of the same length as rows."""
    return column.flatten().to_numpy().reshape(len(column), -1)


def compact(runs: Sequence[tuple[str, str, str]], folder: str, workplace: str) -> None:
    """Write the latest row of each file, for `read_earlier`.

    Runs that were ended early each have rows for all that those before them settled. In
    Arrow, the rows that do not count cost a twentieth of what they cost as elements of a graph.

    Parameters
    ----------
    runs : sequence of (str, str, str)
        Folder of the parts, identifier, and what is read of it (see `read_earlier`).
    folder : str
        Is made.
    workplace : str
        Local folder with room for what does not stay in memory.
    """
    storage = storage_of(folder)
    storage.make_folder(folder)
    tables = itertools.chain.from_iterable(itertools.starmap(_tables, runs))
    for number, piece in enumerate(PartitionedRows(tables, _STATE, workplace)):
        with storage.writing(f"{folder}/part-{number}.parquet") as stream:
            pq.write_table(last_of_each(piece, ["uri"], RUN.name), stream)


def key_of(track: Track) -> str:
    """What tracks and earlier rows are matched by."""
    return printable(track.uri)


def unchanged(track: Track, earlier: Iterable[Earlier], settings: str | None) -> Outcome | None:
    """The row of a file that needs no work.

    Parameters
    ----------
    track : Track
        As listed now.
    earlier : iterable of Earlier
        In any order.
    settings : str or None
        Fingerprint of what would decide now; with None, all earlier decisions stay.

    Returns
    -------
    Outcome or None
        None where the file has to be looked at.
    """
    latest = _latest(earlier)
    if latest is None or not latest.settles(settings):
        return None
    if latest.size_bytes == track.size_bytes and is_same_time(latest.mtime_ns, track.mtime_ns):
        return _as_before(track, latest, f"same size, time and settings as in run {latest.run}")
    if latest.is_by_hand and latest.tags.genres == _genres_in(track):
        return _as_before(track, latest, "")
    return None


def _genres_in(track: Track, form: TagForm = _ANY_FORM) -> tuple[str, ...] | None:
    """The genres that a file has now, as a report shows them; None if it cannot be read."""
    try:
        tags, _ = read_header(track.uri, form)
    except Exception:  # the steps after this one say why
        return None
    return tuple(map(printable, tags.genres))


def is_same_time(noted_ns: int | None, listed_ns: int) -> bool:
    """Whether a file's time is the one noted, as its file system keeps it.

    Right after a file was written, its time can be reported more exactly than it is kept.
    Times that a report cannot tell are all the same.

    Examples
    --------
    >>> is_same_time(1_700_000_000_123_456_789, 1_700_000_000_123_456_700)
    True
    >>> is_same_time(1_700_000_000_123_456_789, 1_700_000_000_123_456_701)
    False
    """
    if noted_ns is None or storable_time(listed_ns) is None:
        return noted_ns == storable_time(listed_ns)
    return noted_ns == listed_ns or any(
        listed_ns % grain == 0 and abs(listed_ns - noted_ns) < grain for grain in _GRAINS_NS
    )


def _latest(earlier: Iterable[Earlier]) -> Earlier | None:
    return max(earlier, key=lambda row: row.run, default=None)


def _given(earlier: Iterable[Earlier]) -> EarlierGenres | None:
    """The genres that GenreBeam was the last to give a file, unless a person chose since."""
    for row in sorted(earlier, key=lambda row: row.run, reverse=True):
        if row.is_by_hand or row.given:
            return row.given
    return None


def _as_before(track: Track, earlier: Earlier, reason: str) -> Outcome:
    return Outcome(
        track=with_tags(track, earlier.tags, earlier.audio),
        status=Status.UNCHANGED,
        stage=Stage.BY_HAND if earlier.is_by_hand else Stage.SKIP,
        reason="a person chose its genre" if earlier.is_by_hand else reason,
        genres_after=tuple(earlier.genres_after),
        confidence=earlier.confidence,
        fingerprint=earlier.fingerprint,
        decided_by=earlier.given.decided_by if earlier.given else None,
    )


def size_and_time(known: Track | Earlier) -> str:
    """What files that were moved are looked up by."""
    time_ns = None if known.mtime_ns is None else storable_time(known.mtime_ns)
    return f"{known.size_bytes} {time_ns}"


def moved(
    track: Track, gone: Iterable[Gone], settings: str | None, form: TagForm = _ANY_FORM
) -> Track | Outcome:
    """A file that an earlier run knew under another name.

    The file is only opened where there is such a name. Its genres have to be those that the
    run left: an untagged copy can have the size and time of a tagged one.

    Parameters
    ----------
    track : Track
        A file that was not known.
    gone : iterable of Gone
        Files of the same size and time that are no longer listed.
    settings : str or None
        See `unchanged`.

    Returns
    -------
    Track or Outcome
        Its row where that run settled it; else the file, which knows what it was given.
    """
    named_alike = [old for old in gone if format_of(old.name) == track.format]
    found = fingerprint(track.uri) if named_alike else None
    if found is None:
        return track
    same = [old for old in named_alike if old.earlier.fingerprint == found]
    genres = _genres_in(track, form) if same else None
    # Names with the same fingerprint were the same recording: any of them will do.
    for old in sorted(same, key=lambda old: old.name):
        row = old.earlier
        if row.tags.genres == genres:
            if not row.settles(settings):
                return dataclasses.replace(track, given=row.given)
            reason = f"moved from {old.name}; same file and settings as in run {row.run}"
            return _as_before(track, row, reason)
    return track


@dataclass(frozen=True)
class Gone:
    """A file that an earlier run knew, and that is no longer listed."""

    name: str
    earlier: Earlier


def skip_unchanged(
    name: str,
    listed: Iterable[Track],
    earlier: Iterable[Earlier],
    settings: str | None,
    stored: Iterable[Stored] = (),
) -> Iterator[Track | Outcome | Gone]:
    """Set a file apart that needs no work.

    Parameters
    ----------
    name : str
        What `key_of` gives.
    listed : iterable of Track
        The file, if there is one of this name.
    earlier : iterable of Earlier
        What runs said of it, in any order.
    settings : str or None
        See `unchanged`.
    stored : iterable of Stored
        What runs have stored of it, in any order.

    Yields
    ------
    Track, Outcome or Gone
        The file where it has to be looked at, else its row; what is gone only where it could be
        found again under another name.
    """
    earlier = list(earlier)
    given = _given(earlier)
    is_listed = False
    for track in listed:
        is_listed = True
        known = unchanged(track, earlier, settings)
        yield known or dataclasses.replace(track, given=given, stored=_stored_of(track, stored))
    latest = _latest(earlier)
    if not is_listed and latest and latest.is_settled and latest.fingerprint:
        yield Gone(name, latest)


def _stored_of(track: Track, stored: Iterable[Stored]) -> Stored | None:
    """The latest that was stored of the file as it is now."""
    same = [
        one
        for one in stored
        if one.size_bytes == track.size_bytes and is_same_time(one.mtime_ns, track.mtime_ns)
    ]
    return max(same, key=lambda one: one.run, default=None)


def skip_moved(
    new: Iterable[Track],
    gone: Iterable[Gone],
    settings: str | None,
    form: TagForm = _ANY_FORM,
) -> Iterator[Track | Outcome]:
    """Set files apart that were moved.

    Parameters
    ----------
    new : iterable of Track
        Files of one size and time that were not known.
    gone : iterable of Gone
        Files of the same size and time that were.
    settings : str or None
        See `unchanged`.

    Yields
    ------
    Track or Outcome
        The file where it has to be looked at, else its row.
    """
    gone = list(gone)
    for track in new:
        yield moved(track, gone, settings, form)


def take_failed(listed: Iterable[Track], earlier: Iterable[Earlier]) -> Iterator[Track]:
    """Take a file whose latest row says ``failed``."""
    latest = _latest(earlier)
    if latest is not None and latest.status == Status.FAILED:
        yield from listed
