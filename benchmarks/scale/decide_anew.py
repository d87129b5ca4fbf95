#!/usr/bin/env python3
"""Decide anew about a library by what its reports have stored: time and memory.

    .venv/bin/python benchmarks/scale/decide_anew.py [100000]

Names are made up, as in `scale.py`. The report of an earlier run has rows with random inputs for
all of them; a dry run with ``--min-confidence 1`` then decides anew about every file. None is
written or decoded, and a header reader answers without a file. Prints JSON. Linux only.
"""

from __future__ import annotations

import json
import sys
import tempfile
from concurrent.futures import Future
from pathlib import Path
from unittest import mock

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

from benchmarks.scale import scale  # noqa: E402
from benchmarks.scale.scale import AUDIO  # noqa: E402
from benchmarks.speed.process_tree import cost_of  # noqa: E402
from genrebeam.transforms.records import FileTags  # noqa: E402

_SECONDS = 10
_RATE = 22050


def headers(paths: list[str], *_: object) -> Future:
    """Tags without a genre, of every file; ten files to an album."""
    read: Future = Future()
    read.set_result([(FileTags("A title", *Path(path).parts[-3:-1]), AUDIO) for path in paths])
    return read


def no_obstacle(*_: object) -> None:
    """Every file could be written; a mock would keep all its calls in memory."""


def run(library: str, count: int, reports: str) -> int:
    """The command over made-up names, none of which is a file."""
    options = ["--dry-run", "--min-confidence", "1"]
    with mock.patch("genrebeam.transforms.tags.ptransforms.obstacle", no_obstacle):
        return scale.run(library, count, reports, *options, headers=headers)


def first(library: Path, reports: Path) -> None:
    """A run over one real file, whose rows are then made many."""
    import soundfile

    from genrebeam.model import head
    from genrebeam.pipeline.cli import main

    times = np.arange(_SECONDS * _RATE) / _RATE
    soundfile.write(library / "one.flac", np.sin(2 * np.pi * 440 * times) / 2, _RATE)
    with mock.patch.object(head, "_LEAST_MUSIC", 0.0), mock.patch.object(head, "_LEAST_SHARE", 0.0):
        main(["tag", str(library), "--report", str(reports), "--dry-run", "--quiet"])
    (library / "one.flac").unlink()


def inputs(rows: pa.Table) -> dict[str, list[np.ndarray]]:
    """What is stored of each track: random numbers, rounded as a report has them."""
    chance, found = np.random.default_rng(len(rows)), {}
    logits = np.array(rows["class_logits"][0].as_py())
    width = len(rows["embedding"][0])
    for name, centre, spread, step in (
        ("embedding", np.zeros(width), 0.06, 1 / 1024),
        ("class_logits", logits, 1, 1 / 16),
    ):
        values = centre + chance.normal(0, spread, (len(rows), len(centre)))
        found[name] = list((np.round(values / step) * step).astype(np.float32))
    return found


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        library, count, reports = sys.argv[2:]
        raise SystemExit(run(library, int(count), reports))
    count = int(sys.argv[1]) if sys.argv[1:] else 100_000
    with tempfile.TemporaryDirectory() as folder:
        library, reports = Path(folder) / "library", Path(folder) / "reports"
        library.mkdir()
        first(library, reports)
        scale.lengthen(reports, library, count, inputs)
        stored = sum(path.stat().st_size for path in reports.rglob("*.parquet"))
        command = [sys.executable, __file__, "--run", library, str(count), reports]
        cost = cost_of([*map(str, command)], REPOSITORY)
        facts = json.loads(max((reports / "runs").iterdir()).joinpath("run.json").read_text())
        print(
            json.dumps(
                {
                    "tracks": count,
                    "counts": facts["counts"],
                    "exit_code": cost.exit_code,
                    "wall_s": round(cost.wall_s, 1),
                    "cpu_s": round(cost.cpu_s, 1),
                    "tracks_per_s": round(count / cost.wall_s),
                    "peak_memory_mb": round(cost.peak_memory / 1e6),
                    "report_bytes_per_track": round(stored / count),
                },
                indent=2,
            )
        )


if __name__ == "__main__":
    main()
