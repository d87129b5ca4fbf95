#!/usr/bin/env python3
"""One ``beet genrebeam`` for many items against one for each: what a loaded model is worth.

    .venv/bin/python benchmarks/engines/beets_plugin.py FOLDER [--items 300] [--sample 5]

Imports copies of the folder's music into a library of beets of its own, again and again until
there are this many items, and analyses them with the default bundle. Single calls are timed
on a sample. Prints JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.speed.process_tree import Cost, cost_of  # noqa: E402
from genrebeam.transforms.formats import FORMATS, format_of  # noqa: E402


def copy_music(folder: Path, count: int, target: Path) -> None:
    """Copy `count` files, those of the folder in turn."""
    found = sorted(path for path in folder.rglob("*") if format_of(path.name) in FORMATS)
    for number, path in enumerate(itertools.islice(itertools.cycle(found), count)):
        copy = target / f"{number // len(found)}" / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())


def beet(*arguments: str) -> Cost:
    """Run beets to its end."""
    cost = cost_of([sys.executable, "-m", "beets", *arguments], REPOSITORY)
    if cost.exit_code != 0:
        raise SystemExit(f"beet {' '.join(arguments)} ended with {cost.exit_code}")
    return cost


def figures(cost: Cost, items: int) -> dict[str, float]:
    return {
        "wall_s": round(cost.wall_s, 2),
        "wall_s_per_item": round(cost.wall_s / items, 3),
        "cpu_s_per_item": round(cost.cpu_s / items, 3),
        "peak_memory_mb": round(cost.peak_memory / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--sample", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        music, database = Path(work) / "music", Path(work) / "library.db"
        copy_music(options.folder, options.items, music)
        # JSON is YAML.
        configuration = {
            "directory": str(music),
            "library": str(database),
            "plugins": ["genrebeam"],
            "import": {"copy": False, "autotag": False, "duplicate_action": "keep"},
        }
        (Path(work) / "config.yaml").write_text(json.dumps(configuration))
        os.environ |= {"BEETSDIR": work, "PYTHONPATH": str(REPOSITORY)}
        beet("import", "--quiet", str(music))
        with sqlite3.connect(database) as connection:
            (count,) = connection.execute("SELECT count(*) FROM items").fetchone()
        each = [beet("genrebeam", "--force", f"id:{n + 1}") for n in range(options.sample)]
        together = beet("genrebeam", "--force")
    one = figures(together, count)
    alone, alone_cpu = median(cost.wall_s for cost in each), median(cost.cpu_s for cost in each)
    print(
        json.dumps(
            {
                "items": count,
                "one_call": one,
                "one_call_each": {
                    "sampled": options.sample,
                    "median_wall_s": round(alone, 2),
                    "median_cpu_s": round(alone_cpu, 2),
                    "wall_s_for_all": round(alone * count),
                },
                "times_the_wall_time": round(alone * count / together.wall_s, 1),
                "times_the_cpu_time": round(alone_cpu * count / together.cpu_s, 1),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
