"""WAV: ID3, and RIFF's own genre (``LIST/INFO/IGNR``) where it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import mutagen
from mutagen._riff import RiffFile
from mutagen.wave import WAVE

from genrebeam.transforms.tags.formats.chunks import check_chunks
from genrebeam.transforms.tags.formats.format import RIFF_JOINT, TagForm
from genrebeam.transforms.tags.formats.id3 import Id3


class Wave(Id3):
    """RIFF files."""

    kinds = (WAVE,)

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        """ID3, and the older genre field of RIFF where it is there already."""
        super().write(file, genres, custom, form)
        with open(file.filename, "r+b") as stream:
            field = _riff_genre(stream)
            if field is not None:
                text = RIFF_JOINT.join(genres).encode("utf-8") + b"\0"
                field.resize(len(text))
                field.write(text)

    def others(self, file: Any) -> Any:
        with open(file.filename, "rb") as stream:
            return super().others(file), [item for item in _riff_info(stream) if item[0] != "IGNR"]

    def check(self, file: Any) -> None:
        check_chunks(file)

    def second_genres(self, stream: BinaryIO) -> tuple[str, ...]:
        try:
            field = _riff_genre(stream)
            text = _riff_text(field.read()) if field else ""
        except (mutagen.MutagenError, ValueError):
            return ()
        return (text,) if text.strip() else ()


def _riff_lists(stream: BinaryIO) -> list[Any]:
    chunks = RiffFile(stream).root.subchunks()
    return [chunk for chunk in chunks if chunk.id == "LIST" and chunk.name == "INFO"]


def _riff_genre(stream: BinaryIO) -> Any:
    """The chunk of RIFF's own genre (``LIST/INFO/IGNR``), or None."""
    return next((chunk["IGNR"] for chunk in _riff_lists(stream) if "IGNR" in chunk), None)


def _riff_info(stream: BinaryIO) -> list[tuple[str, bytes]]:
    """All of RIFF's own fields, as they stand in the file."""
    return [(item.id, item.read()) for chunk in _riff_lists(stream) for item in chunk.subchunks()]


def _riff_text(data: bytes) -> str:
    """RIFF does not say how its texts are encoded; programs of old used the system's."""
    data = data.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
