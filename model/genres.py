"""Genre names, spelled one way."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def spell(name: str) -> str:
    """A genre's name as the ID3v1 list spells it, or with capitals where it is not listed.

    Parameters
    ----------
    name : str
        Of a folder, a tag or a data set's class.

    Examples
    --------
    >>> spell("hip hop"), spell("drum and bass"), spell("film_music")
    ('Hip-Hop', 'Drum & Bass', 'Film Music')
    """
    words = name.replace("_", " ").split()
    return _listed().get(key_of(name)) or " ".join(word[:1].upper() + word[1:] for word in words)


def key_of(name: str) -> str:
    """A key that all spellings of a name share.

    Examples
    --------
    >>> key_of("R & B") == key_of("r&b")
    True
    """
    text = unicodedata.normalize("NFKC", name).casefold().replace("&", "and")
    return "".join(character for character in text if character.isalnum())


def join_columns(probabilities: np.ndarray, groups: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Add up the probabilities of genres that count as one, such as those of a family.

    Parameters
    ----------
    probabilities : np.ndarray
        ``(n, n_genres)``.
    groups : sequence of str
        What each genre counts as.

    Returns
    -------
    probabilities : np.ndarray
        ``(n, n_groups)``.
    names : list of str
        Each group once, in the order of their first genres.
    """
    membership = _membership(tuple(groups), probabilities.dtype.str)
    return probabilities @ membership, list(dict.fromkeys(groups))


def places_of(groups: Sequence[str]) -> np.ndarray:
    """The column that `join_columns` adds each genre to: ``(n_genres,) int64``."""
    return _places(tuple(groups))


@functools.lru_cache(maxsize=8)
def _membership(groups: tuple[str, ...], dtype: str) -> np.ndarray:
    import numpy as np  # late: the command line checks names before any work

    names = list(dict.fromkeys(groups))
    return np.array([[group == name for name in names] for group in groups], dtype)


@functools.lru_cache(maxsize=8)
def _places(groups: tuple[str, ...]) -> np.ndarray:
    import numpy as np

    names = list(dict.fromkeys(groups))
    return np.array([names.index(group) for group in groups], np.int64)


@functools.cache
def _listed() -> dict[str, str]:
    from mutagen.id3 import TCON

    # A slash would split the name in two when an ID3v2.3 tag is read.
    return {key_of(genre): genre for genre in TCON.GENRES if "/" not in genre}
