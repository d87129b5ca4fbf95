"""What the report page tells: counts, charts and lists, from rows that come in pieces.

Each figure is a class: rows are added piece by piece, and what it keeps does not grow with
them. All files of a folder are in the same piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genrebeam.pipeline.views.report_statuses import in_order
from genrebeam.pipeline.views.report_table import Tracks
from genrebeam.pipeline.views.terminal import counted
from genrebeam.transforms.records import Stage, Status

_MOST_GROUPS = 100
_MOST_REASONS = 50
_MOST_FILES = 20
_N_BINS = 20
# The model has a genre for these, but they do not get it.
_NOT_GIVEN = (Status.REFUSED.value, "unsure")


@dataclass(frozen=True)
class Figures:
    """All that the page tells of rows.

    Parameters
    ----------
    counts : dict of str to int
        Files by status.
    counts_of_runs : dict of str to dict
        The same for the rows of each run.
    genres, confidence, albums, artists, problems, tracks
        What the classes of these names give.
    """

    counts: dict[str, int]
    counts_of_runs: dict[str, dict[str, int]]
    genres: list[dict[str, Any]]
    confidence: dict[str, Any] | None
    albums: dict[str, Any]
    artists: dict[str, Any]
    problems: dict[str, Any]
    tracks: dict[str, Any]


def figures(
    rows: Iterable[pa.Table], runs: Sequence[str], superseded: Collection[str] = ()
) -> Figures:
    """Go through rows once.

    Parameters
    ----------
    rows : iterable of pyarrow.Table
        See `genrebeam.pipeline.runs.run.rows_of`.
    runs : sequence of str
        Identifiers of their runs, in order.
    superseded : collection of str
        See `news_of_each`.
    """
    of_all: Counter[str] = Counter()
    of_runs: dict[str, Counter[str]] = {run: Counter() for run in runs}
    genres, confidence, problems = Genres(), Confidence(), Problems()
    albums, artists, tracks = Albums(), Artists(), Tracks(runs)
    for piece in rows:
        counted = piece.group_by(["run", "status"]).aggregate([([], "count_all")])
        for run, status, n in _tuples(counted, ("run", "status", "count_all")):
            of_runs[run][status] += n
        latest = latest_of_all(piece, runs, superseded)
        for entry in latest["status"].value_counts().to_pylist():
            of_all[entry["values"]] += entry["counts"]
        for figure in (genres, confidence, problems, albums, artists, tracks):
            figure.add(latest)
    return Figures(
        in_order(of_all),
        {run: in_order(counts) for run, counts in of_runs.items()},
        genres.found(),
        confidence.found(),
        albums.found(),
        artists.found(),
        problems.found(),
        tracks.found(),
    )


def latest_of_all(
    rows: pa.Table, runs: Sequence[str], superseded: Collection[str] = ()
) -> pa.Table:
    """What `news_of_each` gives, for the page.

    The column ``run`` becomes the run's place among `runs`.
    """
    rows = news_of_each(rows.drop_columns(["finished_at"]), runs, superseded)
    run = pc.index_in(rows["run"], pa.array(runs, pa.string())).cast(pa.int64())
    rows = _replaced(rows, "run", run)
    for name in ("title", "artist", "album"):
        blank = pc.equal(pc.utf8_trim_whitespace(rows[name]), "")
        rows = _replaced(rows, name, pc.if_else(blank, None, rows[name]))
    no_number = pc.invert(pc.is_finite(rows["confidence"]))
    rows = _replaced(rows, "confidence", pc.if_else(no_number, None, rows["confidence"]))
    folders = pc.replace_substring_regex(rows["uri"], r"/[^/]*\z", "")
    return rows.append_column("folder", folders).combine_chunks()


def news_of_each(rows: pa.Table, runs: Sequence[str], superseded: Collection[str] = ()) -> pa.Table:
    """Of each file the latest row that says more than that nothing has changed, in any order.

    Parameters
    ----------
    runs : sequence of str
        Identifiers of the rows' runs, in order.
    superseded : collection of str
        Of those after which another saw the whole library: a file that none has seen since is
        gone, and left out.
    """
    rows = rows.combine_chunks()
    if len(runs) < 2:
        return rows
    run = pc.index_in(rows["run"], pa.array(runs, pa.string())).to_numpy()
    is_news = pc.not_equal(rows["stage"], Stage.SKIP.value).to_numpy()
    order = np.lexsort((run, is_news))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    ranked = rows.select(["uri"]).append_column("rank", pa.array(rank))
    last = ranked.append_column("seen", pa.array(run)).group_by("uri")
    last = last.aggregate([("rank", "max"), ("seen", "max")])
    is_gone = np.isin(last["seen_max"].to_numpy(), [runs.index(id) for id in superseded])
    return rows.take(order[last["rank_max"].to_numpy()[~is_gone]])


def _replaced(rows: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, values)


def headline(counts: dict[str, int]) -> str:
    """What became of the files, in one sentence."""
    total = sum(counts.values())
    if not total:
        return "No file was seen"
    files = counted(total, "file")
    would = counts.get(Status.WOULD_TAG, 0)
    if would and not counts.get(Status.TAGGED):
        return f"{would:,} of {files} would be tagged"
    return f"{counts.get(Status.TAGGED, 0):,} of {files} tagged"


class Genres:
    """Tracks by genre, most first: how many have it, and how many of them new."""

    def __init__(self) -> None:
        self._all: Counter[str] = Counter()
        self._new: Counter[str] = Counter()

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        columns = [rows[name].combine_chunks() for name in ("genres_before", "genres_after")]
        track_of = [pc.list_parent_indices(column).to_numpy() for column in columns]
        texts = [pc.list_flatten(column) for column in columns]
        coded = pa.concat_arrays(texts).dictionary_encode()
        names, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy()
        # A track and a genre are one number.
        pairs = np.concatenate(track_of) * len(names) + codes
        before, after = pairs[: len(texts[0])], np.unique(pairs[len(texts[0]) :])
        is_new = np.isin(after, before, invert=True)
        for counts, some in ((self._all, after), (self._new, after[is_new])):
            n_tracks = np.bincount(some % max(len(names), 1), minlength=len(names))
            for name, tracks in zip(names, n_tracks.tolist(), strict=True):
                if tracks:
                    counts[name] += tracks

    def found(self) -> list[dict[str, Any]]:
        """Name, tracks and new tracks of each."""
        return [
            {"name": genre, "tracks": tracks, "new": self._new[genre]}
            for genre, tracks in sorted(self._all.items(), key=lambda item: (-item[1], item[0]))
        ]


class Confidence:
    """How sure the model was: a histogram and its summary."""

    def __init__(self) -> None:
        self._edges = np.linspace(0, 1, _N_BINS + 1)
        self._all = np.zeros(_N_BINS, int)
        self._refused = np.zeros(_N_BINS, int)
        self._values: list[np.ndarray] = []
        self._sum_given = 0.0

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        decided = rows.select(["confidence", "status"]).filter(pc.is_valid(rows["confidence"]))
        values = decided["confidence"].to_numpy().clip(0, 1)
        refused = pc.is_in(decided["status"], pa.array(_NOT_GIVEN)).to_numpy()
        self._all += np.histogram(values, self._edges)[0]
        self._refused += np.histogram(values[refused], self._edges)[0]
        self._sum_given += float(values[~refused].sum(dtype=float))
        # For the median: 4 bytes a track.
        self._values.append(values)

    def found(self) -> dict[str, Any] | None:
        """None where the model decided nothing."""
        tracks, n_refused = int(self._all.sum()), int(self._refused.sum())
        if not tracks:
            return None
        return {
            "tracks": tracks,
            "median": float(np.median(np.concatenate(self._values))),
            "expected": self._sum_given / (tracks - n_refused) if tracks > n_refused else None,
            "has_refused": n_refused > 0,
            "highest": int(self._all.max()),
            "bins": [
                {"from": low, "to": high, "tracks": int(some), "refused": int(refused)}
                for low, high, some, refused in zip(
                    self._edges[:-1], self._edges[1:], self._all, self._refused, strict=True
                )
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


def _counted(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Tracks by group and genre: the keys, ``genre`` and ``tracks``."""
    valid = pc.and_(
        pc.greater(pc.list_value_length(rows["genres_after"]), 0), pc.is_valid(rows[keys[0]])
    )
    rows = rows.select([*keys, "genres_after"]).filter(valid)
    rows = rows.append_column("genre", pc.list_element(rows["genres_after"], 0))
    counted = rows.group_by([*keys, "genre"]).aggregate([([], "count_all")])
    return counted.rename_columns([*keys, "genre", "tracks"])


def _apart(counted: pa.Table, keys: Sequence[str]) -> tuple[int, int, list[Group]]:
    """How many groups have several tracks, how many several genres, the most divided of these."""
    groups = counted.group_by(list(keys)).aggregate(
        [("tracks", "sum"), ("tracks", "max"), ("tracks", "count")]
    )
    groups = groups.filter(pc.greater(groups["tracks_sum"], 1))
    apart = groups.filter(pc.greater(groups["tracks_count"], 1))
    share = pc.divide(apart["tracks_max"].cast(pa.float64()), apart["tracks_sum"])
    order = [
        ("share", "ascending"),
        ("tracks_sum", "descending"),
        *((k, "ascending") for k in keys),
    ]
    worst = apart.append_column("share", share).sort_by(order).slice(0, _MOST_GROUPS)
    genres_of: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    some = counted.filter(pc.is_in(counted[keys[0]], worst[keys[0]]))
    for *key, genre, tracks in _tuples(some, (*keys, "genre", "tracks")):
        genres_of.setdefault(tuple(key), []).append((genre, tracks))
    found = []
    for *names, tracks, agree in _tuples(worst, (*keys, "tracks_sum", "tracks_max")):
        parts = sorted(genres_of[tuple(names)], key=lambda part: (-part[1], part[0]))
        found.append(Group(tuple(names), tracks, agree, parts))
    return len(groups), len(apart), found


class Albums:
    """Do the tracks of an album have one genre? Those that disagree most come first.

    Albums of one name in different folders are different albums, so that all of one is in the
    same piece.
    """

    _KEYS = ("album", "folder")

    def __init__(self) -> None:
        self._n_groups = self._n_apart = 0
        self._worst: list[Group] = []

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        n_groups, n_apart, worst = _apart(_counted(rows, self._KEYS), self._KEYS)
        self._n_groups += n_groups
        self._n_apart += n_apart
        self._name_artists(rows, worst)
        self._worst = sorted(
            [*self._worst, *worst],
            key=lambda group: (group.agree / group.tracks, -group.tracks, group.key),
        )[:_MOST_GROUPS]

    def _name_artists(self, rows: pa.Table, albums: list[Group]) -> None:
        named = rows.filter(
            pc.is_in(rows["album"], pa.array({a.key[0] for a in albums}, pa.string()))
        )
        named = named.filter(pc.greater(pc.list_value_length(named["genres_after"]), 0))
        artists = named.group_by(list(self._KEYS)).aggregate(
            [("artist", "min"), ("artist", "count_distinct")]
        )
        names = {
            tuple(key): first if n == 1 else "Various artists" if n else None
            for *key, first, n in _tuples(
                artists, (*self._KEYS, "artist_min", "artist_count_distinct")
            )
        }
        for album in albums:
            album.by = names[album.key]

    def found(self) -> dict[str, Any]:
        """How many there are, how many disagree, and the first of these."""
        return {"groups": self._n_groups, "n_apart": self._n_apart, "apart": self._worst}


class Artists:
    """Do the tracks of an artist have one genre? What is kept grows with their number."""

    _KEYS = ("artist",)

    def __init__(self) -> None:
        self._counted: pa.Table | None = None

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        counted = _counted(rows, self._KEYS)
        if self._counted is not None:
            both = pa.concat_tables([self._counted, counted]).group_by([*self._KEYS, "genre"])
            counted = both.aggregate([("tracks", "sum")])
            counted = counted.rename_columns([*self._KEYS, "genre", "tracks"])
        self._counted = counted

    def found(self) -> dict[str, Any]:
        """How many there are, how many disagree, and the first of these."""
        if self._counted is None:
            return {"groups": 0, "n_apart": 0, "apart": []}
        n_groups, n_apart, worst = _apart(self._counted, self._KEYS)
        return {"groups": n_groups, "n_apart": n_apart, "apart": worst}


def _tuples(table: pa.Table, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)


class Problems:
    """Files left alone for a reason that a person can mend: failures first, by reason.

    Files that the vote refused are no problem; the table begins with them.
    """

    _KEYS = ("status", "stage", "reason")

    def __init__(self) -> None:
        self._tracks: Counter[tuple[str, ...]] = Counter()
        self._files: dict[tuple[str, ...], list[str]] = {}

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        refused = pc.and_(
            pc.equal(rows["status"], Status.REFUSED.value),
            pc.not_equal(rows["stage"], Stage.VOTE.value),
        )
        bad = rows.select([*self._KEYS, "uri"])
        bad = bad.filter(pc.or_(pc.equal(rows["status"], Status.FAILED.value), refused))
        groups = bad.group_by(list(self._KEYS)).aggregate([("uri", "list")])
        for *names, uris in _tuples(groups, (*self._KEYS, "uri_list")):
            key = tuple(names)
            self._tracks[key] += len(uris)
            self._files[key] = sorted([*self._files.get(key, ()), *uris])[:_MOST_FILES]

    def found(self) -> dict[str, Any]:
        """How many files and reasons there are, and the first of these."""
        first = sorted(self._tracks, key=lambda key: (key[0], -self._tracks[key], key[1], key[2]))[
            :_MOST_REASONS
        ]
        return {
            "files": self._tracks.total(),
            "reasons": len(self._tracks),
            "groups": [
                {
                    **dict(zip(self._KEYS, key, strict=True)),
                    "tracks": self._tracks[key],
                    "files": self._files[key],
                }
                for key in first
            ],
        }
