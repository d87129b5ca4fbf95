"""Tags that map a key to a list of values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mutagen.apev2 import APETextValue

from genrebeam.transforms.tags.formats.format import MOOD, Format, TagForm


class Mapped(Format):
    """Files whose tags map a key to a list of values."""

    genre: str
    """Key of the genre."""
    mood: str
    """Key of the mood."""

    def read(self, tags: Any, form: TagForm) -> list[str]:
        return [text_of(value) for value in values_of(tags, self.genre)]

    def read_custom(self, tags: Any, name: str) -> str | None:
        values = values_of(tags, self.key_of(name))
        return text_of(values[0]) if values else None

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        if file.tags is None:
            file.add_tags()
        self.put_all(file.tags, genres, custom)
        file.save()

    def put_all(self, tags: Any, genres: Sequence[str], custom: Mapping[str, str]) -> None:
        """Change these fields of open tags."""
        self.put(tags, self.genre, list(genres))
        for name, value in custom.items():
            self.put(tags, self.key_of(name), [value])

    def put(self, tags: Any, key: str, values: list[Any]) -> None:
        """Give a key its values."""
        tags[key] = values

    def key_of(self, name: str) -> str:
        """The key of one of our own fields, or of the mood."""
        return self.mood if name == MOOD else name

    def is_written(self, key: str, custom: Collection[str]) -> bool:
        """Whether a key is that of the genre or of one of these fields."""
        written = (self.genre, *map(self.key_of, custom))
        return key.casefold() in {one.casefold() for one in written}


def values_of(tags: Any, key: str) -> list[Any]:
    """All values of a key."""
    value = tags.get(key)
    if value is None:
        return []
    if isinstance(value, APETextValue | list | tuple):
        return list(value)
    return [value]


def text_of(value: Any) -> str:
    """A value as text, whatever the tag says of its kind."""
    plain = getattr(value, "value", value)  # of APEv2's items
    return bytes(plain).decode("utf-8", "replace") if isinstance(plain, bytes) else str(value)
