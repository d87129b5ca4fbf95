"""Taxonomy: the user's own names for the model's genres.

A TOML file with any of these tables::

    [rename]                 # another spelling
    "Hip-Hop" = "Rap"

    [parent]                 # genres that become one: their probabilities are added
    "Metal" = "Rock"
    "Disco" = "Pop"

    [drop]                   # never written; a track that would get one is refused
    genres = ["Reggae"]

    [whitelist]              # nothing else is written
    genres = ["Rap", "Rock", "Pop"]

    [alias]                  # other spellings, for genres that files have (``--existing clean``)
    "Hip Hop" = "Hip-Hop"

    [pattern]                # and regular expressions for a whole genre, whatever its case
    ".*metal" = "Metal"

Aliases and patterns come first, then parents, then names: ``[rename] "Rock" = "Rock & Metal"``
names the parent too.
"""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from genrebeam.model.errors import PathError
from genrebeam.model.genres import join_columns

if TYPE_CHECKING:
    import numpy as np


# Tables of a file: genres to names, and lists of genres.
_MAPS, _LISTS = ("rename", "parent", "alias", "pattern"), ("drop", "whitelist")


class TaxonomyError(PathError):
    """A taxonomy file that cannot be used."""


@dataclass(frozen=True)
class Taxonomy:
    """What becomes of the model's genres.

    Parameters
    ----------
    whitelist : tuple of str
        All that may be written, if there are any.
    alias, pattern : dict of str to str
        For genres that files have.
    path : str
        Where it was read from.
    """

    rename: dict[str, str] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    whitelist: tuple[str, ...] = ()
    alias: dict[str, str] = field(default_factory=dict)
    pattern: dict[str, str] = field(default_factory=dict)
    path: str = field(default="", compare=False)

    def check(self, genres: Sequence[str], families: Sequence[str] = ()) -> None:
        """Refuse a taxonomy that does not fit a model.

        Parameters
        ----------
        genres, families : sequence of str
            The model's.

        Raises
        ------
        TaxonomyError
        """
        self.check_itself()
        known = {*genres, *families, *self.parent.values()}
        unknown = sorted({*self.rename, *self.parent, *self.drop} - known)
        if unknown:
            raise TaxonomyError(
                self.path,
                f"{', '.join(unknown)}: not a genre of the model, which knows {', '.join(genres)}",
            )
        names = [self._name(genre) for genre in {self._family(genre) for genre in genres}]
        folded = [name.casefold() for name in names]
        twice = sorted(name for name in names if folded.count(name.casefold()) > 1)
        if twice:
            raise TaxonomyError(
                self.path, f"{', '.join(twice)}: several genres get this name; map them to a parent"
            )

    def check_itself(self) -> None:
        """Refuse a taxonomy that contradicts itself, whatever genres it names.

        Raises
        ------
        TaxonomyError
        """
        for child, parent in self.parent.items():
            if parent in self.parent:
                raise TaxonomyError(self.path, f"{child}: its parent {parent} has a parent itself")
        mapped = sorted({*self.rename, *self.drop} & set(self.parent))
        if mapped:
            raise TaxonomyError(
                self.path, f"{', '.join(mapped)}: becomes its parent; rename or drop that"
            )
        for table in (self.rename, self.parent, self.alias, self.pattern):
            for name in table.values():
                if reason := unwritable(name):
                    raise TaxonomyError(self.path, f"{name!r}: {reason}")
        for pattern in self.pattern:
            try:
                re.compile(pattern)
            except re.error as error:
                raise TaxonomyError(self.path, f"{pattern!r}: no pattern ({error})") from error

    def clean(self, genres: Sequence[str]) -> tuple[str, ...]:
        """The genres of a file with the names of the taxonomy.

        Parameters
        ----------
        genres : sequence of str
            The file's. Their case does not matter.

        Returns
        -------
        tuple of str
            Each once, without those that are dropped. What no table names stays as it is.

        Examples
        --------
        >>> Taxonomy(rename={"Rock": "ROCK"}, pattern={".*metal": "Rock"}).clean(
        ...     ["Death Metal", "rock", "Live"]
        ... )
        ('ROCK', 'Live')
        """
        drop, allowed = _folded(self.drop), _folded(self.whitelist)
        found: dict[str, str] = {}
        for genre in itertools.chain.from_iterable(map(self._parts_of, genres)):
            name = _in_table(self.parent, self._known_as(genre))
            if name.casefold() in drop:
                continue
            name = _in_table(self.rename, name)
            if not allowed or name.casefold() in allowed:
                found.setdefault(name.casefold(), name)
        return tuple(found.values())

    def _parts_of(self, text: str) -> list[str]:
        """The genres in one text with semicolons between them, where a table names one of them."""
        parts = [part for part in map(str.strip, text.split(";")) if part]
        if len(parts) < 2 or self._lists(text):
            return [text]
        is_named = any(self._lists(part) or self._known_as(part) != part for part in parts)
        return parts if is_named else [text]

    def _lists(self, genre: str) -> bool:
        tables = (self.alias, self.parent, self.rename, self.drop, self.whitelist)
        names = itertools.chain.from_iterable(tables)
        return genre.strip().casefold() in {name.casefold() for name in names}

    def _known_as(self, genre: str) -> str:
        name = _in_table(self.alias, genre)
        if name != genre:
            return name
        for pattern, name in self.pattern.items():
            if re.fullmatch(pattern, genre.strip(), re.IGNORECASE):
                return name
        return genre

    def apply(
        self, probabilities: np.ndarray, genres: Sequence[str]
    ) -> tuple[np.ndarray, list[str], set[str]]:
        """Join the columns of genres that become one.

        Parameters
        ----------
        probabilities : np.ndarray
            ``(n_segments, n_genres) float32``.
        genres : sequence of str
            The model's.

        Returns
        -------
        probabilities : np.ndarray
            ``(n_segments, n_names) float32``.
        names : list of str
            To write, in the order of the columns.
        dropped : set of str
            Those of `names` that are not written.
        """
        merged, names, dropped = self._columns(tuple(genres))
        return join_columns(probabilities, merged)[0], names, dropped

    def families(self, genres: Sequence[str], families: Sequence[str]) -> list[str]:
        """The family of each name that `apply` gives.

        Parameters
        ----------
        genres, families : sequence of str
            The model's.

        Returns
        -------
        list of str
            A genre that the user gave a parent belongs to the parent's family, or is the
            parent's where the model does not know it.
        """
        return self._groups(tuple(genres), tuple(families))

    def name_of(self, genre: str) -> str:
        """What a genre of the model is written as."""
        return self._name(self._family(genre))

    # The same for every track of a run, so it is worked out once.
    @functools.cached_property
    def _columns(self) -> Callable[[tuple[str, ...]], tuple[list[str], list[str], set[str]]]:
        return functools.lru_cache(maxsize=8)(self._work_out_columns)

    @functools.cached_property
    def _groups(self) -> Callable[[tuple[str, ...], tuple[str, ...]], list[str]]:
        return functools.lru_cache(maxsize=8)(self._work_out_groups)

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def _work_out_columns(self, genres: tuple[str, ...]) -> tuple[list[str], list[str], set[str]]:
        """What each genre becomes, their names in the order of the columns, and the dropped."""
        merged = [self._family(genre) for genre in genres]
        families = list(dict.fromkeys(merged))
        names = [self._name(family) for family in families]
        dropped = {self._name(family) for family in families if family in self.drop}
        if self.whitelist:
            allowed = _folded(self.whitelist)
            dropped |= {name for name in names if name.casefold() not in allowed}
        return merged, names, dropped

    def _work_out_groups(self, genres: tuple[str, ...], families: tuple[str, ...]) -> list[str]:
        known = dict(zip(genres, families, strict=True)) | {name: name for name in families}
        joined = list(dict.fromkeys(self._family(genre) for genre in genres))
        return [self._name(known.get(name, name)) for name in joined]

    def _family(self, genre: str) -> str:
        return self.parent.get(genre, genre)

    def _name(self, family: str) -> str:
        return self.rename.get(family, family)


def _folded(names: Sequence[str]) -> set[str]:
    return {name.strip().casefold() for name in names}


def _in_table(table: Mapping[str, str], genre: str) -> str:
    """What a table makes of a genre, whatever its case; itself if it does not name it."""
    wanted = genre.strip().casefold()
    return next((name for key, name in table.items() if key.casefold() == wanted), genre)


def unwritable(name: str) -> str | None:
    """Why a genre would not be read back from a tag as it was written, or None."""
    from mutagen.id3 import TCON  # late, as above

    if name != name.strip() or not name.isprintable():
        return "has spaces at an end, or characters that cannot be seen"
    if TCON(encoding=3, text=[name]).genres != [name]:
        return "is another genre's number in ID3"
    return None


def load_taxonomy(path: str) -> Taxonomy:
    """Read a taxonomy file.

    Raises
    ------
    TaxonomyError
        If it cannot be read, or has anything else in it.
    """
    try:
        with open(path, "rb") as stream:
            facts = tomllib.load(stream)
    except OSError as error:
        raise TaxonomyError(path, str(error.strerror)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TaxonomyError(path, f"not TOML: {error}") from error
    unknown = sorted(set(facts) - {*_MAPS, *_LISTS})
    if unknown:
        known = ", ".join((*_MAPS, *_LISTS))
        raise TaxonomyError(path, f"unknown table {', '.join(unknown)}; known are {known}")
    for table in _MAPS:
        pairs = facts.get(table, {})
        if not isinstance(pairs, dict) or not all(
            isinstance(name, str) and name.strip() for name in pairs.values()
        ):
            raise TaxonomyError(path, f"[{table}] must map genres to names")
    maps: dict[str, Any] = {table: facts.get(table, {}) for table in _MAPS}
    lists: dict[str, Any] = {
        table: _list_of(facts.get(table, {"genres": []}), table, path) for table in _LISTS
    }
    return Taxonomy(**maps, **lists, path=path)


def _list_of(table: Any, name: str, path: str) -> tuple[str, ...]:
    genres = table.get("genres") if isinstance(table, dict) and set(table) == {"genres"} else None
    if not isinstance(genres, list) or not all(isinstance(genre, str) for genre in genres):
        raise TaxonomyError(path, f'[{name}] must have one list: genres = ["..."]')
    return tuple(genres)
