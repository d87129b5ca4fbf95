"""The header of a file: its tags and audio facts are read, genre and mood are written.

mutagen opens the file; its format knows where the genre is (see ``formats/``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import mutagen
from mutagen.apev2 import APEBadItemError

from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.pool_worker import LimitExceeded, Limits
from genrebeam.transforms.formats import format_of as extension_of
from genrebeam.transforms.records import (
    AudioFacts,
    FileTags,
    NoTagField,
    TagReadError,
    TagWriteError,
    TrackError,
    reason_of,
)
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.tags.edges import (
    DAMAGE,
    Tag,
    Window,
    foreign,
    in_enhanced_id3v1,
    looks_like_id3v1,
    set_aside,
)
from genrebeam.transforms.tags.formats import KINDS, Bare, format_of
from genrebeam.transforms.tags.formats.chunks import missing_sizes, write_sizes
from genrebeam.transforms.tags.formats.format import (
    CONFIDENCE,
    MODEL,
    MOOD,
    RIFF_JOINT,
    Format,
    TagForm,
)
from genrebeam.transforms.tags.formats.mapping import values_of
from genrebeam.transforms.tags.untaggable import why_untaggable

Header = tuple[FileTags, AudioFacts]

# That a process reads in one go: sending a header from process to process takes as long as reading
# it.
HEADERS_AT_ONCE = 32

_ANY_FORM = TagForm()
# What parsing a tag may take, and reading, changing and comparing it. Most take a few ms; a tag may
# have pictures of some MB. Of all the time, a network drive may take most.
_READING = Limits(cpu_s=4.0, memory_bytes=256 << 20)
_WRITING = Limits(cpu_s=8.0, memory_bytes=384 << 20)
_TIMEOUT_S = 120.0
# Comparing the sound of two files: much of a large one may be read, over a slow network.
_COMPARING, _COMPARING_S = Limits(cpu_s=120.0, memory_bytes=384 << 20), 3600.0
# What is more is no music's: texts of a title are cut, files with this many genres are left alone.
_LONGEST_TEXT, _LONGEST_GENRES, _MOST_GENRES = 4096, 65536, 1000


class WriterDied(TagWriteError):
    """A copy that may be half written, because the process that wrote it has died."""


def read_header(path: str, form: TagForm = _ANY_FORM) -> Header:
    """Read a file's tags and audio facts without decoding it.

    As all that parses tags, this takes place in the pool, within limits (see `_guarded`).

    Parameters
    ----------
    path : str
        On a disk or in a bucket, of which only what is read is fetched.

    Returns
    -------
    tags : FileTags
    audio : AudioFacts

    Raises
    ------
    TagReadError
        If it is empty or no audio file that mutagen knows, or takes more than it may.
    NoTagField
        If its container holds no tags.
    OSError
        If it cannot be opened.
    """
    path = storage_of(path).absolute(path)
    return _guarded(TagReadError, path, _read_header, path, form)


def read_headers(paths: Sequence[str], form: TagForm = _ANY_FORM) -> Future:
    """Read several headers in one process of the pool, which is faster than one by one.

    Parameters
    ----------
    paths : sequence of str
        Absolute.

    Returns
    -------
    Future
        Of a list with a `Header` for each, or the error that `read_header` would raise.
    """
    read: Future = Future()
    read.set_running_or_notify_cancel()

    def finish(answered: Future) -> None:
        if error := answered.cancelled() or answered.exception():
            read.set_exception(error if isinstance(error, Exception) else pool.PoolStopped())
            return
        found = zip(paths, answered.result(), strict=True)
        read.set_result(
            [one if good else _reported(TagReadError, at, one) for at, (good, one) in found]
        )

    pool.submit_each(
        _read_header,
        [(path, form) for path in paths],
        timeout_s=_TIMEOUT_S,
        limits=_READING,
    ).add_done_callback(finish)
    return read


def _guarded(kind: type[TrackError], path: str, function: Callable[..., Any], *given: Any) -> Any:
    """Have a function parse a file of unknown origin, in a process with limits.

    2 MB of a tag can unpack to 2 GB, and others take minutes.

    Raises
    ------
    TrackError
        Of the kind named, where it took more than it may.
    WriterDied
        If its process was killed while it wrote.
    """
    reads = kind is TagReadError
    limits = _READING if reads else _WRITING
    try:
        return pool.call(function, *given, timeout_s=_TIMEOUT_S, limits=limits, again=reads)
    except pool.ProcessDied as error:
        if reads:
            raise _reported(kind, path, error) from error
        reason = f"its tag crashed its writer (exit code {error.exit_code})"
        raise WriterDied(path, reason) from error
    except Exception as error:
        raise _reported(kind, path, error) from error


def in_pool(path: str, compare: Callable[..., Any], *given: Any) -> Any:
    """Have a function compare files, in a process with limits.

    Raises
    ------
    TagWriteError
        If it took more than it may, or what the function raised.
    """
    try:
        return pool.call(compare, *given, timeout_s=_COMPARING_S, limits=_COMPARING)
    except Exception as error:
        raise _reported(TagWriteError, path, error) from error


def _reported(kind: type[TrackError], path: str, error: Exception) -> Exception:
    """What has happened to a process of the pool, as an error of the file."""
    if isinstance(error, LimitExceeded):
        return kind(path, f"its tag {error}")
    if isinstance(error, pool.TaskTimeout):
        return kind(path, f"its tag takes longer than {_TIMEOUT_S:g} s")
    if isinstance(error, pool.ProcessDied):
        return kind(path, f"its tag crashed its reader (exit code {error.exit_code})")
    return error


def _read_header(path: str, form: TagForm) -> Header:
    file, format, second, second_mood = _open(path)
    info = file.info
    audio = AudioFacts(
        duration_s=_positive(getattr(info, "length", None)),
        sample_rate_hz=_positive(getattr(info, "sample_rate", None)),
        channels=_positive(getattr(info, "channels", None)),
        bitrate_bps=_positive(getattr(info, "bitrate", None)),
    )
    if file.tags is None:
        shadow = _checked(path, second)
        return FileTags(
            shadow=shadow, foreign_only=isinstance(format, Bare), mood=second_mood
        ), audio
    title, artist, album, album_artist = (_first_text(file.tags, key) for key in format.text)
    custom = {name: format.read_custom(file.tags, name) for name in (CONFIDENCE, MODEL)}
    tags = FileTags(
        title=title,
        artist=artist,
        album=album,
        genres=_checked(path, format.read(file.tags, form)),
        custom=tuple((name, text) for name, text in custom.items() if text is not None),
        shadow=_checked(path, second),
        album_artist=album_artist,
        mood=_cut(format.read_custom(file.tags, MOOD)) or second_mood,
        year=next(filter(None, (_year(_first_text(file.tags, key)) for key in format.year)), None),
    )
    return tags, audio


def read_header_if_any(path: str) -> tuple[FileTags, AudioFacts, str | None]:
    """Read a header for decoding only: a file can sound whatever its tags are.

    Returns
    -------
    tags : FileTags
    audio : AudioFacts
    why_not : str or None
        Why tags and facts are empty, where they could not be read.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    try:
        return *read_header(path), None
    except OSError:
        raise
    except Exception as error:
        return FileTags(), AudioFacts(), reason_of(error)


class _Opened(NamedTuple):
    """What mutagen makes of a file, its format, and what all its other tags say."""

    file: Any
    format: Format
    second: tuple[str, ...]
    second_mood: str | None


def _open(path: str, aside: Sequence[Tag] = ()) -> _Opened:
    """Open a file; `aside` are tags that have been taken off it."""
    with storage_of(path).open_header(path) as stream:
        if not stream.read(1):
            raise TagReadError(path, "empty file")
        edges = foreign(stream)
        own: Any = Window(stream, edges.start, edges.end) if edges.tags else stream
        if sizes := missing_sizes(own):
            own = Window(stream, edges.start, edges.end, sizes)
        own.seek(0)
        obstacle = why_untaggable(own, extension_of(path))
        if obstacle:
            raise NoTagField(path, obstacle)
        own.seek(0)
        try:
            file = mutagen.File(filename=path, fileobj=own, options=KINDS)
            around = edges.genres()
            format = format_of(file)
            if format is None and file is not None and (around or aside):
                format = Bare()
            if format is not None:
                format.complete(file, own)
                second = tuple(dict.fromkeys((*format.second_genres(own), *around)))
                second_mood = _cut(format.second_mood(own))
        except APEBadItemError as error:
            raise TagReadError(path, "its tag has an item that is no APEv2") from error
        except mutagen.MutagenError as error:
            raise TagReadError(path, _reason(error, path)) from error
        except DAMAGE as error:
            raise TagReadError(path, f"damaged ({type(error).__name__}: {error})") from error
    if file is None:
        raise TagReadError(path, "not an audio file of a known format")
    if format is None:
        raise NoTagField(path, f"{type(file).__name__} files have no place for a genre")
    if getattr(file.info, "codec", "").startswith("drms"):
        raise NoTagField(path, "a song that is protected from copying (DRM), bought as .m4p")
    return _Opened(file, format, second, second_mood)


def _reason(error: Exception, path: str) -> str:
    """The message of mutagen, without the path that some of them begin with."""
    text = error.reason if isinstance(error, TrackError) else str(error)
    return text.replace(repr(path), "").strip() or type(error).__name__


def agrees(second: Sequence[str], genres: Sequence[str]) -> bool:
    """Whether other tags say nothing else; some have room for one genre, or for none."""
    return set(second) <= {*genres, RIFF_JOINT.join(genres), *map(in_enhanced_id3v1, genres)}


def _is_misread(path: str) -> bool:
    with open(path, "rb") as stream:
        return looks_like_id3v1(stream, stream.seek(0, os.SEEK_END))


def _positive(value: float | None) -> Any:
    return value if value and value > 0 else None


def _checked(path: str, genres: Iterable[str]) -> tuple[str, ...]:
    """Genres without those that are empty.

    Raises
    ------
    TagReadError
        If there are more than any music has.
    """
    found = tuple(filter(None, (genre.strip() for genre in genres)))
    if len(found) > _MOST_GENRES or sum(map(len, found)) > _LONGEST_GENRES:
        raise TagReadError(path, f"its tag has {len(found):,} genres")
    return found


def _first_text(tags: Any, key: str) -> str | None:
    value = tags.get(key)
    values = list(value.text) if hasattr(value, "text") else values_of(tags, key)
    return _cut(str(values[0])) if values else None


def _cut(text: str | None) -> str | None:
    """A text of sensible length; None where it says nothing."""
    return (text or "")[:_LONGEST_TEXT].strip() or None


def _year(date: str | None) -> int | None:
    """The year of a date such as ``1977-05-05`` or ``19770505``."""
    found = re.match(r"([0-9]{4})([0-9]{4})?(?![0-9])", date or "")
    return int(found[1]) or None if found else None


def write_fields(
    copy: str,
    path: str,
    genres: Sequence[str],
    custom: Mapping[str, str] | None = None,
    form: TagForm = _ANY_FORM,
) -> None:
    """Write a genre, and other fields, into a copy and make sure that no other tag differs.

    Parameters
    ----------
    copy : str
        The file that is changed.
    path : str
        The user's file, for messages.
    custom : mapping of str to str, optional
        Our own fields, and the mood.

    Raises
    ------
    TagWriteError
        If it cannot be done, or what is read back is not what was to be written.
    NoTagField
        If the container holds no tags.
    """
    given = (copy, path, tuple(genres), dict(custom or {}), form)
    _guarded(TagWriteError, path, _write_fields, *given)


def _write_fields(
    copy: str, path: str, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
) -> None:
    try:
        was_misread = _is_misread(copy)  # mp3gain writes such files
        with set_aside(copy, genres, form.separator) as edges:
            write_sizes(copy)
            file, format, *_ = _open(copy, edges.tags)
            format.adopt(file, edges.tags)
            others = format.others(file, custom)
            format.check(file)
            format.write(file, genres, custom, form)
            same = format.others(_open(copy, edges.tags).file, custom) == others
        written, _, second, second_mood = _open(copy)
        is_misread = not was_misread and _is_misread(copy)
    except (mutagen.MutagenError, TagReadError, ValueError) as error:
        raise TagWriteError(path, _reason(error, copy)) from error
    except DAMAGE as error:
        reason = f"too damaged to be tagged ({type(error).__name__}: {error})"
        raise TagWriteError(path, reason) from error
    if not same and form.id3_version != "keep":
        reason = f"a change to ID3v{form.id3_version} would lose a part of other tags"
        raise TagWriteError(path, reason)
    if not same:
        raise TagWriteError(path, "writing would change other tags")
    if is_misread:
        raise TagWriteError(path, "players would take a part of its APEv2 tag for an ID3v1 tag")
    if not agrees(second, genres):
        raise TagWriteError(path, f"its second tag would be read back as {list(second)}")
    if isinstance(format, Bare):
        if not second:
            raise TagWriteError(path, "the only tag that it has knows no number for this genre")
        return
    if written.tags is None:
        raise TagWriteError(path, "too damaged to be tagged: the tag would not be found again")
    found = format.read(written.tags, form)
    if tuple(found) != tuple(genres):
        raise TagWriteError(path, f"its genre would be read back as {found}")
    if any(format.read_custom(written.tags, name) != text for name, text in custom.items()):
        raise TagWriteError(path, "its confidence, model or mood would not be read back")
    if MOOD in custom and second_mood not in (None, custom[MOOD]):
        raise TagWriteError(path, f"its second tag would be read back as {second_mood}")
