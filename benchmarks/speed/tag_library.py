#!/usr/bin/env python3
"""Tag a copy of a library and measure it: rows, time, CPU, memory, and that no sound changed.

    .venv/bin/python benchmarks/speed/tag_library.py FOLDER [FOLDER ...] [-- OPTIONS OF TAG]

Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.speed.process_tree import cost_of  # noqa: E402
from genrebeam.transforms.formats import FORMATS, format_of  # noqa: E402
from tests.audio_bytes import audio_hash  # noqa: E402


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


def measure(library: Path, reports: Path, options: list[str]) -> dict[str, object]:
    """Run the job once."""
    command = [sys.executable, "-m", "genrebeam", "tag", str(library)]
    cost = cost_of([*command, "--report", str(reports), *options], REPOSITORY)
    manifest = json.loads((max((reports / "runs").iterdir()) / "run.json").read_text())
    files = sum(manifest["counts"].values())
    return {
        "exit_code": cost.exit_code,
        "rows": manifest["counts"],
        "wall_s": round(cost.wall_s, 2),
        "files_per_s": round(files / cost.wall_s, 2),
        "cpu_s": round(cost.cpu_s, 2),
        "cpu_s_per_file": round(cost.cpu_s / files, 4),
        "peak_memory_mb": round(cost.peak_memory / 1e6),
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
