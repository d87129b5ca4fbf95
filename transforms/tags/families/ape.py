"""APEv2 (WavPack, ape, mpc): items at the end, sometimes with an ID3v1 tag behind them."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from mutagen.apev2 import APEv2File
from mutagen.id3 import ParseID3v1
from mutagen.wavpack import WavPack

from transforms.tags import id3_bytes
from transforms.tags.family import Family
from transforms.tags.form import TagForm
from transforms.tags.keyed_tags import Keys

_KEYS = Keys(title="Title", artist="Artist", album="Album", genre="Genre")
_ID3V1_TO_APE = {
    "TIT2": "Title",
    "TPE1": "Artist",
    "TALB": "Album",
    "TDRC": "Year",
    "TRCK": "Track",
    "COMM": "Comment",
}


def _write(file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm) -> None:
    block = id3_bytes.read_v1(file.filename)
    if file.tags is None:
        file.add_tags()
        for key, value in _taken_over(block).items():
            file.tags[key] = value
    _KEYS.write(file, genres, custom, form)
    if block:  # mutagen removes it
        id3_bytes.append_v1(file.filename, block, genres)


def _taken_over(block: bytes) -> dict[str, str]:
    """What a new tag says as ID3v1 did: players that find APEv2 no longer look there."""
    frames = (ParseID3v1(block) if block else None) or {}
    return {_ID3V1_TO_APE[key]: str(frames[key]) for key in frames if key in _ID3V1_TO_APE}


def _others(file: Any) -> Any:
    if file.tags is None:
        taken_over = _taken_over(id3_bytes.read_v1(file.filename))
        return {key: (0, value) for key, value in taken_over.items()}
    items = file.tags.items()
    return {key: (value.kind, value.value) for key, value in items if not _KEYS.is_ours(key)}


def _check_blocks(file: Any) -> None:
    """Refuse WavPack whose first block is not whole: decoders may take what follows for sound."""
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


FAMILY = Family(kinds=(APEv2File,), read=_KEYS.read, write=_write, others=_others)
WAVPACK = dataclasses.replace(FAMILY, kinds=(WavPack,), check=_check_blocks)
