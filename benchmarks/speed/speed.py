#!/usr/bin/env python3
"""How fast GenreBeam is, beside the obvious script and beside decoding alone.

    .venv/bin/python benchmarks/speed/speed.py compare [--tracks 200] [--rounds 3]
    .venv/bin/python benchmarks/speed/speed.py growth [--sizes 1,10,100,1000]
    .venv/bin/python benchmarks/speed/speed.py listing [--files 100000]
    .venv/bin/python benchmarks/speed/speed.py profile [--tracks 200]

Prints JSON, and a line of each run as it ends. `compare` runs in alternation, on one library of
whole tracks (see ``whole_tracks.py``):

A  the obvious script: librosa, whole tracks, `model.predict`, mutagen; one process; with the
   default bundle's backbone
B  `genrebeam tag --segments all`
C  `genrebeam tag`
D  decoding alone, every file whole, as many processes as B and C
E  essentia's decoder and mel bands, as many processes; needs ``--essentia PYTHON``, the
   interpreter of an environment where it is installed

Every run of A, B and C starts with the same files without a genre and writes one into each.
Linux only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import mutagen  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from benchmarks.speed.process_tree import Cost, cost_of  # noqa: E402
from benchmarks.speed.whole_tracks import make_library  # noqa: E402
from genrebeam.transforms.audio.pool import default_processes  # noqa: E402

HERE = Path(__file__).resolve().parent
TAG = [sys.executable, "-m", "genrebeam", "tag"]
# Tracks that are not copies of one another.
_DIFFERENT = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, tracks in (("compare", 200), ("growth", 1000), ("profile", 200)):
        command = commands.add_parser(name)
        command.add_argument("--library", type=Path, help="where its tracks are made and kept")
        command.add_argument("--bundle", default="default", help="of B and C")
        if name == "compare":
            command.add_argument("--processes", type=int, default=2)
        if name == "growth":
            command.add_argument("--sizes", default="1,10,100,1000")
        else:
            command.add_argument("--tracks", type=int, default=tracks)
        if name == "compare":
            command.add_argument("--rounds", type=int, default=3)
            command.add_argument("--systems", default="ABCD", help="which of them")
            command.add_argument("--essentia", metavar="PYTHON")
    command = commands.add_parser("listing")
    command.add_argument("--files", type=int, default=100_000)
    arguments = parser.parse_args()
    TAG.extend(["--bundle", getattr(arguments, "bundle", "default")])
    with tempfile.TemporaryDirectory() as work:
        result = globals()[arguments.command](arguments, Path(work))
    print(json.dumps(result, indent=2))


def compare(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Every system in alternation; medians and ratios."""
    tracks = _linked(arguments.library, work, arguments.tracks)
    one = _linked(arguments.library, work / "one", 1)
    systems = arguments.systems + ("E" if arguments.essentia else "")
    costs: dict[str, list[Cost]] = {system: [] for system in systems}
    alone: dict[str, list[Cost]] = {system: [] for system in systems}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for number in range(arguments.rounds):
        for system in systems:
            for folder, into in ((one, alone), (tracks, costs)):
                _strip_genres(folder)
                into[system].append(
                    _cost(system, folder, work, arguments.processes, arguments.essentia)
                )
            _say(f"round {number + 1} {system}", costs[system][-1], arguments.tracks)
            if system in "ABC":
                found[system] = _found(system, work)
    figures = {}
    for system in systems:
        figures[system] = _figures(costs[system], arguments.tracks)
        figures[system] |= {f"one_file_{k}": v for k, v in _figures(alone[system], 1).items()}
        begun = statistics.median(cost.cpu_s for cost in alone[system])
        total = statistics.median(cost.cpu_s for cost in costs[system])
        net = (total - begun) / (arguments.tracks - 1)
        figures[system]["cpu_s_per_further_track"] = round(net, 4)
    ratios = {
        f"{a}/{b} {what}": round(figures[a][what] / figures[b][what], 2)
        for a, b, what in (
            ("B", "A", "tracks_per_s"),
            ("C", "A", "tracks_per_s"),
            ("B", "D", "cpu_s_per_track"),
            ("C", "D", "cpu_s_per_track"),
            ("B", "D", "cpu_s_per_further_track"),
            ("C", "D", "cpu_s_per_further_track"),
        )
        if a in figures and b in figures
    }
    agreement = {
        f"{a} and {b}": _agreement(found[a], found[b])
        for a, b in (("A", "B"), ("A", "C"), ("B", "C"))
        if a in found and b in found
    }
    return {"systems": figures, "ratios": ratios, "agreement": agreement}


def growth(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """C by the size of the library, which has each track several times if it is large."""
    rows = []
    for size in map(int, arguments.sizes.split(",")):
        tracks = _linked(arguments.library, work / str(size), size)
        _strip_genres(tracks)
        cost = _cost("C", tracks, work, default_processes())
        _say(f"{size} tracks", cost, size)
        rows.append({"tracks": size, "cpu_s": round(cost.cpu_s, 1), **_figures([cost], size)})
    return {"growth": rows}


def listing(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """A first run that keeps every genre, and a second over the same files."""
    song = make_library(work / "song", 1)[0]
    audio = mutagen.File(song)
    audio["TCON"] = mutagen.id3.TCON(encoding=3, text=["Rock"])
    audio.save()
    content = song.read_bytes()[:8192]
    for number in range(arguments.files):
        folder = work / "library" / f"artist {number // 1000}" / f"album {number // 100 % 10}"
        if number % 100 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number:07d}.mp3").write_bytes(content)
    command = [*TAG, str(work / "library"), "--report", str(work / "reports")]
    figures = {}
    for name in ("first run, all kept", "second run, all unchanged"):
        cost = cost_of(command, REPOSITORY)
        _say(name, cost, arguments.files)
        figures[name] = {
            "exit_code": cost.exit_code,
            "files_per_s": round(arguments.files / cost.wall_s),
            "wall_s": round(cost.wall_s, 1),
            "peak_memory_mb": round(cost.peak_memory / 1e6),
        }
    return figures


def profile(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """CPU of each step, measured in one process and one thread, a track at a time."""
    folder = _linked(arguments.library, work, arguments.tracks)
    # A process of its own: numpy reads the number of threads when it is imported.
    command = [sys.executable, "-m", "benchmarks.speed.steps", folder]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def _linked(library: Path | None, work: Path, count: int) -> Path:
    """A folder with copies of the first tracks, which a run may change."""
    kept = library or work / "made"
    folder = work / "tracks"
    folder.mkdir(parents=True)
    made = itertools.cycle(make_library(kept, min(count, _DIFFERENT)))
    for number, path in enumerate(itertools.islice(made, count)):
        (folder / f"{number:05d}{path.suffix}").write_bytes(path.read_bytes())
    return folder


def _strip_genres(folder: Path) -> None:
    for path in folder.iterdir():
        audio = mutagen.File(path)
        if audio.tags and audio.tags.getall("TCON"):
            audio.tags.delall("TCON")
            audio.save()


def _cost(
    system: str, folder: Path, work: Path, processes: int, essentia: str | None = None
) -> Cost:
    said = work / "output"
    command = _command(system, folder, work, str(processes), essentia)
    cost = cost_of(command, REPOSITORY, said)
    if cost.exit_code:
        reason = said.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{system} failed with exit code {cost.exit_code}: {reason}")
    return cost


def _command(
    system: str, folder: Path, work: Path, processes: str, essentia: str | None
) -> list[str | Path | None]:
    if system == "A":
        return [sys.executable, HERE / "obvious_script.py", folder, work / "A.json"]
    if system == "D":
        return [sys.executable, HERE / "decode_floor.py", folder, processes]
    if system == "E":
        return [essentia, HERE / "essentia_mel.py", folder, processes]
    command = [*TAG, folder, "--report", work / system, "--processes", processes]
    command += ["--min-confidence", "0", "--no-incremental", "--quiet"]
    return command + (["--segments", "all"] if system == "B" else [])


def _found(system: str, work: Path) -> dict[str, dict[str, Any]]:
    """Genre and probabilities of each track, by its name."""
    if system == "A":
        return json.loads((work / "A.json").read_text())
    parts = max((work / system / "tracks").iterdir())
    rows = pq.read_table(parts, columns=["uri", "genres_after", "probabilities"]).to_pylist()
    return {
        Path(row["uri"]).name: {
            "genre": row["genres_after"][0],
            "probabilities": dict(row["probabilities"]),
        }
        for row in rows
    }


def _agreement(a: dict[str, Any], b: dict[str, Any]) -> dict[str, float]:
    assert a.keys() == b.keys()
    differences = [
        max(
            abs(a[name]["probabilities"][genre] - b[name]["probabilities"][genre])
            for genre in a[name]["probabilities"]
        )
        for name in a
    ]
    same = [a[name]["genre"] == b[name]["genre"] for name in a]
    return {
        "same_genre": round(float(np.mean(same)), 4),
        "largest_difference": round(max(differences), 5),
        "median_difference": round(statistics.median(differences), 5),
    }


def _figures(costs: Iterable[Cost], n_tracks: int) -> dict[str, float]:
    wall = statistics.median(cost.wall_s for cost in costs)
    cpu = statistics.median(cost.cpu_s for cost in costs)
    return {
        "tracks_per_s": round(n_tracks / wall, 3),
        "wall_s": round(wall, 2),
        "cpu_s_per_track": round(cpu / n_tracks, 4),
        "peak_memory_mb": round(max(cost.peak_memory for cost in costs) / 1e6),
    }


def _say(what: str, cost: Cost, n_tracks: int) -> None:
    print(
        f"{what}: {cost.wall_s:.1f} s, {n_tracks / cost.wall_s:.2f} tracks/s, "
        f"{cost.cpu_s / n_tracks:.4f} CPU s a track, {cost.peak_memory / 1e6:.0f} MB",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
