#!/usr/bin/env python3
"""Decide anew about a library by what its reports have stored: time and memory.

    .venv/bin/python benchmarks/scale/decide_anew.py [100000]

Names are made up, as in `scale.py`. The report of an earlier run has rows with random inputs for
all of them; a dry run with ``--min-confidence 1`` then decides anew about every file. None is
written or decoded, and a header reader answers without a file. Prints JSON. Linux only.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from pathlib import Path
from unittest import mock

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from benchmarks.scale.scale import AUDIO, synthetic  # noqa: E402
from benchmarks.speed.process_tree import cost_of  # noqa: E402
from genrebeam.transforms.records import FileTags  # noqa: E402

_ROWS_PER_PART = 10_000
_SECONDS = 10
_RATE = 22050


def headers(paths: list[str], *_: object) -> object:
    """Tags without a genre, of every file; ten files to an album."""
    from concurrent.futures import Future

    read: Future = Future()
    read.set_result([(FileTags("A title", *Path(path).parts[-3:-1]), AUDIO) for path in paths])
    return read


def run(library: str, count: int, reports: str) -> int:
    """The command over made-up names."""
    from genrebeam.pipeline.cli import main

    with (
        mock.patch(
            "genrebeam.transforms.library.walk.walk", lambda root, *_, **__: synthetic(root, count)
        ),
        mock.patch("genrebeam.transforms.tags.ptransforms.read_headers", headers),
        mock.patch("genrebeam.transforms.tags.ptransforms.obstacle", return_value=None),
    ):
        options = ["--dry-run", "--min-confidence", "1", "--quiet"]
        return main(["tag", library, "--report", reports, *options])


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


def lengthen(reports: Path, library: Path, count: int) -> None:
    """Give the only report a row for each name, with inputs of its own."""
    (part,) = reports.rglob("part-*.parquet")
    one = pq.read_table(part).slice(0, 1)
    tracks, chance = synthetic(str(library), count), np.random.default_rng(0)
    for number in range(0, count, _ROWS_PER_PART):
        some = list(itertools.islice(tracks, _ROWS_PER_PART))
        rows = one.take(pa.array([0] * len(some)))
        values = {
            name: [getattr(track, name) for track in some]
            for name in ("uri", "size_bytes", "mtime_ns")
        }
        for name, step in (("embedding", 1 / 1024), ("class_logits", 1 / 16)):
            width = len(one[name][0])
            noise = chance.normal(0, 1 if step > 0.01 else 0.06, (len(some), width))
            base = 0 if step < 0.01 else np.array(one[name][0].as_py())
            values[name] = list((np.round((base + noise) / step) * step).astype(np.float32))
        for name, column in values.items():
            place = rows.column_names.index(name)
            field = rows.schema.field(name)
            rows = rows.set_column(place, field, pa.array(column, field.type))
        pq.write_table(rows, part.with_name(f"part-{number}.parquet"), compression="zstd")
    part.unlink()


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        library, count, reports = sys.argv[2:]
        raise SystemExit(run(library, int(count), reports))
    count = int(sys.argv[1]) if sys.argv[1:] else 100_000
    with tempfile.TemporaryDirectory() as folder:
        library, reports = Path(folder) / "library", Path(folder) / "reports"
        library.mkdir()
        first(library, reports)
        lengthen(reports, library, count)
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
