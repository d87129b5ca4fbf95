"""Analysed: the newest embedding of each track of a library, found in all its reports.

A report's row of a file that was not analysed in its run has no embedding; that of an earlier run
counts then, also under another name if the file was moved. Embeddings of different networks
cannot be compared: the newest network's count. Models on one backbone share it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.home import is_home
from genrebeam.pipeline.runs.run import Run, holds, runs_of, superseded
from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.records import LEFT_ALONE, Status, printable
from genrebeam.transforms.reports.read import latest_rows, parts_of, warn_unreadable
from genrebeam.transforms.storage import path_of, storage_of

_FACTS = (
    *("uri", "status", "title", "artist", "album", "format", "duration_s", "sample_rate_hz"),
    *("bitrate_bps", "size_bytes", "fingerprint"),
)
_KEYS = ("uri", "fingerprint", "model_name", "model_version", "extract_s")
# Rows of files that there is something to analyse in.
_MUSIC = [status for status in Status if status not in LEFT_ALONE]
# 50 MB of the default model's embeddings.
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Analysed:
    """The tracks of a library that a model has analysed.

    Parameters
    ----------
    tracks : pyarrow.Table
        A row for each, with facts of the newest run that saw it; ``part`` and ``row`` say
        where its embedding is.
    parts : sequence of str
        Paths of files that embeddings are in.
    n_not_analysed : int
        Other tracks of the library: the model has not analysed them.
    library : str or None
        What the newest run analysed.
    report : str
        The reports' home.
    """

    model_name: str
    model_version: str
    tracks: pa.Table
    parts: Sequence[str]
    n_not_analysed: int
    library: str | None
    report: str

    @property
    def model(self) -> str:
        """Name and version of what made the embeddings."""
        return f"{self.model_name} {self.model_version}"

    def embeddings(self, numbers: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, ...]]:
        """Read embeddings, some thousands at a time.

        Parameters
        ----------
        numbers : np.ndarray, optional
            Rows of `tracks`, ``(n,) int``; by default all. They come in another order.

        Yields
        ------
        numbers : np.ndarray
            ``(m,) int``.
        embeddings : np.ndarray
            ``(m, d) float32``, each of length 1.
        """
        part = self.tracks["part"].to_numpy()
        row = self.tracks["row"].to_numpy()
        numbers = np.arange(len(self.tracks)) if numbers is None else np.asarray(numbers)
        numbers = numbers[np.lexsort((row[numbers], part[numbers]))]
        needed, begins = np.unique(part[numbers], return_index=True)
        opened = storage_of(self.report).opened(self.parts[number] for number in needed)
        for (_, open_part), of_part in zip(opened, np.split(numbers, begins)[1:], strict=True):
            with open_part() as stream:
                yield from _embeddings_in(stream, of_part, row[of_part])

    def embedding(self, number: int) -> np.ndarray:
        """The embedding of one track: ``(d,) float32`` of length 1."""
        ((_, found),) = self.embeddings(np.array([number]))
        return found[0]

    def find(self, path: str) -> int | None:
        """The row of a track, by its name or, where it was moved since, by what is in it.

        Parameters
        ----------
        path : str
            Absolute.
        """
        names = dict.fromkeys((printable(path), printable(os.path.realpath(path))))
        for column, values in (("uri", [*names]), ("fingerprint", [fingerprint(path)])):
            for value in values:
                place = -1 if value is None else pc.index(self.tracks[column], value).as_py()
                if place >= 0:
                    return place
        return None

    @property
    def how_to_analyse(self) -> str:
        """The command that analyses all of the library and writes nothing into it."""
        return how_to_analyse(self.library or "LIBRARY", self.report)


def how_to_analyse(library: str, report: str) -> str:
    """The command that analyses music, whatever genre it has, and writes nothing into it."""
    where = "" if is_home(report) else f" --report {shlex.quote(report)}"
    name = library if library == "LIBRARY" else shlex.quote(library)
    return f"genrebeam tag {name} --existing replace --dry-run{where}"


def _widest(libraries: Sequence[str]) -> str | None:
    """Of libraries, the newest first, the widest around the newest: that may be an album."""
    return min((one for one in libraries if holds(one, libraries[0])), key=len, default=None)


def analysed_tracks(report: str, more: Sequence[str] = ()) -> Analysed:
    """Find the newest embedding of each track.

    Parameters
    ----------
    report : str
        Absolute path of the reports' home.
    more : sequence of str, optional
        Further columns of the report that `tracks` shall have.

    Returns
    -------
    Analysed
        With one track at least. Files that a later run over all of their library did not see,
        under any name, are left out.

    Raises
    ------
    UsageError
        If the reports cannot be read, or have no embeddings.
    """
    try:
        seen, embedded, parts, libraries = _read(runs_of(report), (*_FACTS, *more))
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise UsageError(f"{report}: cannot be read ({reason})") from error
    library = _widest([library for library in libraries if library])
    if not len(embedded):
        command = how_to_analyse(library or "LIBRARY", report)
        raise UsageError(f"{report}: has no embeddings; to analyse your music: {command}")
    name, version = (embedded[column][0].as_py() for column in ("model_name", "model_version"))
    embedded = embedded.filter(pc.equal(embedded["space"], embedded["space"][0]))
    seen, embedded = _first_of_each(seen), _first_of_each(embedded)
    place = pc.index_in(seen["uri"], embedded["uri"])
    moved_from = pc.index_in(
        seen["fingerprint"], embedded["fingerprint"].combine_chunks(), skip_nulls=True
    )
    place = pc.coalesce(place, moved_from)
    is_analysed = pc.is_valid(place)
    where = embedded.select(["part", "row"]).take(place.filter(is_analysed))
    tracks = seen.filter(is_analysed)
    for column in where.column_names:
        tracks = tracks.append_column(column, where[column])
    is_music = pc.is_in(seen["status"], pa.array(_MUSIC))
    n_not_analysed = pc.sum(pc.and_not(is_music, is_analysed)).as_py() or 0
    if not len(tracks):
        command = how_to_analyse(library or "LIBRARY", report)
        raise UsageError(
            f"{report}: has no embeddings of what is there now; to analyse it: {command}"
        )
    return Analysed(name, version, tracks.drop(["status"]), parts, n_not_analysed, library, report)


def _read(
    runs: Sequence[Run], facts_of_track: Sequence[str]
) -> tuple[pa.Table, pa.Table, list[str], list[str | None]]:
    """Rows of all files that are there, rows that have an embedding, their parts; newest first."""
    seen, embedded = [], []
    parts: list[str] = []
    libraries: list[str | None] = []
    # What these saw and no later run did is gone.
    manifests = {run: run.read_manifest() for run in runs}
    gone = superseded(manifests)
    for run in reversed(runs):
        facts = manifests[run]
        library = facts.get("library")
        libraries.append(library)
        if "rows_in" in facts:
            continue  # the rows of an earlier run hold
        if run.id not in gone:
            seen.append(latest_rows(run.tracks, facts_of_track))
        noted = facts.get("options", {}).get("embeddings", True)
        for path, open_part in storage_of(run.home).opened(parts_of(run.tracks) if noted else ()):
            try:
                with open_part() as stream:
                    found = _embedded_in(stream)
            except (OSError, pa.ArrowException) as error:
                if run.id in gone:  # else it was said above
                    warn_unreadable(path, error)
                continue
            if found is not None:
                number = pa.repeat(pa.scalar(len(parts), pa.int32()), len(found))
                network = facts.get("analysis_digest", "").partition("-")[0]
                space = pa.repeat(network, len(found)) if network else found["model_version"]
                found = found.append_column("part", number)
                embedded.append(found.append_column("space", space))
                parts.append(path)
    return (
        pa.concat_tables(seen) if seen else pa.table({}),
        pa.concat_tables(embedded) if embedded else pa.table({}),
        parts,
        libraries,
    )


def _embedded_in(stream: object) -> pa.Table | None:
    """Rows of a part that have an embedding, without reading one."""
    part = pq.ParquetFile(stream)
    if not (_has_embeddings(part.metadata) and set(_KEYS) <= set(part.schema_arrow.names)):
        return None
    # In a run that notes embeddings, what was analysed has one.
    rows = part.read(columns=list(_KEYS)).select(_KEYS)
    rows = rows.append_column("row", pa.array(np.arange(len(rows))))
    return rows.filter(pc.is_valid(rows["extract_s"])).drop(["extract_s"])


def _has_embeddings(facts: pq.FileMetaData) -> bool:
    columns = (
        facts.row_group(group).column(column)
        for group in range(facts.num_row_groups)
        for column in range(facts.num_columns)
    )
    for column in columns:
        if column.path_in_schema.partition(".")[0] == "embedding":
            known = column.statistics
            if known is None or not known.has_null_count or known.null_count < column.num_values:
                return True
    return False


def _first_of_each(rows: pa.Table) -> pa.Table:
    """The first row of each file."""
    codes = rows["uri"].combine_chunks().dictionary_encode().indices.to_numpy()
    firsts = np.unique(codes, return_index=True)[1]
    return rows.take(np.sort(firsts))


def _embeddings_in(
    stream: object, numbers: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Embeddings in ascending `rows` of a part, and the numbers that go with them."""
    begin = 0
    part = pq.ParquetFile(stream)
    for batch in part.iter_batches(_ROWS_AT_ONCE, columns=["embedding"]):
        end = begin + len(batch)
        first, last = np.searchsorted(rows, (begin, end))
        if first < last:
            column = batch.column(0)
            if last - first < len(batch):
                column = column.take(pa.array(rows[first:last] - begin))
            is_there = column.is_valid().to_numpy(zero_copy_only=False)
            values = column.flatten().to_numpy().reshape(int(is_there.sum()), -1)
            yield numbers[first:last][is_there], _of_length_1(values)
        begin = end


def _of_length_1(embeddings: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings))
    return embeddings / np.maximum(lengths, 1e-9)[:, None]


def is_there(uri: str) -> bool:
    """Whether a file is on the disk; of one in a bucket its report tells."""
    return storage_of(uri).seems_there(path_of(uri))
