"""WAV: ID3, and RIFF's own genre (``LIST/INFO/IGNR``) where it has fields of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, BinaryIO

import mutagen
from mutagen._riff import RiffFile
from mutagen.wave import WAVE

from genrebeam.transforms.tags.edges import DAMAGE
from genrebeam.transforms.tags.formats.chunks import Chunked
from genrebeam.transforms.tags.formats.format import RIFF_JOINT, TagForm

# RIFF's field for the genre, and one that some programs write in its place.
_GENRE, _OTHER_GENRE = "IGNR", "GENR"
_TO_ID3 = {
    "INAM": "TIT2",
    "IART": "TPE1",
    "IPRD": "TALB",
    "ICRD": "TDRC",
    "ITRK": "TRCK",
    "IPRT": "TRCK",
    "ICMT": "COMM",
}


class Wave(Chunked):
    """RIFF files."""

    kinds = (WAVE,)
    chunks = RiffFile

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        """ID3, every further ID3 chunk that says a genre, and RIFF's own.

        FFmpeg before 6 reads no ID3 where RIFF has any field of its own.
        """
        super().write(file, genres, custom, form)
        text = RIFF_JOINT.join(genres).encode("utf-8") + b"\0"
        with open(file.filename, "r+b") as stream:
            for number in range(len(_riff_lists(stream))):
                list_ = _riff_lists(stream)[number]
                if not any(name in list_ for name in (_GENRE, _OTHER_GENRE)):
                    list_.insert_chunk(_GENRE, text)
                    continue
                for place in range(len(list_.subchunks())):
                    field = _riff_lists(stream)[number].subchunks()[place]
                    if field.id in (_GENRE, _OTHER_GENRE):
                        field.resize(len(text))
                        field.write(text)

    def own_texts(self, stream: BinaryIO) -> dict[str, str]:
        fields = [(_TO_ID3.get(name), _riff_text(data)) for name, data in _riff_info(stream)]
        return {name: text for name, text in reversed(fields) if name and text.strip()}

    def others(self, file: Any, custom: Collection[str]) -> Any:
        with open(file.filename, "rb") as stream:
            fields = [item for item in _riff_info(stream) if item[0] not in (_GENRE, _OTHER_GENRE)]
            return super().others(file, custom), fields

    def second_genres(self, stream: BinaryIO) -> tuple[str, ...]:
        try:
            texts = [
                _riff_text(data)
                for name, data in _riff_info(stream)
                if name in (_GENRE, _OTHER_GENRE)
            ]
        except (mutagen.MutagenError, *DAMAGE):
            texts = []
        texts = [text for text in texts if text.strip()]
        return tuple(dict.fromkeys((*texts, *super().second_genres(stream))))


def _riff_lists(stream: BinaryIO) -> list[Any]:
    chunks = RiffFile(stream).root.subchunks()
    return [chunk for chunk in chunks if chunk.id == "LIST" and chunk.name == "INFO"]


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
