"""WAV: ID3 in a chunk, and RIFF's own older genre field, which is changed where it is used."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import mutagen
from mutagen._riff import RiffFile
from mutagen.wave import WAVE

from transforms.records import FileTags
from transforms.tags import chunks, id3_tags
from transforms.tags.family import Family
from transforms.tags.form import SINGLE_TEXT_JOINT, TagForm


def _read(file: Any, form: TagForm) -> FileTags:
    return dataclasses.replace(id3_tags.read(file, form), shadow=_riff_genres(file.filename))


def _riff_genres(path: str) -> tuple[str, ...]:
    try:
        with open(path, "rb") as stream:
            field = _genre_field(stream)
            text = _text(field.read()) if field else ""
    except (mutagen.MutagenError, ValueError):
        return ()
    return (text,) if text.strip() else ()


def _write(file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm) -> None:
    id3_tags.write_frames(file, genres, custom, form)
    with open(file.filename, "r+b") as stream:
        field = _genre_field(stream)
        if field is not None:
            text = SINGLE_TEXT_JOINT.join(genres).encode("utf-8") + b"\0"
            field.resize(len(text))
            field.write(text)


def _others(file: Any) -> Any:
    with open(file.filename, "rb") as stream:
        fields = [(item.id, item.read()) for info in _infos(stream) for item in info.subchunks()]
    return id3_tags.others(file), [field for field in fields if field[0] != "IGNR"]


def _check(file: Any) -> None:
    chunks.check(file.filename, RiffFile, "data")


def _infos(stream: BinaryIO) -> list[Any]:
    """Chunks of RIFF's own fields."""
    found = RiffFile(stream).root.subchunks()
    return [chunk for chunk in found if chunk.id == "LIST" and chunk.name == "INFO"]


def _genre_field(stream: BinaryIO) -> Any:
    """The chunk of RIFF's own genre (``LIST/INFO/IGNR``), or None."""
    return next((info["IGNR"] for info in _infos(stream) if "IGNR" in info), None)


def _text(data: bytes) -> str:
    """Decode a field: RIFF names no encoding, and old programs used their system's."""
    data = data.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


FAMILY = Family(kinds=(WAVE,), read=_read, write=_write, others=_others, check=_check)
