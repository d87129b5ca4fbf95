"""Train and measure every recipe and every baseline on the same tracks, for docs/quality.md.

    python benchmarks/quality/compare_recipes.py ../shared/data/gtzan --work /tmp/compare
    python benchmarks/quality/compare_recipes.py ../shared/data/gtzan --work /tmp/compare --table

Each result is a file in the working folder, so that the work can be stopped, goes on where
it was, and can be shared among processes with ``--only``. ``--table`` prints what is there
and writes it to ``benchmarks/quality/recipes.json``.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# Their own figures, on other splits and classes: context, not a comparison.
PUBLISHED = {
    "homburg-mfcc-cnn": "86 % (3 genres)",
    "lachmish-melspec-cnn": "",
    "vink-mlp": "82 % (5 genres, validation)",
    "vink-cnn": "",
    "wang-vote-cnn": "85.3 % by vote, random 70:30",
    "chowdhry-feature-net": "92.9 % (3 s pieces at random)",
    "k-nearest-neighbours": "68.7 % (Wang)",
    "decision-tree": "62.7 % (Wang)",
    "random-forest": "65.7 % (Wang)",
    "support-vector-machine": "61.3 % (Wang)",
    "logistic-regression": "68.3 % (Wang)",
}
RESULTS = Path(__file__).with_name("recipes.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="GTZAN, as array")
    parser.add_argument("--work", type=Path, required=True, help="folder for results")
    parser.add_argument("--only", default=None, help="names, separated by commas")
    parser.add_argument(
        "--splits",
        default="filtered,random-0",
        help="filtered, or random-SEED; separated by commas (default: %(default)s)",
    )
    parser.add_argument("--epochs", type=int, default=None, help="instead of the recipes' own")
    parser.add_argument("--table", action="store_true", help="print what is there")
    arguments = parser.parse_args()
    if arguments.table:
        print_table(arguments.work)
        return
    from genrebeam.model.recipes import RECIPES
    from tools.baselines import BASELINES

    names = arguments.only.split(",") if arguments.only else [*BASELINES, *RECIPES]
    arguments.work.mkdir(parents=True, exist_ok=True)
    for split in arguments.splits.split(","):
        for name in names:
            result = arguments.work / f"{name}.{split}.json"
            if not result.exists():
                figures = measure(name, split, arguments.data, arguments.work, arguments.epochs)
                result.write_text(json.dumps(figures))
                print(name, split, figures["track_accuracy"], flush=True)


def measure(
    name: str, split: str, data: Path, work: Path, epochs: int | None = None
) -> dict[str, Any]:
    """Train one thing on one split; figures of the test list."""
    from genrebeam.model.bundle import BUNDLES, load_bundle
    from genrebeam.model.calibration import fit_temperature
    from genrebeam.model.data.splits import random_split
    from genrebeam.model.evaluation.metrics import evaluate_logits
    from genrebeam.model.recipes import RECIPES
    from genrebeam.model.training.train import train
    from genrebeam.pipeline.training.datasets.gtzan import load_gtzan_array
    from genrebeam.transforms.genre.vote import vote
    from tools.baselines import BASELINES, fit_baseline

    music = load_gtzan_array(data)
    if split.startswith("random-"):
        music = random_split(music, int(split.removeprefix("random-")))
    started, cpu = time.monotonic(), _cpu_seconds()
    if name in BASELINES:
        fitted = fit_baseline(name, music)
        logits = {part: fitted.logits[part] for part in ("valid", "test")}
        temperature = fit_temperature(logits["valid"].segments, music.splits["valid"].targets)
        figures = {
            part: evaluate_logits(
                logits[part],
                music.splits[part].targets,
                temperature=temperature,
                vote=vote,
                genres=music.genres,
            )
            for part in logits
        }
        size = 0
    else:
        if (name, split) == ("genre-cnn", "filtered"):
            bundle = load_bundle(BUNDLES / "gtzan")  # what is shipped is what is compared
        else:
            folder = work / f"{name}.{split}"
            bundle = train(
                RECIPES[name], music, folder, name=name, vote=vote, epochs=epochs, log=_say
            )
        figures = bundle.metrics
        size = (Path(bundle.path) / "model.keras").stat().st_size
    return {
        **figures["test"],
        "valid_accuracy": figures["valid"]["track_accuracy"],
        "bytes": size,
        "train_seconds": round(time.monotonic() - started),
        "train_cpu_seconds": round(_cpu_seconds() - cpu),
    }


def _say(line: str) -> None:
    print(line, flush=True)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def print_table(work: Path) -> None:
    """The table of docs/quality.md, and the same figures as a file for its test."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(work.glob("*.*.json")):
        name, split, _ = path.name.split(".")
        found.setdefault(name, {})[split] = json.loads(path.read_text())
    kept = ("track_accuracy", "track_accuracy_ci95", "majority_accuracy", "majority_refused", "ece")
    RESULTS.write_text(
        json.dumps(
            {
                name: {split: {key: f[key] for key in kept} for split, f in sorted(splits.items())}
                for name, splits in sorted(found.items())
            },
            indent=1,
        )
        + "\n"
    )
    kinds = [
        f"{split}: {rule}" for split in ("filtered", "random") for rule in ("mean", "majority")
    ]
    print(f"| recipe | {' | '.join(kinds)} | theirs |")
    print("|---|---|---|---|---|---|")
    rows = sorted(found, key=lambda name: -found[name]["filtered"]["track_accuracy"])
    for name in rows:
        cells = []
        for kind in ("filtered", "random"):
            figures = [f for split, f in found[name].items() if split.startswith(kind)]
            for key in ("track_accuracy", "majority_accuracy"):
                cells.append(" / ".join(f"{100 * f[key]:.1f}" for f in figures) or "-")
        print(f"| `{name}` | {' | '.join(cells)} | {PUBLISHED.get(name, '')} |")


if __name__ == "__main__":
    main()
