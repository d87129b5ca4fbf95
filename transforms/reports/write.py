"""Write the report: outcomes become rows of Parquet, one per file, failures included.

Rows are written as the run goes, so that a run that dies leaves what it had.
"""

from __future__ import annotations

import datetime
import math
import time
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genrebeam.model.bundle import Bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.records import (
    Decision,
    Outcome,
    Stage,
    Track,
    dropped,
    printable,
)
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.storage import storage_of

# A part is written after this many rows or seconds: what a run that dies can lose at most.
_ROWS_PER_PART = 10_000
_SECONDS_PER_PART = 60.0
# As many wait as rows of Python's, which take ten times the space of Arrow's.
_ROWS_AT_ONCE = 500
# The years 1 to 9999, all that Python's `datetime` knows; file systems know more. In ns since 1970.
_FIRST_NS, _LAST_NS = (
    int(datetime.datetime(year, 1, 1, tzinfo=datetime.UTC).timestamp()) * 10**9
    for year in (1, 9999)
)
# What pyarrow raises on a value that a column does not take.
_NO_VALUE = (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError, OverflowError)


@dataclass(frozen=True)
class RunFacts:
    """What all rows of a run have in common.

    Parameters
    ----------
    settings : str
        Fingerprint of what decided.
    library : str
        Its root; empty where none is known.
    mood : bool
        Whether rows tell of moods and instruments.
    """

    bundle: Bundle
    settings: str
    library: str = ""
    dry_run: bool = False
    mood: bool = False

    @classmethod
    def by_hand(cls, library: str = "") -> RunFacts:
        """Of a run in which no model decides."""
        nobody = Bundle("", "by hand", "", (), (), FeatureSpec())
        return cls(nobody, Stage.BY_HAND.value, library)


def row(outcome: Outcome, run: RunFacts) -> dict[str, Any]:
    """An outcome as a row of `SCHEMA`."""
    track, decision = outcome.track, outcome.decision
    tags, audio = track.tags, track.audio
    family, style = (decision.family, decision.style) if decision else (None, None)
    by_audio = (decision.family_alone or family) if decision else None
    return {
        "uri": printable(track.uri),
        "status": outcome.status,
        "stage": outcome.stage,
        "reason": printable(outcome.reason),
        "error_type": outcome.error_type,
        "error_message": _message(outcome),
        "title": _text(tags.title),
        "artist": _text(tags.artist),
        "album": _text(tags.album),
        "album_artist": _text(tags.album_artist),
        "year": tags.year,
        "format": printable(track.format),
        "duration_s": _finite(audio.duration_s),
        "sample_rate_hz": _int32(audio.sample_rate_hz),
        "channels": _int32(audio.channels),
        "bitrate_bps": _int32(audio.bitrate_bps),
        "size_bytes": track.size_bytes,
        "mtime": track.mtime_ns // 1000 if _FIRST_NS <= track.mtime_ns < _LAST_NS else None,
        "mtime_ns": storable_time(track.mtime_ns),
        "genres_before": [printable(genre) for genre in tags.genres or tags.shadow],
        "genres_after": [printable(genre) for genre in outcome.genres_after],
        "mood_before": _text(tags.mood),
        "mood_after": _text(outcome.mood or tags.mood),
        "confidence": decision.confidence if decision else outcome.confidence,
        "probabilities": list(decision.probabilities.items()) if decision else None,
        "family": family[0] if family else None,
        "family_confidence": family[1] if family else None,
        "family_audio": by_audio[0] if by_audio else None,
        "family_audio_confidence": by_audio[1] if by_audio else None,
        "decided_by": decision.decided_by if decision else outcome.decided_by,
        "style": style[0] if style else None,
        "style_confidence": style[1] if style else None,
        "votes": list(decision.votes.items()) if decision else None,
        "genres_alone": _genres_alone(decision),
        "tracks_voted": decision.tracks_voted if decision else None,
        "moods": _scores(decision.moods) if decision and run.mood else None,
        "instruments": _scores(decision.instruments) if decision and run.mood else None,
        "segments_analysed": decision.segments_analysed if decision else None,
        "model_name": printable(run.bundle.name),
        "model_version": printable(run.bundle.version),
        "settings": run.settings,
        "extract_s": decision.extract_seconds if decision else None,
        "classify_s": decision.classify_seconds if decision else None,
        "write_s": outcome.write_seconds,
        "library": _text(run.library or None),
        "dry_run": run.dry_run,
        "finished_at": datetime.datetime.now(datetime.UTC),
        "embedding": _rounded(decision.embedding) if decision else None,
        "class_logits": decision.class_logits if decision else None,
        "fingerprint": outcome.fingerprint,
    }


def _scores(found: dict[str, float] | None) -> list[tuple[str, float]] | None:
    return None if found is None else list(found.items())


def _message(outcome: Outcome) -> str | None:
    return printable(outcome.error_message or outcome.reason) if outcome.error_type else None


def _genres_alone(decision: Decision | None) -> list[str] | None:
    if decision is None or decision.genres_alone is None:
        return None
    return [printable(genre) for genre in decision.genres_alone]


def _rounded(values: np.ndarray | None) -> np.ndarray | None:
    """Numbers with the 11 significant bits of float16, so that it is stored in half the space.

    Not as float16: neither Spark nor BigQuery reads that from Parquet.
    """
    if values is None:
        return None
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(1 << 12)) & np.uint32(0xFFFFE000)).view(np.float32)


def _text(value: str | None) -> str | None:
    return None if value is None else printable(value)


def _int32(value: float | None) -> int | None:
    """Headers of damaged files promise anything."""
    return int(value) if value is not None and 0 < value < 2**31 else None


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def storable_time(time_ns: int) -> int | None:
    """A file's time as the report's `mtime_ns` has it.

    Examples
    --------
    >>> storable_time(1_700_000_000_000_000_000)
    1700000000000000000
    >>> storable_time(2**63)  # in the year 2262
    """
    return time_ns if -(2**63) <= time_ns < 2**63 else None


def write_part(rows: list[dict[str, Any]], folder: str, workplace: str) -> str:
    """Write rows as one more part of a run's report.

    Parameters
    ----------
    rows : list of dict
        See `row`.
    folder : str
        Of the run's parts.
    workplace : str
        Folder on the same disk where the part is until it is whole: DuckDB and Polars open
        whatever lies among the parts, even names with a leading dot.

    Returns
    -------
    str
        Path of the part; it appears whole or not at all.
    """
    return _write(pa.Table.from_pylist(rows, SCHEMA), folder, workplace)


def _write(rows: pa.Table, folder: str, workplace: str) -> str:
    path = f"{folder}/part-{uuid.uuid4().hex[:12]}.parquet"
    with storage_of(path).writing(path, workplace) as stream:
        pq.write_table(rows, stream, compression="zstd")
    return path


class ReportWriter:
    """Writes rows in parts, as the run goes.

    Parameters
    ----------
    folder, workplace : str
        See `write_part`.
    """

    def __init__(self, folder: str, workplace: str, run: RunFacts) -> None:
        self.folder = folder
        self.workplace = workplace
        self.run = run
        self._rows: list[dict[str, Any]] = []
        self._tables: list[pa.Table] = []
        self._since = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Add a row, and write a part where it is time.

        Raises
        ------
        OSError
        """
        self._rows.append(row(outcome, self.run))
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._pack()
        old = time.monotonic() - self._since > _SECONDS_PER_PART
        if old or len(self._tables) * _ROWS_AT_ONCE >= _ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet.

        Raises
        ------
        OSError
        """
        self._pack()
        if self._tables:
            _write(pa.concat_tables(self._tables), self.folder, self.workplace)
        self._tables, self._since = [], time.monotonic()

    def _pack(self) -> None:
        """Turn rows that wait into a table."""
        if not self._rows:
            return
        try:
            table = pa.Table.from_pylist(self._rows, SCHEMA)
        except _NO_VALUE:
            table = pa.Table.from_pylist(list(map(self._checked, self._rows)), SCHEMA)
        self._tables.append(table)
        self._rows = []

    def _checked(self, found: dict[str, Any]) -> dict[str, Any]:
        """A row, or if it cannot be written one that says so."""
        try:
            pa.Table.from_pylist([found], SCHEMA)
        except _NO_VALUE as error:
            track = Track(found["uri"], found["format"])
            return row(dropped(track, Stage.REPORT, error), self.run)
        return found
