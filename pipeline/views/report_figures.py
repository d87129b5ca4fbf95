"""What the report page tells: counts, charts, lists and the table's columns, from rows."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# More rows make the page slow to open; the Parquet has them all.
_MOST_ROWS = 50_000
_MOST_GROUPS = 100
_MOST_REASONS = 50
_MOST_FILES = 20
_N_BEST = 3
_MOST_OFFERED = 500
_N_BINS = 20


def latest_of_all(reports: Sequence[pa.Table]) -> pa.Table:
    """Of each file the latest row that says more than that nothing has changed; by path."""
    run = np.repeat(np.arange(len(reports)), [len(report) for report in reports])
    rows = pa.concat_tables(reports).append_column("run", pa.array(run)).combine_chunks()
    is_news = pc.not_equal(rows["stage"], "skip").to_numpy()
    # A runner that tries something again may report a file twice in one run.
    order = np.lexsort((rows["finished_at"].cast(pa.int64()).to_numpy(), run, is_news))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    last = rows.select(["uri"]).append_column("rank", pa.array(rank)).group_by("uri")
    last = last.aggregate([("rank", "max")]).sort_by("uri")
    rows = rows.take(order[last["rank_max"].to_numpy()]).drop_columns(["finished_at"])
    for name in ("title", "artist", "album"):
        blank = pc.equal(pc.utf8_trim_whitespace(rows[name]), "")
        rows = _replaced(rows, name, pc.if_else(blank, None, rows[name]))
    no_number = pc.invert(pc.is_finite(rows["confidence"]))
    rows = _replaced(rows, "confidence", pc.if_else(no_number, None, rows["confidence"]))
    return rows.append_column("folder", pc.replace_substring_regex(rows["uri"], r"/[^/]*\z", ""))


def _replaced(rows: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, values)


def headline(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    if not total:
        return "No file was seen"
    files = f"{total:,} file{'' if total == 1 else 's'}"
    would = counts.get("would_tag", 0)
    if would and not counts.get("tagged"):
        return f"{would:,} of {files} would be tagged"
    return f"{counts.get('tagged', 0):,} of {files} tagged"


def genres(rows: pa.Table) -> list[dict[str, Any]]:
    """Tracks by genre, most first: how many have it, and how many of them new."""
    had: Counter[str] = Counter()
    new: Counter[str] = Counter()
    names = ("genres_before", "genres_after")
    for batch in rows.select(names).to_batches(max_chunksize=10_000):
        for before, after in _tuples(batch, names):
            for genre in dict.fromkeys(after):
                (had if genre in before else new)[genre] += 1
    total = had + new
    return [
        {"name": genre, "tracks": tracks, "new": new[genre]}
        for genre, tracks in sorted(total.items(), key=lambda item: (-item[1], item[0]))
    ]


def confidence(rows: pa.Table) -> dict[str, Any] | None:
    """How sure the model was: a histogram and its summary; None where it heard nothing."""
    heard = rows.select(["confidence", "status"]).filter(pc.is_valid(rows["confidence"]))
    if not len(heard):
        return None
    values = heard["confidence"].to_numpy().clip(0, 1)
    refused = pc.equal(heard["status"], "refused").to_numpy()
    edges = np.linspace(0, 1, _N_BINS + 1)
    bins = np.histogram(values, edges)[0], np.histogram(values[refused], edges)[0]
    given = values[~refused]
    return {
        "tracks": len(values),
        "median": float(np.median(values)),
        "expected": float(given.mean()) if len(given) else None,
        "has_refused": bool(refused.any()),
        "highest": int(bins[0].max()),
        "bins": [
            {"from": low, "to": high, "tracks": int(tracks), "refused": int(some)}
            for low, high, tracks, some in zip(edges[:-1], edges[1:], *bins, strict=True)
        ],
    }


@dataclass
class Group:
    """Tracks that belong together: an album or all of an artist.

    Parameters
    ----------
    key : tuple of str
        What makes them a group, such as album and folder.
    tracks, agree : int
        All of them, and those that have the most frequent genre.
    genres : list of (str, int)
        Genres and tracks, the most frequent first.
    by : str or None
        An album's artist.
    """

    key: tuple[str, ...]
    tracks: int
    agree: int
    genres: list[tuple[str, int]]
    by: str | None = None


def consistency(rows: pa.Table, keys: Sequence[str]) -> dict[str, Any]:
    """Do tracks that belong together have one genre? Those that disagree most come first.

    Albums of one name in different folders are different albums.
    """
    valid = pc.and_(
        pc.greater(pc.list_value_length(rows["genres_after"]), 0), pc.is_valid(rows[keys[0]])
    )
    rows = rows.select(list(dict.fromkeys([*keys, "artist", "genres_after"]))).filter(valid)
    rows = rows.append_column("genre", pc.list_element(rows["genres_after"], 0))
    found: dict[tuple[str, ...], dict[str, int]] = {}
    counted = rows.group_by([*keys, "genre"]).aggregate([([], "count_all")])
    for *key, genre, tracks in _tuples(counted, (*keys, "genre", "count_all")):
        found.setdefault(tuple(key), {})[genre] = tracks
    groups = []
    for group_key, tracks_of in found.items():
        tracks, most = sum(tracks_of.values()), max(tracks_of.values())
        if tracks > 1:
            parts = sorted(tracks_of.items(), key=lambda part: (-part[1], part[0]))
            groups.append(Group(group_key, tracks, most, parts))
    apart = sorted(
        (group for group in groups if len(group.genres) > 1),
        key=lambda group: (group.agree / group.tracks, -group.tracks, group.key),
    )[:_MOST_GROUPS]
    n_apart = sum(len(group.genres) > 1 for group in groups)
    if keys[0] == "album":
        _name_artists(rows, keys, apart)
    return {"groups": len(groups), "n_apart": n_apart, "apart": apart}


def _name_artists(rows: pa.Table, keys: Sequence[str], albums: list[Group]) -> None:
    artists = rows.group_by(list(keys)).aggregate([("artist", "min"), ("artist", "count_distinct")])
    names = {
        tuple(key): first if n == 1 else "Various artists" if n else None
        for *key, first, n in _tuples(artists, (*keys, "artist_min", "artist_count_distinct"))
    }
    for album in albums:
        album.by = names[album.key]


def _tuples(table: pa.Table | pa.RecordBatch, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)


def problems(rows: pa.Table) -> dict[str, Any]:
    """Files left alone for a reason that a person can mend: failures first, by reason.

    Files that the vote refused are no problem; the table begins with them.
    """
    refused = pc.and_(pc.equal(rows["status"], "refused"), pc.not_equal(rows["stage"], "vote"))
    names = ("status", "stage", "reason")
    bad = rows.select([*names, "uri"])
    bad = bad.filter(pc.or_(pc.equal(rows["status"], "failed"), refused))
    groups = bad.group_by(list(names)).aggregate([([], "count_all"), ("uri", "list")])
    found = [
        {
            "status": status,
            "stage": stage,
            "reason": reason,
            "tracks": tracks,
            "files": uris[:_MOST_FILES],
        }
        for status, stage, reason, tracks, uris in _tuples(
            groups, (*names, "count_all", "uri_list")
        )
    ]
    found.sort(
        key=lambda group: (group["status"], -group["tracks"], group["stage"], group["reason"])
    )
    return {"files": len(bad), "reasons": len(found), "groups": found[:_MOST_REASONS]}


def table(rows: pa.Table, runs: Sequence[str]) -> dict[str, Any]:
    """The table's data by column, least certain first, then what failed, then the rest.

    Texts are sorted and appear once; a column has their numbers (-1: none), which thus sort
    as the texts do. Probabilities are in tenths of a percent.
    """
    confidence = rows["confidence"].to_numpy()
    unheard = np.isnan(confidence)
    failed = pc.equal(rows["status"], "failed").to_numpy()
    order = np.lexsort((confidence, unheard & ~failed, unheard))[:_MOST_ROWS]
    rows = rows.take(order)
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    names = [uri.rpartition("/")[2] for uri in columns["uri"]]
    titles = [title or name for title, name in zip(columns["title"], names, strict=True)]
    heard = (
        [(g, p) for g, p in pairs or () if math.isfinite(p)] for pairs in columns["probabilities"]
    )
    best = [sorted(pairs, key=lambda pair: -pair[1])[:_N_BEST] for pairs in heard]
    genres = sorted({genre for pairs in best for genre, _ in pairs})
    number = {genre: i for i, genre in enumerate(genres)}
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
            "after": _numbered([tuple(genres) or None for genres in columns["genres_after"]]),
        },
        "runs": runs,
        "run": columns["run"],
        "seconds": [_whole(seconds) for seconds in columns["duration_s"]],
        "confidence": [-1 if p is None else round(1000 * p) for p in columns["confidence"]],
        "genres": genres,
        "vocabulary": _vocabulary(rows),
        "best": [
            [v for genre, p in pairs for v in (number[genre], round(1000 * p))] for pairs in best
        ],
    }


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
