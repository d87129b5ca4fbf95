"""WavPack, Monkey's Audio, Musepack and others: APEv2, genres in ``Genre``."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mutagen.apev2 import APEv2File
from mutagen.wavpack import WavPack

from genrebeam.transforms.tags import ape_bytes
from genrebeam.transforms.tags.edges import Tag, id3_texts
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.formats.mapping import Mapped

_ID3V1_TO_APE = {
    "TIT2": "Title",
    "TPE1": "Artist",
    "TALB": "Album",
    "TDRC": "Year",
    "TRCK": "Track",
    "COMM": "Comment",
}


class Ape(Mapped):
    """Files with an APEv2 tag at their end, and perhaps ID3v1 behind it."""

    kinds = (APEv2File,)
    text = ("Title", "Artist", "Album", "Album Artist")
    year = ("Year", "Date")
    genre, mood = "Genre", "Mood"

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        """Byte by byte where there is a tag: mutagen drops flags, order and items of one key."""
        texts = {self.genre: list(genres)}
        texts |= {self.key_of(name): [value] for name, value in custom.items()}
        with open(file.filename, "r+b") as stream:
            is_there = ape_bytes.exchange(stream, texts, adds=True)
        if not is_there:
            super().write(file, genres, custom, form)

    def adopt(self, file: Any, around: Sequence[Tag]) -> None:
        """Take over ID3v1: players that find an APEv2 tag no longer look at it."""
        trailers = [tag.data for tag in around if tag.kind == "ID3v1"]
        if file.tags is None and trailers:
            file.add_tags()
            tags: Any = file.tags
            for key, value in _from_id3v1(trailers[-1]).items():
                tags[key] = value

    def others(self, file: Any, custom: Collection[str]) -> Any:
        items = file.tags.items() if file.tags is not None else ()
        return {
            key: (value.kind, value.value)
            for key, value in items
            if not self.is_written(key, custom)
        }

    def check(self, file: Any) -> None:
        """Refuse WavPack whose first block is not whole: what follows may be read as sound."""
        if not isinstance(file, WavPack):
            return
        with open(file.filename, "rb") as stream:
            head = stream.read(32)
            stream.seek(0, 2)
            size = stream.tell()
            (rest,) = struct.unpack("<I", head[4:8])
            end = 8 + rest
            stream.seek(min(end, size))
            after = stream.read(8)
        if rest < 24 or end > size:
            raise ValueError("its sound is cut off")
        (n_samples,) = struct.unpack("<I", head[20:24])
        # A block without samples may hold a RIFF header; behind the last block come tags.
        if not n_samples and not after.startswith(b"wvpk"):
            raise ValueError("its sound is cut off")
        if after and not after.startswith((b"wvpk", b"APETAGEX", b"TAG")):
            raise ValueError("its blocks do not say where the sound ends")


def _from_id3v1(trailer: bytes) -> dict[str, str]:
    """What a new APEv2 tag takes over: players that find one no longer look at ID3v1."""
    texts = id3_texts(trailer)
    return {_ID3V1_TO_APE[name]: texts[name] for name in texts if name in _ID3V1_TO_APE}
