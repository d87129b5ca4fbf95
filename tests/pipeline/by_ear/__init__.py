"""By ear: reports with embeddings that tests make up."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np

from genrebeam.pipeline.runs.run import Run, start_run
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.reports.write import write_part

_WHEN = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)


def track(uri: str, embedding: Any = None, **facts: Any) -> dict[str, Any]:
    """A row of a report: analysed where there is an embedding, else kept."""
    is_analysed = embedding is not None
    return {
        "uri": uri,
        "status": "would_tag" if is_analysed else "kept",
        "stage": "tag",
        "reason": "",
        "title": Path(uri).stem,
        "format": Path(uri).suffix[1:],
        "duration_s": 200.0,
        "size_bytes": 1000,
        "mtime": _WHEN,
        "mtime_ns": 0,
        "genres_before": [],
        "genres_after": [],
        "model_name": "made up",
        "model_version": "1",
        "settings": "",
        "extract_s": 1.0 if is_analysed else None,
        "finished_at": _WHEN,
        "embedding": np.array(embedding, np.float32) if is_analysed else None,
        **facts,
    }


def write_run(home: Path, *rows: dict[str, Any], library: str = "/m", **manifest: Any) -> Run:
    """A finished run over all of a library, unless the manifest says otherwise."""
    run = start_run(str(home))
    if rows:
        write_part(list(rows), run.tracks, run.folder)
    facts = {"run": run.id, "state": "finished", "library": library, "counts": {"kept": len(rows)}}
    printed: Any = {**facts, "options": {"formats": sorted(FORMATS)}, **manifest}
    run.write_manifest(printed)
    return run
