"""AIFF: ID3 in a chunk."""

from __future__ import annotations

from typing import Any

from mutagen.aiff import AIFF, AIFFFile

from transforms.tags import chunks, id3_tags
from transforms.tags.family import Family


def _check(file: Any) -> None:
    chunks.check(file.filename, AIFFFile, "SSND")


FAMILY = Family(
    kinds=(AIFF,),
    read=id3_tags.read,
    write=id3_tags.write_frames,
    others=id3_tags.others,
    check=_check,
)
