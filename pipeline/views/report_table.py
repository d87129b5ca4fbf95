"""The table of the report page: which tracks it has, and their data by column."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.model.colours import GREY, colour_of
from genrebeam.pipeline.views.report_levels import levels_of
from genrebeam.pipeline.views.report_statuses import in_order, shown
from genrebeam.transforms.records import Status

# More rows make the page slow to open; the Parquet has them all.
_MOST_ROWS = 50_000
_MOST_OFFERED = 500


class Tracks:
    """The table's data by column, least certain first, then what failed, then the rest.

    Where there are too many tracks, it has first what failed, then what a person is asked, then
    what was refused, then what was changed (see `StatusStyle.place`), and of each the least
    certain.

    Texts are sorted and appear once; a column has their numbers (-1: none), which thus sort
    as the texts do. Probabilities are in tenths of a percent.

    Parameters
    ----------
    runs : sequence of str
        Identifiers of the runs that the column ``run`` tells of.
    """

    def __init__(self, runs: Sequence[str]) -> None:
        self.runs = runs
        self._kept: list[pa.Table] = []
        self._last: dict[str, Any] | None = None

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        rows = rows.append_column("place", pa.array(_places(rows)))
        if self._last is not None:
            last = self._last
            tie = pc.equal(rows["place"], last["place"])
            has_room = pc.or_(
                pc.less(rows["place"], last["place"]),
                pc.and_(tie, pc.less(rows["uri"], last["uri"])),
            )
            rows = rows.filter(has_room)
        self._kept.append(rows)
        if sum(map(len, self._kept)) >= 2 * _MOST_ROWS:
            self._cut()

    def found(self) -> dict[str, Any]:
        """The data, as ``templates/report.js`` reads it."""
        self._cut()
        return _table(self._kept[0].sort_by("uri"), self.runs)

    def _cut(self) -> None:
        """Keep the rows that have room, in the order of what decides that."""
        rows = pa.concat_tables(self._kept)
        order = [("place", "ascending"), ("uri", "ascending")]
        first = pc.sort_indices(rows.select(["place", "uri"]), order).slice(0, _MOST_ROWS)
        rows = rows.take(first).combine_chunks()
        self._kept = [rows]
        if len(rows) == _MOST_ROWS:
            self._last = rows.select(["place", "uri"]).slice(_MOST_ROWS - 1).to_pylist()[0]


def _places(rows: pa.Table) -> np.ndarray:
    """What decides which rows have room: the lower, the rather; ``(n,) float64``."""
    coded = rows["status"].combine_chunks().dictionary_encode()
    places = np.array([shown(status).place for status in coded.dictionary.to_pylist()], int)
    kind = places[coded.indices.to_numpy()] if len(rows) else np.zeros(0, int)
    confidence = pc.fill_null(rows["confidence"].cast(pa.float64()), 1.5).to_numpy()
    return 2 * kind + confidence.clip(0, 1.5)


def _table(rows: pa.Table, runs: Sequence[str]) -> dict[str, Any]:
    confidence = rows["confidence"].to_numpy()
    not_analysed = np.isnan(confidence)
    failed = pc.equal(rows["status"], Status.FAILED.value).to_numpy()
    rows = rows.take(np.lexsort((confidence, not_analysed & ~failed, not_analysed)))
    columns = {
        name: rows[name].to_pylist() for name in rows.column_names if name != "probabilities"
    }
    names = [uri.rpartition("/")[2] for uri in columns["uri"]]
    titles = [title or name for title, name in zip(columns["title"], names, strict=True)]
    asked = [shown(status).tone == "asked" for status in columns["status"]]
    levels = levels_of(rows, np.array(asked, bool))
    after = [tuple(genres) or None for genres in columns["genres_after"]]
    return {
        "rows": len(rows),
        "columns": {
            "title": _numbered(titles),
            "file": _numbered(names),
            **{
                name: _numbered(columns[name])
                for name in ("folder", "artist", "album", "status", "stage", "reason")
            },
            "before": _numbered([tuple(genres) or None for genres in columns["genres_before"]]),
            "after": _numbered(after),
        },
        "runs": runs,
        "run": columns["run"],
        "seconds": [_whole(seconds) for seconds in columns["duration_s"]],
        "confidence": [-1 if p is None else round(1000 * p) for p in columns["confidence"]],
        "genres": levels.genres,
        "vocabulary": _vocabulary(rows),
        "level": levels.level,
        "decided": levels.decided,
        "best": levels.best,
        "other": levels.other,
        "together": levels.together,
        "families": levels.families,
        "tones": {status: shown(status).tone for status in in_order(Counter(columns["status"]))},
        "colours": _colours([*levels.genres, *(genres[0] for genres in set(after) if genres)]),
    }


def _colours(genres: Iterable[str]) -> dict[str, str]:
    """Of genres whose family is known; a page shows all others in grey."""
    found = {genre: colour_of(genre) for genre in sorted(set(genres))}
    return {genre: colour for genre, colour in found.items() if colour != GREY}


def _vocabulary(rows: pa.Table) -> list[str]:
    """Genres to offer a person: the model's, under the names it writes, and those in files."""
    known: set[str] = set(pc.unique(rows["family"]).drop_null().to_pylist())
    for pairs in rows["probabilities"].chunks:
        known.update(pairs.keys.unique().to_pylist())
    for name in ("genres_before", "genres_after"):
        found = pc.list_flatten(rows[name]).value_counts().to_pylist()
        often = sorted(found, key=lambda entry: -entry["counts"])
        known.update(entry["values"] for entry in often[:_MOST_OFFERED])
    return sorted(known, key=_place)


def _whole(seconds: float | None) -> int:
    """-1 where headers of damaged files promise anything."""
    if seconds is None or not 0 <= seconds < 1e6:
        return -1
    return round(seconds)


def _numbered(values: Sequence[Any]) -> dict[str, list[Any]]:
    known = sorted({value for value in values if value is not None}, key=_place)
    number = {value: i for i, value in enumerate(known)}
    return {"values": known, "numbers": [number.get(value, -1) for value in values]}


def _place(value: str | tuple[str, ...]) -> tuple[str, str]:
    """Where a text stands in the alphabet: without accents, whatever its case."""
    text = value if isinstance(value, str) else "\0".join(value)
    if text.isascii():
        return text.casefold(), text
    letters = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(letters).casefold(), text
