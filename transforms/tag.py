"""Tag: read a file's genre, and write another one without touching anything else.

One table, `_FAMILIES`, maps the genre to each format's field; mutagen reads and writes it.
A file is never written in place: a copy beside it gets the genre, is read back and
compared, and takes the file's place in one step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import mutagen
from mutagen.aiff import AIFF
from mutagen.apev2 import APETextValue, APEv2, APEv2File
from mutagen.asf import ASF
from mutagen.dsf import DSF
from mutagen.flac import FLAC, VCFLACDict
from mutagen.flac import Padding as FLACPadding
from mutagen.id3 import TCON, ID3FileType, ID3Tags
from mutagen.mp4 import MP4
from mutagen.ogg import OggFileType
from mutagen.wave import WAVE

from transforms.records import (
    AudioFacts,
    Decision,
    FileTags,
    Outcome,
    Refusal,
    Track,
    TrackError,
    dropped,
    with_tags,
)

EXISTING = ("keep", "merge", "replace")
_TEMPORARY = ".genrebeam-"
_MUTAGEN_GENRE_NONE = 255


class TagReadError(TrackError):
    """A file whose tags cannot be read."""


class TagWriteError(TrackError):
    """A file whose genre cannot be written; it is as it was before."""


class HardLinked(Refusal):
    """A file with several names: replacing one of them would part it from the others."""


class NoTagField(Refusal):
    """A container that has no place for a genre."""


@dataclass(frozen=True)
class TagPolicy:
    """What may be written.

    Parameters
    ----------
    existing : {"keep", "merge", "replace"}
        What happens to a genre that is there already.
    dry_run : bool
        Write nothing.
    """

    existing: str = "keep"
    dry_run: bool = False

    def plan(self, current: Sequence[str], decided: Sequence[str]) -> tuple[str, ...]:
        """Genres that the file shall have.

        Examples
        --------
        >>> TagPolicy("merge").plan(["rock", "Live"], ["Rock", "Metal"])
        ('rock', 'Live', 'Metal')
        """
        if not current or self.existing == "replace":
            return tuple(decided)
        if self.existing == "keep":
            return tuple(current)
        known = {genre.casefold() for genre in current}
        return (*current, *(genre for genre in decided if genre.casefold() not in known))


# --- one family of tag formats each --------------------------------------------------


@dataclass(frozen=True)
class _Family:
    """How a family of formats holds its tags.

    Parameters
    ----------
    kinds : tuple of type
        mutagen's classes.
    text : dict
        Title, artist and album to their keys.
    genres : callable
        Tags to the genres as a player shows them.
    raw_genres : callable
        Tags to the genre field's values as they are stored.
    set_genres : callable
        Puts genres into the tags.
    others : callable
        File to everything in its tags but the genre, to be compared.
    """

    kinds: tuple[type, ...]
    text: dict[str, str]
    genres: Callable[[Any], list[str]]
    raw_genres: Callable[[Any], list[str]]
    set_genres: Callable[[Any, Sequence[str]], None]
    others: Callable[[Any], Any]


def _id3_genres(tags: ID3Tags) -> list[str]:
    return [genre for frame in tags.getall("TCON") for genre in frame.genres]


def _id3_raw_genres(tags: ID3Tags) -> list[str]:
    return [str(text) for frame in tags.getall("TCON") for text in frame.text]


def _id3_set_genres(tags: ID3Tags, genres: Sequence[str]) -> None:
    latin = all(genre.isascii() for genre in genres)
    tags.setall("TCON", [TCON(encoding=0 if latin else 3, text=list(genres))])


def _id3_others(file: Any) -> dict[str, Any]:
    return _frames(file.tags) if file.tags is not None else {}


def _frames(tags: ID3Tags) -> dict[str, Any]:
    """Frames by key; how a text is encoded is not what it says."""
    return {
        key: {
            name: _frames(value) if isinstance(value, ID3Tags) else value
            for name, value in vars(frame).items()
            if name != "encoding"
        }
        for key, frame in tags.items()
        if key != "TCON"
    }


def _vorbis_genres(tags: Any) -> list[str]:
    return list(tags.get("genre", []))


def _vorbis_set_genres(tags: Any, genres: Sequence[str]) -> None:
    tags["GENRE"] = list(genres)


def _vorbis_others(file: Any) -> Any:
    comments = [(key, value) for key, value in file.tags or [] if key.casefold() != "genre"]
    blocks = [
        block.write()
        for block in getattr(file, "metadata_blocks", [])
        if not isinstance(block, VCFLACDict | FLACPadding)
    ]
    return comments, blocks


def _mp4_genres(tags: Any) -> list[str]:
    return list(tags.get("\xa9gen", []))


def _mp4_set_genres(tags: Any, genres: Sequence[str]) -> None:
    tags["\xa9gen"] = list(genres)


def _mp4_others(file: Any) -> Any:
    return {key: value for key, value in (file.tags or {}).items() if key != "\xa9gen"}


def _asf_genres(tags: Any) -> list[str]:
    return [str(value) for value in tags.get("WM/Genre", [])]


def _asf_set_genres(tags: Any, genres: Sequence[str]) -> None:
    tags["WM/Genre"] = list(genres)


def _asf_others(file: Any) -> Any:
    return [
        (key, type(value).__name__, value.value, value.language, value.stream)
        for key, value in file.tags or []
        if key != "WM/Genre"
    ]


def _ape_genres(tags: APEv2) -> list[str]:
    return [str(value) for value in tags.get("Genre", [])]


def _ape_set_genres(tags: APEv2, genres: Sequence[str]) -> None:
    tags["Genre"] = list(genres)


def _ape_others(file: Any) -> Any:
    return {
        key: (value.kind, value.value)
        for key, value in (file.tags or {}).items()
        if key.casefold() != "genre"
    }


_VORBIS_TEXT = {"title": "title", "artist": "artist", "album": "album"}
_FAMILIES = (
    _Family(
        kinds=(ID3FileType, WAVE, AIFF, DSF),
        text={"title": "TIT2", "artist": "TPE1", "album": "TALB"},
        genres=_id3_genres,
        raw_genres=_id3_raw_genres,
        set_genres=_id3_set_genres,
        others=_id3_others,
    ),
    _Family(
        kinds=(FLAC, OggFileType),
        text=_VORBIS_TEXT,
        genres=_vorbis_genres,
        raw_genres=_vorbis_genres,
        set_genres=_vorbis_set_genres,
        others=_vorbis_others,
    ),
    _Family(
        kinds=(MP4,),
        text={"title": "\xa9nam", "artist": "\xa9ART", "album": "\xa9alb"},
        genres=_mp4_genres,
        raw_genres=_mp4_genres,
        set_genres=_mp4_set_genres,
        others=_mp4_others,
    ),
    _Family(
        kinds=(ASF,),
        text={"title": "Title", "artist": "Author", "album": "WM/AlbumTitle"},
        genres=_asf_genres,
        raw_genres=_asf_genres,
        set_genres=_asf_set_genres,
        others=_asf_others,
    ),
    _Family(
        kinds=(APEv2File,),
        text={"title": "Title", "artist": "Artist", "album": "Album"},
        genres=_ape_genres,
        raw_genres=_ape_genres,
        set_genres=_ape_set_genres,
        others=_ape_others,
    ),
)


def _family_of(path: str, file: Any) -> _Family:
    for family in _FAMILIES:
        if isinstance(file, family.kinds):
            return family
    raise NoTagField(path, f"{type(file).__name__} files have no place for a genre")


# --- reading --------------------------------------------------------------------------


def read_header(path: str) -> tuple[FileTags, AudioFacts]:
    """Read a file's tags and audio facts without decoding it.

    Parameters
    ----------
    path : str

    Returns
    -------
    tags : FileTags
    audio : AudioFacts

    Raises
    ------
    TagReadError
        If it is empty or no audio file that mutagen knows.
    NoTagField
        If its container holds no tags.
    OSError
        If it cannot be opened.
    """
    file = _open(path)
    info = file.info
    audio = AudioFacts(
        duration_s=_positive(getattr(info, "length", None)),
        sample_rate_hz=_positive(getattr(info, "sample_rate", None)),
        channels=_positive(getattr(info, "channels", None)),
        bitrate_bps=_positive(getattr(info, "bitrate", None)),
    )
    family = _family_of(path, file)
    if file.tags is None:
        return FileTags(), audio
    texts = {name: _first_text(file.tags, key) for name, key in family.text.items()}
    genres = [genre.strip() for genre in family.genres(file.tags)]
    return FileTags(**texts, genres=tuple(filter(None, genres))), audio


def _open(path: str) -> Any:
    with open(path, "rb") as stream:
        if not stream.read(1):
            raise TagReadError(path, "empty file")
    try:
        file = mutagen.File(path)
    except mutagen.MutagenError as error:
        raise TagReadError(path, _reason(error, path)) from error
    if file is None:
        raise TagReadError(path, "not an audio file of a known format")
    return file


def _reason(error: Exception, path: str) -> str:
    """mutagen's message, without the path that some of them begin with."""
    return str(error).replace(repr(path), "").strip() or type(error).__name__


def _positive(value: float | None) -> Any:
    return value if value and value > 0 else None


def _first_text(tags: Any, key: str) -> str | None:
    value = tags.get(key)
    if value is None:
        return None
    values = getattr(value, "text", value)
    if isinstance(values, APETextValue):
        values = list(values)
    values = values if isinstance(values, list | tuple) else [values]
    text = str(values[0]).strip() if values else ""
    return text or None


# --- writing --------------------------------------------------------------------------


def check_writable(path: str) -> None:
    """Refuse a file that may not be written, before any work on it.

    A protected file is left alone, though replacing it would need permission on its
    folder only.

    Parameters
    ----------
    path : str

    Raises
    ------
    TagWriteError, HardLinked, OSError
    """
    real = os.path.realpath(path)
    facts = os.stat(real)
    if not os.access(real, os.W_OK):
        raise TagWriteError(path, "no write permission on the file")
    if not os.access(os.path.dirname(real), os.W_OK | os.X_OK):
        raise TagWriteError(path, "no write permission on its folder")
    if facts.st_nlink > 1:
        raise HardLinked(path, f"has {facts.st_nlink} hard links, which writing would part")


def write_genres(
    track: Track, genres: Sequence[str], journal: Callable[[dict[str, Any]], None]
) -> Track:
    """Give a file its genres, atomically.

    Parameters
    ----------
    track : Track
        As it was listed and read.
    genres : sequence of str
    journal : callable
        Called with what is about to change, before it does.

    Returns
    -------
    Track
        With the size and time of the file as written.

    Raises
    ------
    TagWriteError, HardLinked, NoTagField, OSError
        The file is as it was before.
    """
    path = track.uri
    real = os.path.realpath(path)
    check_writable(path)
    before = os.stat(real)
    if (before.st_size, before.st_mtime_ns) != (track.size_bytes, track.mtime_ns):
        if read_header(path)[0].genres == tuple(genres):
            # A retry, or another run, was here first: the state that was asked for.
            return _restat(track, before)
        raise TagWriteError(path, "changed while it was being heard")
    with _copy_beside(real, track.format) as copy:
        raw_before = _set_genres(path, copy, genres)
        shutil.copystat(real, copy)
        os.utime(copy)
        _keep_owner(copy, before)
        _sync(copy)
        after = os.stat(copy)
        now = os.stat(real)
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (
            before.st_ino,
            before.st_size,
            before.st_mtime_ns,
        ):
            raise TagWriteError(path, "changed while it was being tagged")
        journal(
            {
                "path": real,
                "format": track.format,
                "genres_before": raw_before,
                "genres_after": list(genres),
                "size_before": before.st_size,
                "mtime_ns_before": before.st_mtime_ns,
                "size_after": after.st_size,
                "mtime_ns_after": after.st_mtime_ns,
            }
        )
        os.replace(copy, real)
        _sync(os.path.dirname(real))
    return _restat(track, after)


def _restat(track: Track, facts: os.stat_result) -> Track:
    return dataclasses.replace(track, size_bytes=facts.st_size, mtime_ns=facts.st_mtime_ns)


@contextlib.contextmanager
def _copy_beside(real: str, format: str) -> Iterator[str]:
    handle, copy = tempfile.mkstemp(
        prefix=_TEMPORARY, suffix=f".{format}", dir=os.path.dirname(real)
    )
    os.close(handle)
    try:
        shutil.copyfile(real, copy)
        yield copy
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(copy)


def _set_genres(path: str, copy: str, genres: Sequence[str]) -> list[str]:
    """Write genres into a copy and make sure that nothing else in its tags differs."""
    try:
        file = mutagen.File(copy)
        family = _family_of(path, file)
        save: Callable[[], None] = file.save
        if family.set_genres is _id3_set_genres:
            file, save = _open_id3(copy, type(file))
        if file.tags is None:
            file.add_tags()
        others = family.others(file)
        raw_before = family.raw_genres(file.tags)
        family.set_genres(file.tags, genres)
        save()
        written = mutagen.File(copy)
        if family.set_genres is _id3_set_genres:
            written, _ = _open_id3(copy, type(written))
    except mutagen.MutagenError as error:
        raise TagWriteError(path, _reason(error, copy)) from error
    if tuple(family.genres(written.tags)) != tuple(genres):
        raise TagWriteError(path, f"{family.genres(written.tags)} was read back as its genre")
    if family.others(written) != others:
        raise TagWriteError(path, "other tags would not survive the writing")
    return raw_before


def _open_id3(copy: str, kind: type) -> tuple[Any, Callable[[], None]]:
    """Open ID3 tags so that frames and version stay as they are.

    mutagen would turn every frame into its ID3v2.4 form. ID3v2.2 cannot be written by it:
    such tags become v2.3, the nearest version that players know as well.
    """
    with open(copy, "rb") as stream:
        stream.seek(max(0, os.path.getsize(copy) - 128))
        trailer = stream.read()
    has_v1 = len(trailer) == 128 and trailer.startswith(b"TAG") and issubclass(kind, ID3FileType)
    # Fields that only ID3v1 has are taken over where there is no ID3v2 tag yet: players
    # that see one no longer look at the other.
    file = kind(copy, translate=False, load_v1=True)
    if has_v1 and file.tags is not None and file.tags.version >= (2, 2):
        file = kind(copy, translate=False, load_v1=False)
    old = file.tags is not None and file.tags.version[:2] in ((2, 2), (2, 3))

    def save() -> None:
        file.save(v2_version=3 if old else 4, v23_sep=None)
        if has_v1:
            _restore_id3v1(copy, trailer, _id3_genres(file.tags))

    return file, save


def _restore_id3v1(copy: str, trailer: bytes, genres: Sequence[str]) -> None:
    """mutagen rewrites all of ID3v1 from ID3v2; only its genre may change."""
    number = _MUTAGEN_GENRE_NONE
    if genres and genres[0] in TCON.GENRES:
        number = TCON.GENRES.index(genres[0])
    with open(copy, "r+b") as stream:
        stream.seek(-128, os.SEEK_END)
        if stream.read(3) == b"TAG":
            stream.seek(-128, os.SEEK_END)
            stream.write(trailer[:-1] + bytes([number]))


def _keep_owner(copy: str, facts: os.stat_result) -> None:
    made = os.stat(copy)
    if (made.st_uid, made.st_gid) != (facts.st_uid, facts.st_gid):
        os.chown(copy, facts.st_uid, facts.st_gid)
        # A change of owner clears the set-id bits.
        os.chmod(copy, stat.S_IMODE(facts.st_mode))


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- Beam -----------------------------------------------------------------------------


class ReadTags(beam.DoFn):
    """Read headers; a file whose genre is kept goes no further: Track -> Track.

    Parameters
    ----------
    policy : TagPolicy
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, policy: TagPolicy, stopping: Callable[[], bool]) -> None:
        self.policy = policy
        self.stopping = stopping

    def process(self, track: Track) -> Iterator[Track | beam.pvalue.TaggedOutput]:
        if self.stopping():
            return
        try:
            track = with_tags(track, *read_header(track.uri))
            if track.tags.genres and self.policy.existing == "keep":
                yield beam.pvalue.TaggedOutput("outcomes", kept(track))
                return
            if not self.policy.dry_run:
                check_writable(track.uri)
        except Exception as error:  # whatever a file does to its reader is a row
            stage = "tag" if isinstance(error, TagWriteError | HardLinked) else "read_tags"
            yield beam.pvalue.TaggedOutput("outcomes", dropped(track, stage, error))
            return
        yield track


def kept(track: Track) -> Outcome:
    """The row of a file whose genre stays as it is."""
    return Outcome(
        track=track,
        status="kept",
        stage="read_tags",
        reason="has a genre already",
        genres_after=track.tags.genres,
    )


def tag(
    decision: Decision, policy: TagPolicy, journal: Callable[[dict[str, Any]], None]
) -> Outcome:
    """Write a decision into its file.

    Parameters
    ----------
    decision : Decision
    policy : TagPolicy
    journal : callable
        See `write_genres`.

    Returns
    -------
    Outcome
    """
    track, current = decision.track, decision.track.tags.genres
    outcome = Outcome(
        track=track,
        status="refused",
        stage="vote",
        reason=decision.reason,
        genres_after=current,
        decision=decision,
    )
    if not decision.genres:
        return outcome
    planned = policy.plan(current, decision.genres)
    outcome = dataclasses.replace(outcome, stage="tag")
    if planned == current:
        return dataclasses.replace(
            outcome, status="unchanged", reason=f"has this genre already ({decision.reason})"
        )
    if policy.dry_run:
        return dataclasses.replace(outcome, status="would_tag", genres_after=planned)
    started = time.perf_counter()
    try:
        written = write_genres(track, planned, journal)
    except Exception as error:  # whatever a file does to its writer is a row
        return dataclasses.replace(dropped(track, "tag", error), decision=decision)
    return dataclasses.replace(
        outcome,
        track=written,
        status="tagged",
        genres_after=planned,
        write_seconds=time.perf_counter() - started,
    )


class Tag(beam.DoFn):
    """Write genres: Decision -> Outcome.

    Parameters
    ----------
    policy : TagPolicy
    journal : callable
        See `write_genres`.
    """

    def __init__(self, policy: TagPolicy, journal: Callable[[dict[str, Any]], None]) -> None:
        self.policy = policy
        self.journal = journal

    def process(self, decision: Decision) -> Iterator[Outcome]:
        yield tag(decision, self.policy, self.journal)
