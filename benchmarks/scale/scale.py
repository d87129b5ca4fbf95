#!/usr/bin/env python3
"""Walk and skip without files: what a listing costs by its length.

    .venv/bin/python benchmarks/scale/scale.py [100000 1000000]
    .venv/bin/python benchmarks/scale/scale.py --second 10000000

The real command on the embedded runner, with a walk that makes names up and a header reader
that says "Rock" to all. The first run keeps every genre, the second finds all unchanged. With
`--second`, the first run sees ten names, and its report gets the rows of the others. Prints
JSON: time, peak memory, and the bytes of a file's elements where they are shuffled. Linux only.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from unittest import mock

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from apache_beam.coders import FastPrimitivesCoder  # noqa: E402

from benchmarks.speed.process_tree import cost_of  # noqa: E402
from genrebeam.transforms.records import AudioFacts, FileTags, Track  # noqa: E402

TAGS = FileTags("A title of four words", "An artist", "An album's name", ("Rock",))
AUDIO = AudioFacts(215.4, 44100, 2, 192_000)
_ROWS_PER_PART = 10_000


def synthetic(root: str, count: int) -> Iterator[Track]:
    """A library of `count` names, a thousand to an artist, ten to an album."""
    for number in range(count):
        folder = f"{root}/Artist {number // 1000:05d}/Album {number // 10 % 100:02d}"
        name = f"{folder}/{number % 10:02d} - A title of four words.mp3"
        yield Track(name, "mp3", 5_000_000 + number, 1_700_000_000_123_456_789 + number)


def same_headers(paths: list[str], *_: object) -> Future:
    """The same header for every file; a mock would keep all its calls in memory."""
    read: Future = Future()
    read.set_result([(TAGS, AUDIO)] * len(paths))
    return read


def run(
    library: str,
    count: int,
    reports: str,
    *options: str,
    headers: Callable[..., Future] = same_headers,
) -> int:
    """One run of the command over made-up names; its exit code."""
    from genrebeam.pipeline.cli import main

    with (
        mock.patch(
            "genrebeam.transforms.library.walk.walk", lambda root, *_, **__: synthetic(root, count)
        ),
        mock.patch("genrebeam.transforms.tags.ptransforms.read_headers", headers),
    ):
        return main(["tag", library, "--report", reports, "--quiet", *options])


def shuffled_bytes(reports: Path) -> dict[str, int]:
    """Encoded size of what a listed file and its earlier row are matched by."""
    from genrebeam.transforms.library.skip import key_of, read_earlier

    folder = max((reports / "tracks").iterdir())
    coder = FastPrimitivesCoder()
    key, earlier = next(read_earlier(str(folder), folder.name))
    track = next(synthetic("/music", 1))
    return {
        "listed": len(coder.encode((key_of(track), track))),
        "earlier": len(coder.encode((key, earlier))),
    }


def lengthen(
    reports: Path,
    library: Path,
    count: int,
    more: Callable[[pa.Table], dict[str, Any]] = lambda rows: {},
) -> None:
    """Give the only report a row for each of these names, as its run would have written them.

    `more` takes some rows, and returns columns for them to have in place of their own.
    """
    (part,) = reports.rglob("part-*.parquet")
    one = pq.read_table(part).slice(0, 1)
    tracks = synthetic(str(library), count)
    for number in range(0, count, _ROWS_PER_PART):
        some = list(itertools.islice(tracks, _ROWS_PER_PART))
        rows = one.take(pa.array([0] * len(some)))
        columns: dict[str, Any] = {
            name: [getattr(track, name) for track in some]
            for name in ("uri", "size_bytes", "mtime_ns")
        }
        for name, values in (columns | more(rows)).items():
            field = rows.schema.field(name)
            place = rows.column_names.index(name)
            rows = rows.set_column(place, field, pa.array(values, field.type))
        pq.write_table(rows, part.with_name(f"part-{number}.parquet"), compression="zstd")
    part.unlink()


def measure(count: int, work: Path, *, only_second: bool) -> dict[str, Any]:
    """Both runs over a listing of that length."""
    library, reports = work / "library", work / f"reports of {count}"
    library.mkdir(exist_ok=True)
    figures: dict[str, Any] = {"files": count}
    for name in ("first", "second"):
        is_short = only_second and name == "first"
        command = [sys.executable, __file__, "--run", library, str(10 if is_short else count)]
        cost = cost_of([*command, reports], REPOSITORY)
        if is_short:
            lengthen(reports, library, count)
            continue
        figures[name] = {
            "exit_code": cost.exit_code,
            "wall_s": round(cost.wall_s, 1),
            "files_per_s": round(count / cost.wall_s),
            "cpu_s": round(cost.cpu_s, 1),
            "peak_memory_mb": round(cost.peak_memory / 1e6),
        }
        print(f"{count} files, {name} run: {figures[name]}", file=sys.stderr)
    parts = [path.stat().st_size for path in (reports / "tracks").rglob("*.parquet")]
    figures["report_bytes_per_row"] = round(sum(parts) / 2 / count, 1)
    figures["shuffled_bytes_per_file"] = shuffled_bytes(reports)
    return figures


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        library, count, reports = sys.argv[2:]
        raise SystemExit(run(library, int(count), reports))
    only_second = sys.argv[1:2] == ["--second"]
    counts = [int(text) for text in sys.argv[1 + only_second :]] or [100_000, 1_000_000]
    with tempfile.TemporaryDirectory() as work:
        found = [measure(count, Path(work), only_second=only_second) for count in counts]
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
