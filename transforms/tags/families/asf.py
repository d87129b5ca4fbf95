"""ASF (wma): attributes in the header's objects."""

from __future__ import annotations

from typing import Any

from mutagen.asf import ASF

from transforms.tags.family import Family
from transforms.tags.keyed_tags import Keys

_KEYS = Keys(title="Title", artist="Author", album="WM/AlbumTitle", genre="WM/Genre")


def _others(file: Any) -> Any:
    return sorted(
        (key, type(value).__name__, repr(value.value), value.language or 0, value.stream or 0)
        for key, value in file.tags or []
        if not _KEYS.is_ours(key)
    )


def _check(file: Any) -> None:
    """Refuse a header whose size is not the sum of its objects, which mutagen goes by."""
    with open(file.filename, "rb") as stream:
        head = stream.read(30)
        size, place = int.from_bytes(head[16:24], "little"), 30
        while place < size:
            stream.seek(place + 16)
            step = int.from_bytes(stream.read(8), "little")
            if step < 24:
                break
            place += step
    if place != size:
        raise ValueError("the objects in its header do not add up to its size")


FAMILY = Family(kinds=(ASF,), read=_KEYS.read, write=_KEYS.write, others=_others, check=_check)
