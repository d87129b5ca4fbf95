"""Family: what there is to know about a family of formats to give its files a genre."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transforms.records import FileTags
from transforms.tags.form import TagForm


def _accept(file: Any) -> None:
    """The check of a family that needs none."""


@dataclass(frozen=True)
class Family:
    """How a family of formats holds its tags.

    Every function takes the file as mutagen has opened it. Each may raise what mutagen raises
    on damaged files.

    Parameters
    ----------
    kinds : tuple of type
        mutagen's classes of files.
    read : callable
        ``read(file, form)`` gives the `FileTags` as they stand in the file, white space
        included. It raises `NoTagField` for a file that can have no genre.
    write : callable
        ``write(file, genres, custom, form)`` changes the genre and our own fields (name to
        text) and saves the file. It raises ValueError where that cannot be done safely.
    others : callable
        ``others(file)`` gives all tags but the genre and our own fields: any value that is
        equal before and after writing if nothing else has changed.
    check : callable
        ``check(file)`` raises ValueError where writing would do harm. Most families need none.
    """

    kinds: tuple[type, ...]
    read: Callable[[Any, TagForm], FileTags]
    write: Callable[[Any, Sequence[str], Mapping[str, str], TagForm], None]
    others: Callable[[Any], Any]
    check: Callable[[Any], None] = _accept
