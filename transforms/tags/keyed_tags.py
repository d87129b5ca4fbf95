"""Keyed tags: formats whose tags map a key to a list of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mutagen.apev2 import APETextValue

from transforms.records import FileTags
from transforms.tags.form import OWN_FIELDS, TagForm


@dataclass(frozen=True)
class Keys:
    """A format's keys.

    Parameters
    ----------
    title, artist, album, genre : str
    custom : str
        Of our own fields, with the field's name in the place of ``{}``.
    value : callable
        Makes the value of one of our own fields from its text.
    """

    title: str
    artist: str
    album: str
    genre: str
    custom: str = "{}"
    value: Callable[[str], Any] = str

    def read(self, file: Any, form: TagForm) -> FileTags:
        """Read these keys of a file; see `Family`."""
        tags = file.tags
        if tags is None:
            return FileTags()
        title, artist, album = (
            next(iter(_texts(tags, key)), None) for key in (self.title, self.artist, self.album)
        )
        custom = ((name, _texts(tags, self.custom.format(name))) for name in OWN_FIELDS)
        return FileTags(
            title=title,
            artist=artist,
            album=album,
            genres=tuple(_texts(tags, self.genre)),
            custom=tuple((name, texts[0]) for name, texts in custom if texts),
        )

    def put(self, tags: Any, genres: Sequence[str], custom: Mapping[str, str]) -> None:
        """Set the genre and our own fields.

        Parameters
        ----------
        tags : mapping
            mutagen's tags.
        genres : sequence of str
        custom : mapping of str to str
            Name to text.
        """
        tags[self.genre] = list(genres)
        for name, text in custom.items():
            tags[self.custom.format(name)] = [self.value(text)]

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        """Write these keys into a file; see `Family`."""
        if file.tags is None:
            file.add_tags()
        self.put(file.tags, genres, custom)
        file.save()

    def is_ours(self, key: str) -> bool:
        """Whether a key is the genre's or one of our own fields, whatever its case."""
        ours = {self.genre, *(self.custom.format(name) for name in OWN_FIELDS)}
        return key.casefold() in {name.casefold() for name in ours}


def _texts(tags: Any, key: str) -> list[str]:
    value = tags.get(key)
    if value is None:
        return []
    values = value if isinstance(value, APETextValue | list | tuple) else [value]
    return [
        bytes(one).decode("utf-8", "replace") if isinstance(one, bytes) else str(one)
        for one in values
    ]
