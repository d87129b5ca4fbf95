"""WMA: genres in ``WM/Genre``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mutagen.asf import ASF

from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.formats.mapping import Mapped, text_of


class Asf(Mapped):
    """ASF files, such as wma."""

    kinds = (ASF,)
    text = ("Title", "Author", "WM/AlbumTitle", "WM/AlbumArtist")
    year = ("WM/Year",)
    genre, mood = "WM/Genre", "WM/Mood"

    def read(self, tags: Any, form: TagForm) -> list[str]:
        """Also of an attribute without a namespace, which some programs write."""
        other = [text_of(value) for key, value in tags if key.casefold() == "genre"]
        return list(dict.fromkeys([*super().read(tags, form), *other]))

    def put_all(self, tags: Any, genres: Sequence[str], custom: Mapping[str, str]) -> None:
        super().put_all(tags, genres, custom)
        tags[:] = [item for item in tags if item[0].casefold() != "genre"]

    def is_written(self, key: str, custom: Collection[str]) -> bool:
        return key.casefold() == "genre" or super().is_written(key, custom)

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
