"""Header: a file's tags read and written; each format's own way is in ``families/``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mutagen

from transforms.records import AudioFacts, FileTags, TrackError
from transforms.tags.errors import DAMAGE, NoTagField, TagReadError, TagWriteError
from transforms.tags.families import FAMILIES
from transforms.tags.family import Family
from transforms.tags.form import DEFAULT_FORM, SINGLE_TEXT_JOINT, TagForm
from transforms.tags.untaggable import why_untaggable


def read_header(path: str, form: TagForm = DEFAULT_FORM) -> tuple[FileTags, AudioFacts]:
    """Read a file's tags and audio facts without decoding it.

    Parameters
    ----------
    path : str
    form : TagForm

    Returns
    -------
    tags : FileTags
    audio : AudioFacts

    Raises
    ------
    TagReadError
        If it is empty, damaged or no audio file that mutagen knows.
    NoTagField
        If its container holds no tags.
    OSError
        If it cannot be opened.
    """
    file = _open(path)
    family = _family_of(path, file)
    with _damage_as_read_error(path):
        tags = family.read(file, form)
    return _cleaned(tags), _audio_facts(file.info)


def _open(path: str) -> Any:
    with open(path, "rb") as stream:
        if not stream.read(1):
            raise TagReadError(path, "empty file")
        stream.seek(0)
        obstacle = why_untaggable(stream)
        if obstacle:
            raise NoTagField(path, obstacle)
    with _damage_as_read_error(path):
        file = mutagen.File(path)
    if file is None:
        raise TagReadError(path, "not an audio file of a known format")
    return file


@contextlib.contextmanager
def _damage_as_read_error(path: str) -> Iterator[None]:
    try:
        yield
    except mutagen.MutagenError as error:
        raise TagReadError(path, _reason(error, path)) from error
    except DAMAGE as error:
        raise TagReadError(path, f"damaged ({type(error).__name__}: {error})") from error


def _family_of(path: str, file: Any) -> Family:
    for family in FAMILIES:
        if isinstance(file, family.kinds):
            return family
    raise NoTagField(path, f"{type(file).__name__} files have no place for a genre")


def _cleaned(tags: FileTags) -> FileTags:
    """Tags without white space around their texts, and without blank ones."""

    def stripped(text: str | None) -> str | None:
        return (text or "").strip() or None

    return dataclasses.replace(
        tags,
        title=stripped(tags.title),
        artist=stripped(tags.artist),
        album=stripped(tags.album),
        genres=tuple(filter(None, map(stripped, tags.genres))),
    )


def _audio_facts(info: Any) -> AudioFacts:
    def positive(name: str) -> Any:
        value = getattr(info, name, None)
        return value if value and value > 0 else None

    return AudioFacts(
        duration_s=positive("length"),
        sample_rate_hz=positive("sample_rate"),
        channels=positive("channels"),
        bitrate_bps=positive("bitrate"),
    )


def _reason(error: Exception, path: str) -> str:
    """The message without the path, with which some of mutagen's begin."""
    text = error.reason if isinstance(error, TrackError) else str(error)
    return text.replace(repr(path), "").strip() or type(error).__name__


def agrees(second: Sequence[str], genres: Sequence[str]) -> bool:
    """Whether a second tag says the same genres as the first, or none.

    Parameters
    ----------
    second, genres : sequence of str

    Returns
    -------
    bool
    """
    return tuple(second) in ((), tuple(genres), (SINGLE_TEXT_JOINT.join(genres),))


def write_fields(
    copy: str,
    path: str,
    genres: Sequence[str],
    custom: Mapping[str, str] | None = None,
    form: TagForm = DEFAULT_FORM,
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
        Our own fields: name to text.
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
        file = _open(copy)
        family = _family_of(path, file)
        others = family.others(file)
        family.check(file)
        family.write(file, genres, custom, form)
        written = _open(copy)
        found = family.read(written, form)
    except (mutagen.MutagenError, TagReadError, ValueError) as error:
        raise TagWriteError(path, _reason(error, copy)) from error
    except DAMAGE as error:
        reason = f"too damaged to be tagged ({type(error).__name__}: {error})"
        raise TagWriteError(path, reason) from error
    if written.tags is None:
        raise TagWriteError(path, "too damaged to be tagged: the tag would not be found again")
    if found.genres != tuple(genres):
        raise TagWriteError(path, f"its genre would be read back as {list(found.genres)}")
    if not agrees(found.shadow, genres):
        raise TagWriteError(path, f"its second tag would be read back as {list(found.shadow)}")
    if not custom.items() <= dict(found.custom).items():
        raise TagWriteError(path, "its confidence and model would not be read back")
    if family.others(written) != others:
        raise TagWriteError(path, "writing would change other tags")
