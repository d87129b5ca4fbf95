"""DSDIFF (dff, DSD sound): ID3 in a chunk."""

from __future__ import annotations

from typing import Any

from mutagen.dsdiff import DSDIFF, DSDIFFFile

from transforms.tags import id3_tags
from transforms.tags.family import Family


def _check(file: Any) -> None:
    """Refuse a file whose chunks are not all there, or whose sound is compressed (DST)."""
    with open(file.filename, "rb") as stream:
        root = DSDIFFFile(stream).root
        stream.seek(0, 2)
        size = stream.tell()
        chunks = list(root.subchunks())
        ends = [root.data_offset + root.data_size, *(c.data_offset + c.data_size for c in chunks)]
    if any(end > size for end in ends):
        raise ValueError("its sound is cut off")
    if not any(chunk.id == "DSD" for chunk in chunks) or ends[0] < size - 1:
        raise ValueError("its chunks do not say where the sound ends")


FAMILY = Family(
    kinds=(DSDIFF,),
    read=id3_tags.read,
    write=id3_tags.write_frames,
    others=id3_tags.others,
    check=_check,
)
