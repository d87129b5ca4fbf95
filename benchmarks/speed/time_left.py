#!/usr/bin/env python3
"""How right the time left is: made-up nights with a big library, played in no time.

    .venv/bin/python benchmarks/speed/time_left.py [--tracks 100000] [--seeds 3]

Costs of a file are what was measured of whole tracks (see ``COSTS``), drawn anew for each file and
scattered. Files come folder by folder, a batch at a time, as the run reports them. Prints the error
of the time left after a share of the way, for `TimeLeft` and for what was shown before it: files
left by files analysed in a second. A night whose machine changes half way cannot be foretold: the
last table says how right it is again ten minutes after.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from genrebeam.pipeline.views.time_left import TimeLeft  # noqa: E402

SHARES = (0.02, 0.05, 0.10, 0.25, 0.50, 0.75)
BATCH = 8
LOADING_S = 10.0


@dataclass(frozen=True)
class Kind:
    """Whole tracks of a format, as measured.

    Parameters
    ----------
    mb, scatter_mb : float
        Size, in MB; of an album, its tracks scatter by a third of it.
    analyse_s : float
        Time to decode and classify one, in s.
    mb_s : float
        Time to write a MB, in s.
    """

    mb: float
    scatter_mb: float
    analyse_s: float
    mb_s: float


# One process, two busy cores, a virtual disk: extract_s and write_s of the report. Four files are
# written at a time; the 0.09 s of the networks are assumed, the report has their wait in it.
COSTS = {
    "mp3": Kind(6.4, 3.3, 0.11 + 0.09, 0.0275 / 4),
    "flac": Kind(41.3, 13.1, 0.10 + 0.09, 0.0242 / 4),
    "m4a": Kind(3.8, 0.9, 0.30 + 0.09, 0.0258 / 4),
    "set": Kind(96.0, 8.0, 0.30 + 0.09, 0.0178 / 4),
}


@dataclass(frozen=True)
class File:
    """A file to analyse: its size in bytes, and the time that it takes, in s."""

    size_bytes: int
    seconds: float


def album(kind: Kind, draw: random.Random, n: int, slower: float) -> Iterator[File]:
    """Tracks of one bit rate."""
    typical = max(1.0, draw.gauss(kind.mb, kind.scatter_mb))
    for _ in range(n):
        mb = max(0.3, draw.gauss(typical, typical / 3))
        seconds = kind.analyse_s * draw.lognormvariate(0, 0.3) + kind.mb_s * mb * slower
        yield File(round(mb * 1e6), seconds * draw.lognormvariate(0, 0.2))


def library(
    kind_of: Callable[[float, random.Random], str], n: int, seed: int, slower: float = 1.0
) -> list[File]:
    """A library by folder; `kind_of` gets the place in it, from 0 to 1."""
    draw = random.Random(seed)
    files: list[File] = []
    while len(files) < n:
        # A third has its genre already: whole artists or single albums. It costs nothing.
        if draw.random() < 0.3:
            n -= 12
            continue
        kind = kind_of(len(files) / n, draw)
        files += album(COSTS[kind], draw, 2 if kind == "set" else 12, slower)
    return files


def mixed(place: float, draw: random.Random) -> str:
    return draw.choices(("mp3", "flac", "m4a", "set"), (60, 30, 8, 2))[0]


def mp3_then_flac(place: float, draw: random.Random) -> str:
    return "mp3" if place < 0.6 else "flac"


def flac_then_mp3(place: float, draw: random.Random) -> str:
    return "flac" if place < 0.4 else "mp3"


def sets_last(place: float, draw: random.Random) -> str:
    return "set" if place > 0.97 else draw.choices(("mp3", "m4a"), (9, 1))[0]


def in_blocks(place: float, draw: random.Random) -> str:
    """Artists A to C in mp3, D in FLAC and so on: twenty blocks."""
    return ("mp3", "flac", "mp3", "mp3", "m4a")[int(place * 20) % 5]


NIGHTS: dict[str, tuple[Callable[[float, random.Random], str], float]] = {
    "mixed": (mixed, 1),
    "mixed, a share at 20 MB/s": (mixed, 8),
    "in blocks": (in_blocks, 1),
    "mp3, then FLAC": (mp3_then_flac, 1),
    "mp3, then FLAC, a share at 20 MB/s": (mp3_then_flac, 8),
    "FLAC, then mp3": (flac_then_mp3, 1),
    "mp3 and m4a, sets last": (sets_last, 1),
}


def ends(files: list[File], slow_from: float) -> list[float]:
    """When each file is done; from that share of the way on all takes twice as long."""
    now, times = LOADING_S, []
    for first in range(0, len(files), BATCH):
        batch = files[first : first + BATCH]
        now += sum(file.seconds for file in batch) * (2 if first >= slow_from * len(files) else 1)
        times += [now] * len(batch)
    return times


def by_count(done: int, n: int, now: float) -> float:
    """What was shown before."""
    return (n - done) * now / done


def errors(files: list[File], slow_from: float, looks: list[float]) -> list[tuple[float, float]]:
    """Error after so much of the whole time, of what was shown before and of `TimeLeft`."""
    times = ends(files, slow_from)
    time_left, total = TimeLeft(), sum(file.size_bytes for file in files)
    analysed, found = 0, []
    waiting = list(looks)
    for done, (file, now) in enumerate(zip(files, times, strict=True), start=1):
        time_left.add(now, file.size_bytes)
        analysed += file.size_bytes
        while waiting and now >= waiting[0] * times[-1]:
            waiting.pop(0)
            true = times[-1] - now
            shown = time_left(len(files) - done, total - analysed)
            before = by_count(done, len(files), now)
            found.append((before / true - 1, (shown or 0) / true - 1))
    return found


def print_table(title: str, looks: list[str], rows: dict[str, list[list[tuple[float, float]]]]):
    """Worst of the seeds, before and now."""
    print(f"\n| {title} | " + " | ".join(looks) + " |\n|" + "---|" * (len(looks) + 1))
    for name, seeds in rows.items():
        cells = []
        for place in range(len(looks)):
            before, now = (max((seed[place][which] for seed in seeds), key=abs) for which in (0, 1))
            cells.append(f"{before:+.0%}, {now:+.0%}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rows, busy = {}, {}
    for name, (kind_of, slower) in NIGHTS.items():
        libraries = [library(kind_of, arguments.tracks, s, slower) for s in range(arguments.seeds)]
        rows[name] = [errors(files, 2.0, list(SHARES)) for files in libraries]
        if name == "mixed":
            hours = statistics.mean(ends(files, 2.0)[-1] / 3600 for files in libraries)
            print(f"{len(libraries[0]):,} files to analyse, {hours:.1f} h")
            for files in libraries:
                changed = ends(files, 0.5)
                start = changed[len(files) // 2]
                looks = [(start + 60 * minutes) / changed[-1] for minutes in (0, 5, 10, 20, 60)]
                busy.setdefault("half way", []).append(errors(files, 0.5, looks))
    print_table("after", [f"{share:.0%}" for share in SHARES], rows)
    looks = ["at once", "5 min", "10 min", "20 min", "60 min"]
    print_table("half the speed from", looks, busy)


if __name__ == "__main__":
    main()
