"""Taxonomy: the user's own names for the model's genres.

A TOML file with up to three tables::

    [rename]                 # another spelling
    "Hip-Hop" = "Rap"

    [parent]                 # genres that become one: their probabilities are added
    "Metal" = "Rock"
    "Disco" = "Pop"

    [drop]                   # never written; a track that would get one is refused
    genres = ["Reggae"]

Parents come first, then names: ``[rename] "Rock" = "Rock & Metal"`` names the parent too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genrebeam.model.errors import PathError
from genrebeam.model.genres import join_columns

if TYPE_CHECKING:
    import numpy as np


class TaxonomyError(PathError):
    """A taxonomy file that cannot be used."""


@dataclass(frozen=True)
class Taxonomy:
    """What becomes of the model's genres.

    Parameters
    ----------
    rename, parent : dict of str to str
    drop : tuple of str
    path : str
        Where it was read from.
    """

    rename: dict[str, str] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
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
        known = {*genres, *families, *self.parent.values()}
        unknown = sorted({*self.rename, *self.parent, *self.drop} - known)
        if unknown:
            raise TaxonomyError(
                self.path,
                f"{', '.join(unknown)}: not a genre of the model, which knows {', '.join(genres)}",
            )
        for child, parent in self.parent.items():
            if parent in self.parent:
                raise TaxonomyError(self.path, f"{child}: its parent {parent} has a parent itself")
        mapped = sorted({*self.rename, *self.drop} & set(self.parent))
        if mapped:
            raise TaxonomyError(
                self.path, f"{', '.join(mapped)}: becomes its parent; rename or drop that"
            )
        for name in (*self.rename.values(), *self.parent.values()):
            if reason := unwritable(name):
                raise TaxonomyError(self.path, f"{name!r}: {reason}")
        names = [self._name(genre) for genre in {self._family(genre) for genre in genres}]
        folded = [name.casefold() for name in names]
        twice = sorted(name for name in names if folded.count(name.casefold()) > 1)
        if twice:
            raise TaxonomyError(
                self.path, f"{', '.join(twice)}: several genres get this name; map them to a parent"
            )

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
        joined, families = join_columns(probabilities, [self._family(genre) for genre in genres])
        dropped = {self._name(family) for family in families if family in self.drop}
        return joined, [self._name(family) for family in families], dropped

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
        known = dict(zip(genres, families, strict=True)) | {name: name for name in families}
        joined = list(dict.fromkeys(self._family(genre) for genre in genres))
        return [self._name(known.get(name, name)) for name in joined]

    def name_of(self, genre: str) -> str:
        """What a genre of the model is written as."""
        return self._name(self._family(genre))

    def _family(self, genre: str) -> str:
        return self.parent.get(genre, genre)

    def _name(self, family: str) -> str:
        return self.rename.get(family, family)


def unwritable(name: str) -> str | None:
    """Why a genre would not be read back from a tag as it was written, or None.

    Parameters
    ----------
    name : str

    Returns
    -------
    str or None
    """
    from mutagen.id3 import TCON  # late, as above

    if name != name.strip() or not name.isprintable():
        return "has spaces at an end, or characters that cannot be seen"
    if TCON(encoding=3, text=[name]).genres != [name]:
        return "is another genre's number in ID3"
    return None


def load_taxonomy(path: str) -> Taxonomy:
    """Read a taxonomy file.

    Parameters
    ----------
    path : str

    Returns
    -------
    Taxonomy

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
    unknown = sorted(set(facts) - {"rename", "parent", "drop"})
    if unknown:
        raise TaxonomyError(
            path, f"unknown table {', '.join(unknown)}; known are rename, parent, drop"
        )
    for table in ("rename", "parent"):
        pairs = facts.get(table, {})
        if not isinstance(pairs, dict) or not all(
            isinstance(name, str) and name.strip() for name in pairs.values()
        ):
            raise TaxonomyError(path, f"[{table}] must map genres to names")
    drop = facts.get("drop", {"genres": []})
    genres = drop.get("genres") if isinstance(drop, dict) and set(drop) == {"genres"} else None
    if not isinstance(genres, list) or not all(isinstance(genre, str) for genre in genres):
        raise TaxonomyError(path, '[drop] must have one list: genres = ["..."]')
    return Taxonomy(facts.get("rename", {}), facts.get("parent", {}), tuple(genres), path)
