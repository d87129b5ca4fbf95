"""Vorbis comments, which FLAC and Ogg have: a list of keys and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transforms.tags.form import TagForm
from transforms.tags.keyed_tags import Keys

KEYS = Keys(title="title", artist="artist", album="album", genre="genre")


def write(file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm) -> None:
    """Write the genre and our own fields; see `Family`."""
    if file.tags is None:
        file.add_tags()
    _put(file.tags, KEYS.genre, genres)
    for name, text in custom.items():
        _put(file.tags, name, [text])
    file.save()


def _put(tags: Any, key: str, values: Sequence[str]) -> None:
    """Exchange a key's values, in the place and the spelling that the key has."""
    comments = list(tags)
    places = [i for i, (found, _) in enumerate(comments) if found.casefold() == key.casefold()]
    place, spelling = len(comments), key.upper()
    if places:
        place, spelling = places[0], comments[places[0]][0]
    rest = [item for i, item in enumerate(comments) if i not in places]
    tags[:] = [*rest[:place], *((spelling, value) for value in values), *rest[place:]]


def others(file: Any) -> list[tuple[str, str]]:
    """All other comments, in their order; see `Family`."""
    return [item for item in file.tags or [] if not KEYS.is_ours(item[0])]


def check(file: Any, is_stored: Callable[[bytes], bool]) -> None:
    """Refuse comments that mutagen would write otherwise than they are stored.

    Parameters
    ----------
    file
        As mutagen has opened it.
    is_stored : callable
        ``is_stored(comments)`` tells whether the file has exactly these bytes.

    Raises
    ------
    ValueError
    """
    if file.tags is not None and not is_stored(file.tags.write(framing=False)):
        raise ValueError("its comments break the format's rules, and some would be lost")
