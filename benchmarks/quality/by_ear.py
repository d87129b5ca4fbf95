#!/usr/bin/env python3
"""By ear: what it costs in a large library, and whether copies are told apart from other tracks.

    .venv/bin/python benchmarks/quality/by_ear.py scale [TRACKS ...]  # 10,000 to 1,000,000
    .venv/bin/python benchmarks/quality/by_ear.py copies FOLDER [--every 3] [--bundle NAME]

`scale` writes reports of made-up tracks (384 numbers each) and measures
how long it takes to find the tracks nearest to one, and the pairs that could be one recording
(``--no-pairs`` leaves these out); each in a process of its own, with its peak memory. One JSON
object a line.

`copies` encodes every third track of a folder of music in several ways with ffmpeg, analyses all of
it, and prints for each way how many copies are found again beside their
original: by embedding and duration alone (``near``), and by sound (``same``); then the
same of pairs of different tracks, and those among them that sound the same: look at them, they
may be copies that the folder had.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from genrebeam.pipeline.by_ear import duplicates  # noqa: E402
from genrebeam.pipeline.by_ear.analysed import analysed_tracks  # noqa: E402
from genrebeam.pipeline.by_ear.similar import similarities  # noqa: E402
from genrebeam.pipeline.runs.run import start_run  # noqa: E402
from genrebeam.transforms.audio.pool import default_processes  # noqa: E402
from genrebeam.transforms.reports.schema import SCHEMA  # noqa: E402

# With these 8.6 % of the pairs have a cosine of 0.45 or more, and 2.6 % one of 0.6; of the 28,441
# pairs of Magnatune's excerpts that `copies` compares it was 7.6 % and 2.6 %.
SIZE, N_KINDS, NOISE = 256, 8, 1.3
PER_PART = 10_000
# How copies are made: the extension and FFmpeg's options.
WAYS = {
    "flac": ("flac", ()),
    "mp3 320": ("mp3", ("-b:a", "320k")),
    "mp3 V2": ("mp3", ("-q:a", "2")),
    "mp3 128": ("mp3", ("-b:a", "128k")),
    "mp3 64": ("mp3", ("-b:a", "64k")),
    "ogg q3": ("ogg", ("-c:a", "libvorbis", "-q:a", "3")),
    "aac 128": ("m4a", ("-c:a", "aac", "-b:a", "128k")),
    "aac 64": ("m4a", ("-c:a", "aac", "-b:a", "64k")),
    "opus 64": ("opus", ("-c:a", "libopus", "-b:a", "64k")),
    "mono, 22 kHz, mp3 48": ("mp3", ("-ac", "1", "-ar", "22050", "-b:a", "48k")),
    "12 dB quieter": ("ogg", ("-af", "volume=-12dB", "-c:a", "libvorbis", "-q:a", "5")),
    "compressed and limited": (
        "flac",
        ("-af", "acompressor=threshold=-20dB:ratio=4:makeup=4,alimiter"),
    ),
    "1 s of silence before": ("mp3", ("-af", "adelay=1000:all=1", "-b:a", "192k")),
    "0.1 % faster": ("flac", ("-af", "asetrate=44144,aresample=44100")),
}


def embeddings_of(n: int, chance: np.random.Generator) -> np.ndarray:
    """Tracks by artists, each of which sounds like itself: ``(n, 384) float32``."""
    kinds = np.random.default_rng(1).standard_normal((N_KINDS, SIZE)).astype(np.float32)
    artists = chance.standard_normal((n // 20 + 1, N_KINDS), np.float32)
    tracks = artists[chance.integers(len(artists), size=n)]
    tracks = tracks + chance.standard_normal((n, N_KINDS), np.float32)
    found = tracks @ kinds + NOISE * chance.standard_normal((n, SIZE), np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float16).astype(np.float32)


def write_report(home: Path, n_tracks: int) -> None:
    """A run over made-up music."""
    run = start_run(str(home))
    chance = np.random.default_rng(0)
    run.write_manifest({"run": run.id, "state": "finished", "library": "/music", "options": {}})
    for first in range(0, n_tracks, PER_PART):
        n = min(PER_PART, n_tracks - first)
        columns: dict[str, Any] = {
            name: pa.nulls(n, SCHEMA.field(name).type) for name in SCHEMA.names
        }
        values = embeddings_of(n, chance)
        offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
        columns["embedding"] = pa.ListArray.from_arrays(offsets, values.ravel())
        known = {
            "uri": [f"/music/artist {i // 20}/album/{i}.flac" for i in range(first, first + n)],
            "artist": [f"artist {i // 20}" for i in range(first, first + n)],
            "title": [f"track {i}" for i in range(first, first + n)],
            "status": ["tagged"] * n,
            "format": ["flac"] * n,
            "model_name": ["made up"] * n,
            "model_version": ["1"] * n,
            "duration_s": np.clip(chance.normal(230, 80, n), 20, None),
            "extract_s": np.ones(n, np.float32),
            "size_bytes": np.full(n, 30_000_000),
            "finished_at": np.full(n, np.datetime64("2026-11-20T10:00:00", "us")),
            "mtime": np.full(n, np.datetime64("2026-11-20T10:00:00", "us")),
            "mtime_ns": np.zeros(n, np.int64),
            **{name: [""] * n for name in ("stage", "reason", "settings")},
            **{name: [[]] * n for name in ("genres_before", "genres_after")},
        }
        columns |= {k: pa.array(v).cast(SCHEMA.field(k).type) for k, v in known.items()}
        table = pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
        pq.write_table(table, f"{run.tracks}/part-{first:09}.parquet", compression="zstd")


def measure(home: str, what: str) -> dict[str, Any]:
    """One command's work, without its start and without what it prints."""
    started = time.perf_counter()
    analysed = analysed_tracks(home)
    found = {"tracks": len(analysed.tracks), "what": what}
    found["find_s"] = round(time.perf_counter() - started, 2)
    if what == "nearest":
        similarity = similarities(analysed, analysed.embedding(0))
        found["nearest"] = [round(float(s), 3) for s in np.sort(similarity)[-3:]]
    else:
        found["pairs"] = len(duplicates.candidates(analysed))
    found["all_s"] = round(time.perf_counter() - started, 2)
    found["peak_MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    return found


def scale(sizes: list[int], kinds: list[str]) -> None:
    for n_tracks in sizes:
        with tempfile.TemporaryDirectory(prefix="by-ear-") as home:
            write_report(Path(home), n_tracks)
            n_bytes = sum(path.stat().st_size for path in Path(home).rglob("*.parquet"))
            print(json.dumps({"tracks": n_tracks, "report_MB": n_bytes // 1_000_000}), flush=True)
            for what in kinds:
                subprocess.run([sys.executable, __file__, "measure", home, what], check=True)


def encode(music: Path, folder: Path, every: int) -> dict[str, Path]:
    """Copies of some tracks: ``folder/<way>/<number>.<extension>``; originals by number."""
    files = sorted(path for path in music.rglob("*") if path.suffix in (".mp3", ".flac", ".ogg"))
    originals = {f"{number:04}": path for number, path in enumerate(files)}

    def make(job: tuple[str, tuple[str, Path]]) -> None:
        way, (number, path) = job
        extension, options = WAYS[way]
        out = folder / way / f"{number}.{extension}"
        out.parent.mkdir(parents=True, exist_ok=True)
        command = ["ffmpeg", "-v", "error", "-y", "-i", path, "-map", "0:a", *options, out]
        subprocess.run(command, check=True)

    some = list(originals.items())[::every]
    with ThreadPoolExecutor(default_processes()) as encoders:
        list(encoders.map(make, itertools.product(WAYS, some)))
    return originals


def analyse(library: Path, home: str, bundle: str) -> None:
    from genrebeam.pipeline.cli import main

    options = ["--existing", "replace", "--dry-run", "--quiet"]
    main(["tag", str(library), *options, "--report", home, "--bundle", bundle])


def copies(music: Path, every: int, bundle: str) -> None:
    with tempfile.TemporaryDirectory(prefix="by-ear-") as place:
        folder, home = Path(place) / "copies", os.path.join(place, "reports")
        originals = encode(music, folder, every)
        for library in (music, folder):
            analyse(library, home, bundle)
        analysed = analysed_tracks(home)
        uris = analysed.tracks["uri"].to_pylist()
        number_of = {uri: number for number, uri in enumerate(uris)}
        matrix = np.zeros((len(uris), len(analysed.embedding(0))), np.float32)
        for numbers, embeddings in analysed.embeddings():
            matrix[numbers] = embeddings
        seconds = analysed.tracks["duration_s"].to_numpy()

        def is_near(one: int, other: int) -> bool:
            near = matrix[one] @ matrix[other] >= duplicates.LEAST_SIMILARITY
            return bool(near and abs(seconds[one] - seconds[other]) <= duplicates.MOST_SECONDS)

        for way in WAYS:
            pairs = [
                (number_of[str(originals[path.stem])], number_of[str(path)])
                for path in sorted((folder / way).iterdir())
                if str(path) in number_of
            ]
            near = [duplicates.Pair(*pair, 0) for pair in pairs if is_near(*pair)]
            same = [
                pair
                for pair in duplicates.compare_sound(near, analysed, default_processes(), {})
                if pair
            ]
            message = {"way": way, "copies": len(pairs), "near": len(near), "same": len(same)}
            least = min((pair.likeness for pair in same), default=0)
            print(json.dumps({**message, "least_likeness": round(least, 3)}), flush=True)
        _others([number_of[str(path)] for path in originals.values()], analysed, is_near)


def _others(numbers: list[int], analysed: Any, is_near: Any) -> None:
    """Pairs of different tracks."""
    pairs = list(itertools.combinations(numbers, 2))
    near = [duplicates.Pair(*pair, 0) for pair in pairs if is_near(*pair)]
    started = time.perf_counter()
    same = [
        pair for pair in duplicates.compare_sound(near, analysed, default_processes(), {}) if pair
    ]
    seconds = round(time.perf_counter() - started, 1)
    message = {
        "other_pairs": len(pairs),
        "near": len(near),
        "same": len(same),
        "listening_s": seconds,
    }
    print(json.dumps(message))
    for pair in same:
        rows = analysed.tracks.take([pair.one, pair.other]).select(["uri", "artist", "title"])
        print(json.dumps({"likeness": round(pair.likeness, 3), "tracks": rows.to_pylist()}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    of_scale = commands.add_parser("scale")
    of_scale.add_argument("sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    of_scale.add_argument("--no-pairs", action="store_true")
    of_copies = commands.add_parser("copies")
    of_copies.add_argument("music", type=Path)
    of_copies.add_argument("--every", type=int, default=3)
    of_copies.add_argument("--bundle", default="default")
    of_measure = commands.add_parser("measure")
    of_measure.add_argument("home")
    of_measure.add_argument("what")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if arguments.command == "measure":
        print(json.dumps(measure(arguments.home, arguments.what)), flush=True)
    elif arguments.command == "scale":
        scale(arguments.sizes, ["nearest"] if arguments.no_pairs else ["nearest", "pairs"])
    else:
        copies(arguments.music.resolve(), arguments.every, arguments.bundle)


if __name__ == "__main__":
    main()
