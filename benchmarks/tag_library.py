#!/usr/bin/env python3
"""Tag a copy of a library and measure it: rows, time, CPU, memory, and that no sound changed.

    .venv/bin/python benchmarks/tag_library.py FOLDER [FOLDER ...] [-- OPTIONS OF TAG]

Prints one JSON object. Memory is the peak of the whole process tree (proportional set size,
so that shared pages count once), and CPU the sum over it, both sampled ten times a second;
Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.audio_bytes import audio_hash  # noqa: E402
from transforms.formats import FORMATS, format_of  # noqa: E402


def copy_library(folders: list[str], target: Path) -> list[Path]:
    """Copy the music below the folders, names kept apart."""
    copies = []
    for number, folder in enumerate(folders):
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and format_of(path.name) in FORMATS:
                copy = target / str(number) / path.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
                copies.append(copy)
    return copies


class Tree:
    """A process and all its descendants, looked at from outside while they run."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.peak_memory = 0
        self._cpu: dict[int, float] = {}

    @property
    def cpu_s(self) -> float:
        """User and system time of all processes that were ever seen."""
        return sum(self._cpu.values())

    def look(self) -> None:
        """Take one sample."""
        children: dict[int, list[int]] = {}
        ticks: dict[int, int] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stream:
                        facts = stream.read().rpartition(")")[2].split()
                except OSError:
                    continue
                children.setdefault(int(facts[1]), []).append(int(entry))
                ticks[int(entry)] = int(facts[11]) + int(facts[12])
        memory, waiting = 0, [self.root]
        while waiting:
            process = waiting.pop()
            waiting += children.get(process, [])
            self._cpu[process] = ticks.get(process, 0) / os.sysconf("SC_CLK_TCK")
            try:
                with open(f"/proc/{process}/smaps_rollup") as stream:
                    memory += sum(int(line.split()[1]) for line in stream if line[:4] == "Pss:")
            except OSError:
                continue
        self.peak_memory = max(self.peak_memory, memory * 1024)


def measure(library: Path, reports: Path, options: list[str]) -> dict[str, object]:
    """Run the job once."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "pipeline.cli", "tag", str(library)]
    process = subprocess.Popen(
        [*command, "--report", str(reports), *options],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    tree = Tree(process.pid)
    while process.poll() is None:
        tree.look()
        time.sleep(0.1)
    wall = time.perf_counter() - started
    manifest = json.loads((max((reports / "runs").iterdir()) / "run.json").read_text())
    files = sum(manifest["counts"].values())
    return {
        "exit_code": process.returncode,
        "rows": manifest["counts"],
        "wall_s": round(wall, 2),
        "files_per_s": round(files / wall, 2),
        "cpu_s": round(tree.cpu_s, 2),
        "cpu_s_per_file": round(tree.cpu_s / files, 4),
        "peak_memory_mb": round(tree.peak_memory / 1e6),
    }


def main() -> None:
    arguments = sys.argv[1:]
    options: list[str] = []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, options = arguments[:split], arguments[split + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        copies = copy_library(arguments, library)
        sounds = {path: audio_hash(path) for path in copies}
        figures = measure(library, Path(folder) / "reports", options)
        changed = [path.name for path in copies if audio_hash(path) != sounds[path]]
    print(json.dumps({"files": len(copies), **figures, "sound_changed": changed}, indent=2))


if __name__ == "__main__":
    main()
