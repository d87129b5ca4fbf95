"""Write the report: outcomes become rows of Parquet, one per file, failures included.

Rows are written as the run goes, so that a run that dies leaves what it had.
"""

from __future__ import annotations

import datetime
import time
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from genrebeam.model.bundle import Bundle
from genrebeam.transforms.library.fingerprint import fingerprint
from genrebeam.transforms.records import Decision, Outcome, Status, Trait, printable
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.storage import storage_of

# A part is written after so many rows or seconds: what a run that dies can lose at most.
_ROWS_PER_PART = 10_000
_SECONDS_PER_PART = 60.0
_SETTLED = Status.having(Trait.SETTLED)


def row(outcome: Outcome, bundle: Bundle, settings: str) -> dict[str, Any]:
    """An outcome as a row of `SCHEMA`.

    Parameters
    ----------
    outcome : Outcome
    bundle : Bundle
    settings : str
        Fingerprint of what decided.

    Returns
    -------
    dict
    """
    track, decision = outcome.track, outcome.decision
    tags, audio = track.tags, track.audio
    family, style = (decision.family, decision.style) if decision else (None, None)
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
        "format": printable(track.format),
        "duration_s": audio.duration_s,
        "sample_rate_hz": _int32(audio.sample_rate_hz),
        "channels": _int32(audio.channels),
        "bitrate_bps": _int32(audio.bitrate_bps),
        "size_bytes": track.size_bytes,
        "mtime": track.mtime_ns // 1000,
        "mtime_ns": track.mtime_ns,
        "genres_before": [printable(genre) for genre in tags.genres or tags.shadow],
        "genres_after": [printable(genre) for genre in outcome.genres_after],
        "confidence": decision.confidence if decision else outcome.confidence,
        "probabilities": list(decision.probabilities.items()) if decision else None,
        "family": family[0] if family else None,
        "family_confidence": family[1] if family else None,
        "style": style[0] if style else None,
        "style_confidence": style[1] if style else None,
        "votes": list(decision.votes.items()) if decision else None,
        "genres_alone": _genres_alone(decision),
        "tracks_voted": decision.tracks_voted if decision else None,
        "segments_heard": decision.segments_heard if decision else None,
        "model_name": bundle.name,
        "model_version": bundle.version,
        "settings": settings,
        "hear_s": decision.hear_seconds if decision else None,
        "classify_s": decision.classify_seconds if decision else None,
        "write_s": outcome.write_seconds,
        "finished_at": datetime.datetime.now(datetime.UTC),
        "embedding": decision.embedding if decision else None,
        "fingerprint": _fingerprint(outcome),
    }


def _message(outcome: Outcome) -> str | None:
    return printable(outcome.error_message or outcome.reason) if outcome.error_type else None


def _genres_alone(decision: Decision | None) -> list[str] | None:
    if decision is None or decision.genres_alone is None:
        return None
    return [printable(genre) for genre in decision.genres_alone]


def _fingerprint(outcome: Outcome) -> str | None:
    """Of a file that was listened to; what a header tells is read as fast anywhere."""
    known = outcome.was_classified and outcome.status in _SETTLED
    return fingerprint(outcome.track.uri) if known else outcome.fingerprint


def _text(value: str | None) -> str | None:
    return None if value is None else printable(value)


def _int32(value: float | None) -> int | None:
    """Headers of damaged files promise anything."""
    return int(value) if value is not None and 0 < value < 2**31 else None


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
    path = f"{folder}/part-{uuid.uuid4().hex[:12]}.parquet"
    with storage_of(path).writing(path, workplace) as stream:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), stream, compression="zstd")
    return path


class ReportWriter:
    """Writes rows in parts, as the run goes.

    Parameters
    ----------
    folder, workplace : str
        See `write_part`.
    bundle : Bundle
    settings : str
        Fingerprint of what decided.
    """

    def __init__(self, folder: str, workplace: str, bundle: Bundle, settings: str) -> None:
        self.folder = folder
        self.workplace = workplace
        self.bundle = bundle
        self.settings = settings
        self._rows: list[dict[str, Any]] = []
        self._since = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Add a row, and write a part where it is time.

        Raises
        ------
        OSError
        """
        self._rows.append(row(outcome, self.bundle, self.settings))
        old = time.monotonic() - self._since > _SECONDS_PER_PART
        if old or len(self._rows) >= _ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet.

        Raises
        ------
        OSError
        """
        if self._rows:
            write_part(self._rows, self.folder, self.workplace)
        self._rows, self._since = [], time.monotonic()
