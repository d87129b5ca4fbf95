"""The header of a file: its tags and audio facts are read, its genre is written.

mutagen opens the file; its format knows where the genre is (see ``formats/``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mutagen

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
from genrebeam.transforms.tags.edges import DAMAGE, Tag, Window, foreign, set_aside
from genrebeam.transforms.tags.formats import KINDS, Bare, format_of
from genrebeam.transforms.tags.formats.format import (
    CONFIDENCE,
    MODEL,
    RIFF_JOINT,
    Format,
    TagForm,
)
from genrebeam.transforms.tags.formats.mapping import values_of
from genrebeam.transforms.tags.untaggable import why_untaggable

_ANY_FORM = TagForm()


def read_header(path: str, form: TagForm = _ANY_FORM) -> tuple[FileTags, AudioFacts]:
    """Read a file's tags and audio facts without decoding it.

    Parameters
    ----------
    path : str
        On a disk or in a bucket, of which only what is read is fetched.
    form : TagForm

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
    file, format, second = _open(path)
    info = file.info
    audio = AudioFacts(
        duration_s=_positive(getattr(info, "length", None)),
        sample_rate_hz=_positive(getattr(info, "sample_rate", None)),
        channels=_positive(getattr(info, "channels", None)),
        bitrate_bps=_positive(getattr(info, "bitrate", None)),
    )
    if file.tags is None:
        return FileTags(shadow=second), audio
    title, artist, album, album_artist = (_first_text(file.tags, key) for key in format.text)
    custom = {name: format.read_custom(file.tags, name) for name in (CONFIDENCE, MODEL)}
    tags = FileTags(
        title=title,
        artist=artist,
        album=album,
        genres=tuple(filter(None, (genre.strip() for genre in format.read(file.tags, form)))),
        custom=tuple((name, text) for name, text in custom.items() if text is not None),
        shadow=second,
        album_artist=album_artist,
    )
    return tags, audio


def read_header_if_any(path: str) -> tuple[FileTags, AudioFacts, str | None]:
    """Read a header for somebody who only listens: a file can sound whatever its tags are.

    Parameters
    ----------
    path : str

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


def _open(path: str, aside: Sequence[Tag] = ()) -> tuple[Any, Format, tuple[str, ...]]:
    """What mutagen makes of a file, its format, and the genres of all its other tags.

    `aside` are tags that have been taken off it.
    """
    with storage_of(path).open_header(path) as stream:
        if not stream.read(1):
            raise TagReadError(path, "empty file")
        edges = foreign(stream)
        own: Any = Window(stream, edges.start, edges.end) if edges.tags else stream
        own.seek(0)
        obstacle = why_untaggable(own)
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
    return file, format, second


def _reason(error: Exception, path: str) -> str:
    """mutagen's message, without the path that some of them begin with."""
    text = error.reason if isinstance(error, TrackError) else str(error)
    return text.replace(repr(path), "").strip() or type(error).__name__


def agrees(second: Sequence[str], genres: Sequence[str]) -> bool:
    """Whether other tags say nothing else; some have room for one genre, or for none."""
    joined = RIFF_JOINT.join(genres)
    # An enhanced ID3v1 tag has room for 30 characters of one byte.
    cut = joined.encode("latin-1", "replace")[:30].decode("latin-1").strip()
    return set(second) <= {*genres, joined, cut}


def _positive(value: float | None) -> Any:
    return value if value and value > 0 else None


def _first_text(tags: Any, key: str) -> str | None:
    value = tags.get(key)
    values = list(value.text) if hasattr(value, "text") else values_of(tags, key)
    text = str(values[0]).strip() if values else ""
    return text or None


def write_fields(
    copy: str,
    path: str,
    genres: Sequence[str],
    custom: Mapping[str, str] | None = None,
    form: TagForm = _ANY_FORM,
) -> None:
    """Write a genre into a copy and make sure that nothing else in its tags differs.

    Parameters
    ----------
    copy : str
        The file that is changed.
    path : str
        The user's file, for messages.
    genres : sequence of str
    custom : mapping of str to str, optional
        Our own fields.
    form : TagForm

    Raises
    ------
    TagWriteError
        If it cannot be done, or what is read back is not what was to be written.
    NoTagField
        If the container holds no tags.
    """
    custom = custom or {}
    try:
        with set_aside(copy, genres, form.separator) as edges:
            file, format, _ = _open(copy, edges.tags)
            format.adopt(file, edges.tags)
            others = format.others(file)
            format.check(file)
            format.write(file, genres, custom, form)
            same = format.others(_open(copy, edges.tags)[0]) == others
        written, _, second = _open(copy)
    except (mutagen.MutagenError, TagReadError, ValueError) as error:
        raise TagWriteError(path, _reason(error, copy)) from error
    except DAMAGE as error:
        reason = f"too damaged to be tagged ({type(error).__name__}: {error})"
        raise TagWriteError(path, reason) from error
    if not same:
        raise TagWriteError(path, "writing would change other tags")
    if not agrees(second, genres):
        raise TagWriteError(path, f"its second tag would be read back as {list(second)}")
    if isinstance(format, Bare):
        return
    if written.tags is None:
        raise TagWriteError(path, "too damaged to be tagged: the tag would not be found again")
    found = format.read(written.tags, form)
    if tuple(found) != tuple(genres):
        raise TagWriteError(path, f"its genre would be read back as {found}")
    if any(format.read_custom(written.tags, name) != text for name, text in custom.items()):
        raise TagWriteError(path, "its confidence and model would not be read back")
