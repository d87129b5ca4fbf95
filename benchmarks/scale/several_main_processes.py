#!/usr/bin/env python3
"""One main process, two of Beam's own, or two runs side by side: time, CPU and memory.

    .venv/bin/python benchmarks/scale/several_main_processes.py LIBRARY [--rounds 3]

Each way tags copies of the same folder, in alternation: one run; one run with Beam's
``direct_running_mode=multi_processing``; two runs at once, each over a half. All have two
decoders. Prints JSON. Linux only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.speed.process_tree import Cost, cost_of  # noqa: E402
from genrebeam.transforms.formats import FORMATS, format_of  # noqa: E402

_HALVES = 2


def copy_in_halves(library: Path, target: Path) -> None:
    """Copy the music of a folder into two."""
    music = [path for path in sorted(library.rglob("*")) if format_of(path.name) in FORMATS]
    for number, path in enumerate(music):
        half = target / str(number % _HALVES)
        half.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, half / f"{number}.{format_of(path.name)}")


def tag(library: Path, processes: int, *options: str) -> list[str]:
    """The command."""
    report = library.with_name(f"report {library.name}")
    command = [sys.executable, "-m", "genrebeam", "tag", str(library), "--report", str(report)]
    return [*command, "--quiet", "--processes", str(processes), *options]


def ways(library: Path) -> dict[str, list[list[str]]]:
    """Commands that run at the same time, by the name of the way."""
    beam = ["--direct_running_mode", "multi_processing", "--direct_num_workers", str(_HALVES)]
    return {
        "one run": [tag(library, _HALVES)],
        "Beam's multi_processing": [tag(library, _HALVES // 2, *beam)],
        "two runs": [tag(library / str(half), _HALVES // 2) for half in range(_HALVES)],
    }


def at_once(commands: list[list[str]]) -> Cost:
    """Run commands at the same time."""
    code = (
        "import subprocess, sys; "
        f"started = [subprocess.Popen(command) for command in {commands!r}]; "
        "sys.exit(max(process.wait() for process in started))"
    )
    return cost_of([sys.executable, "-c", code], REPOSITORY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    costs: dict[str, list[Cost]] = {}
    for _ in range(arguments.rounds):
        for name in ways(arguments.library):
            with tempfile.TemporaryDirectory() as work:
                library = Path(work) / "library"
                copy_in_halves(arguments.library, library)
                cost = at_once(ways(library)[name])
            if cost.exit_code:
                raise SystemExit(f"{name}: exit code {cost.exit_code}")
            costs.setdefault(name, []).append(cost)
            print(name, cost, file=sys.stderr)
    print(
        json.dumps(
            {
                name: {
                    "wall_s": round(statistics.median(cost.wall_s for cost in found), 1),
                    "cpu_s": round(statistics.median(cost.cpu_s for cost in found), 1),
                    "peak_memory_mb": round(max(cost.peak_memory for cost in found) / 1e6),
                }
                for name, found in costs.items()
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
