"""WMA: genres in ``WM/Genre``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mutagen.asf import ASF

from genrebeam.transforms.tags.formats.mapping import Mapped


class Asf(Mapped):
    """ASF files, such as wma."""

    kinds = (ASF,)
    text = ("Title", "Author", "WM/AlbumTitle", "WM/AlbumArtist")
    year = ("WM/Year",)
    genre, mood = "WM/Genre", "WM/Mood"

    def others(self, file: Any, custom: Collection[str]) -> Any:
        return sorted(
            (key, type(value).__name__, repr(value.value), value.language or 0, value.stream or 0)
            for key, value in file.tags or []
            if not self.is_written(key, custom)
        )

    def check(self, file: Any) -> None:
        """Refuse ASF whose header is not made up of its objects: mutagen goes by their sum."""
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
