"""What the model said of the tracks in the report's table, at the level of what it decided.

A model with families decides a family, such as Rock, or one of its styles, such as Punk. Numbers of
one level are never set beside genres of the other: a Rock of 95 % can have no style above 30 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.model.vocabulary import family_of

GENRE, FAMILY, STYLE = 0, 1, 2
# How many of the likeliest are shown.
_N_BEST = 3
# What two float32 that were the same may differ by.
_SAME = 1e-5


@dataclass(frozen=True)
class Levels:
    """What was said of each row.

    Parameters
    ----------
    genres : list of str
        That the numbers below are of.
    families : list of str
        Those of the genres that are families in some row.
    level : list of int
        `GENRE` where the model has no families, else `FAMILY` or `STYLE`.
    decided : list of int
        The number of the genre that the row's confidence is of; -1 where nothing was decided.
    best : list of list of int
        The likeliest of the same level, what the track itself decided first: each a genre's number
        and its probability in tenths of a percent.
    other : list of list of int
        The same for the level that was not decided: the style of a family, or the family of a
        style. Empty where there is none, and where the album decided.
    together : list of int
        How many tracks decided together; 0 where the track decided alone.
    """

    genres: list[str]
    families: list[str]
    level: list[int]
    decided: list[int]
    best: list[list[int]]
    other: list[list[int]]
    together: list[int]


def levels_of(rows: pa.Table, asked: np.ndarray) -> Levels:
    """What the model said of rows.

    Parameters
    ----------
    rows : pyarrow.Table
        Of a report.
    asked : np.ndarray
        ``(n,) bool``: rows of which families are shown, whatever was decided.
    """
    said = _Said.of(rows)
    family, style, after = (rows[name].to_pylist() for name in ("family", "style", "genres_after"))
    numbers = {
        name: np.nan_to_num(rows[name].cast(pa.float64()).to_numpy(), nan=-1.0)
        for name in ("confidence", "family_confidence", "style_confidence")
    }
    families = {name for name in family if name is not None}
    has_families = pc.is_valid(rows["family"]).to_numpy()
    has_style = pc.not_equal(rows["style"], rows["family"]).fill_null(False).to_numpy()
    by_family = np.abs(numbers["confidence"] - numbers["family_confidence"])
    by_style = np.abs(numbers["confidence"] - numbers["style_confidence"])
    # Where its album decided, both numbers are the album's, and the likeliest are the track's own.
    together = np.where(asked, 0, rows["tracks_voted"].fill_null(0).to_numpy())
    together = np.where(together > 1, together, 0)
    given = has_families & np.array([bool(genres) for genres in after], bool)
    of_neither = (np.minimum(by_family, by_style) > _SAME) & ~asked & given
    by_others = of_neither | (together > 0) & given
    is_style = np.where(
        of_neither,
        [bool(genres) and not _is_family(genres[0], families) for genres in after],
        has_style & (by_style < by_family) & ~asked,
    )
    level = np.where(has_families, np.where(is_style, STYLE, FAMILY), GENRE)
    of_genres = _ranked(said, level != FAMILY, len(rows))
    of_families = _ranked(_in_families(said, rows), level == FAMILY, len(rows))

    names: dict[str, int] = {}
    decided, best, other = [], [], []
    for i, found in enumerate(level.tolist()):
        ranked = of_families[i] if found == FAMILY else of_genres[i]
        own = {GENRE: None, FAMILY: family[i], STYLE: style[i]}[found]
        if by_others[i]:
            first: str | None = after[i][0]
        else:
            ranked = _decided_first(ranked, own, found, numbers, i)
            first = ranked[0][0] if ranked else None
        decided.append(-1 if first is None else names.setdefault(first, len(names)))
        best.append(_numbered(ranked[:_N_BEST], names))
        beside: list[tuple[str, float]] = []
        if found == FAMILY and has_style[i] and not asked[i] and not of_neither[i]:
            beside = [(style[i], numbers["style_confidence"][i])]
        elif found == STYLE and not of_neither[i]:
            beside = [(family[i], numbers["family_confidence"][i])]
        other.append(_numbered([pair for pair in beside if pair[1] >= 0], names))
    return Levels(
        *(list(names), sorted(families), level.tolist(), decided, best, other),
        together=together.tolist(),
    )


def _is_family(genre: str, families: set[str]) -> bool:
    return genre in families or family_of(genre) == genre


def _decided_first(
    ranked: list[tuple[str, float]],
    decided: str | None,
    level: int,
    numbers: dict[str, np.ndarray],
    row: int,
) -> list[tuple[str, float]]:
    """What was decided with the row's own number, then the others."""
    if level == GENRE:
        confidence = float(numbers["confidence"][row])
        same = [name for name, p in ranked if abs(p - confidence) < _SAME]
        decided = same[0] if same else None
    if decided is None:
        return ranked
    own = {FAMILY: "family_confidence", STYLE: "style_confidence"}.get(level, "confidence")
    return [
        (decided, float(numbers[own][row])),
        *(pair for pair in ranked if pair[0] != decided),
    ]


def _numbered(pairs: list[tuple[str, float]], names: dict[str, int]) -> list[int]:
    return [
        value
        for name, p in pairs
        for value in (names.setdefault(name, len(names)), round(1000 * min(max(p, 0.0), 1.0)))
    ]


@dataclass(frozen=True)
class _Said:
    """Probabilities of all rows in one: row, name and probability of each.

    Parameters
    ----------
    row : np.ndarray
        ``(n,) int64``, ascending.
    code : np.ndarray
        ``(n,) int64``, places in `names`.
    p : np.ndarray
        ``(n,) float64``, finite.
    """

    row: np.ndarray
    code: np.ndarray
    p: np.ndarray
    names: list[str]

    @classmethod
    def of(cls, rows: pa.Table) -> _Said:
        column: Any = rows["probabilities"].combine_chunks()
        offsets = column.offsets.to_numpy()
        row = np.repeat(np.arange(len(rows)), np.diff(offsets))
        keys = column.keys.slice(offsets[0], offsets[-1] - offsets[0]).dictionary_encode()
        p = column.items.slice(offsets[0], offsets[-1] - offsets[0]).cast(pa.float64())
        p = p.to_numpy(zero_copy_only=False)
        is_known = np.isfinite(p)
        code = keys.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(row[is_known], code[is_known], p[is_known], keys.dictionary.to_pylist())


def _in_families(said: _Said, rows: pa.Table) -> _Said:
    """The same by family: the sum of its styles."""
    seen = rows.filter(pc.is_valid(rows["family"])).group_by(["style", "family"]).aggregate([])
    own = dict(zip(seen["style"].to_pylist(), seen["family"].to_pylist(), strict=True))
    family_names = set(own.values())
    of_name = [
        name if name in family_names else own.get(name) or family_of(name) or name
        for name in said.names
    ]
    names = sorted(set(of_name))
    place = {name: i for i, name in enumerate(names)}
    code = np.array([place[name] for name in of_name], np.int64)[said.code]
    pairs, inverse = np.unique(said.row * max(len(names), 1) + code, return_inverse=True)
    p = np.bincount(inverse, said.p, len(pairs))
    return _Said(pairs // max(len(names), 1), pairs % max(len(names), 1), p, names)


def _ranked(said: _Said, wanted: np.ndarray, n_rows: int) -> list[list[tuple[str, float]]]:
    """Of each wanted row the likeliest, one more than is shown."""
    chosen = wanted[said.row]
    row, code, p = said.row[chosen], said.code[chosen], said.p[chosen]
    order = np.lexsort((-p, row))
    row, code, p = row[order], code[order], p[order]
    starts = np.searchsorted(row, np.arange(n_rows))
    first = np.arange(len(row)) - starts[row] <= _N_BEST
    found: list[list[tuple[str, float]]] = [[] for _ in range(n_rows)]
    for i, number, chance in zip(
        row[first].tolist(), code[first].tolist(), p[first].tolist(), strict=True
    ):
        found[i].append((said.names[number], chance))
    return found
