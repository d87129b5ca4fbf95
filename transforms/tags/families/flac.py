"""FLAC: Vorbis comments in a metadata block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from mutagen.flac import FLAC, Padding, Picture, VCFLACDict
from mutagen.id3 import BitPaddedInt

from transforms.tags import vorbis_tags
from transforms.tags.family import Family


def _others(file: Any) -> Any:
    with open(file.filename, "rb") as stream:
        changed = (VCFLACDict.code, Padding.code)
        blocks = [block for block in _blocks(stream) if block[0] not in changed]
    return vorbis_tags.others(file), blocks


def _check(file: Any) -> None:
    """Refuse metadata blocks whose size is not that of their content.

    mutagen goes by the content: it would take the rest of such a block for sound.
    """
    with open(file.filename, "rb") as stream:
        blocks = list(_blocks(stream))
    for kind, data in blocks:
        if kind == Picture.code and len(Picture(data).write()) != len(data):
            raise ValueError("a picture is not as long as its block")
    vorbis_tags.check(file, lambda comments: (VCFLACDict.code, comments) in blocks)


def _blocks(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Metadata blocks as they stand in the file: kinds and contents."""
    stream.seek(0)
    data = stream.read(10)
    place = 10 + BitPaddedInt(data[6:10]) if data.startswith(b"ID3") else 0
    stream.seek(place + 4)
    last = False
    while not last:
        head = stream.read(4)
        if len(head) < 4:
            return
        last = bool(head[0] & 0x80)
        yield head[0] & 0x7F, stream.read(int.from_bytes(head[1:], "big"))


FAMILY = Family(
    kinds=(FLAC,), read=vorbis_tags.KEYS.read, write=vorbis_tags.write, others=_others, check=_check
)
