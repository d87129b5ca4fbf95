"""``genrebeam evaluate``: measure a model."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pipeline.commands.command import OK, add_command, no_others
from pipeline.commands.train import _DATASETS, _load_dataset, _load_keras
from pipeline.options import UsageError

_SPLITS = {"filtered": "test", "valid": "valid", "train": "train"}


def add(commands: Any) -> None:
    """Declare the subcommand."""
    evaluate = add_command(
        commands,
        "evaluate",
        run,
        "measure a bundle on music whose genre is known",
        "example:\n  genrebeam evaluate my-bundle --data gtzan --json",
    )
    evaluate.add_argument("bundle", metavar="BUNDLE", help="folder of the model")
    evaluate.add_argument("--dataset", choices=_DATASETS, default="gtzan", help="kind of data")
    evaluate.add_argument("--data", metavar="DIR", required=True, help="folder of the data set")
    evaluate.add_argument(
        "--split", choices=tuple(_SPLITS), default="filtered", help="list (default: %(default)s)"
    )
    evaluate.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    from model.bundle import BundleError, load_bundle

    try:
        bundle = load_bundle(arguments.bundle)
    except BundleError as error:
        raise UsageError(str(error)) from error
    music = _load_dataset(arguments)
    if music.labels != bundle.labels:
        raise UsageError(f"{arguments.bundle}: its labels are not those of {arguments.dataset}")
    _load_keras()
    from model.evaluation import evaluate_logits, predict_logits
    from transforms.vote import vote

    clips = music.splits[_SPLITS[arguments.split]]
    logits = predict_logits(bundle.load_network(), bundle.features, clips)
    figures = evaluate_logits(logits, clips.targets, temperature=bundle.temperature, vote=vote)
    if arguments.json:
        print(json.dumps(figures))
        return OK
    low, high = figures["track_accuracy_ci95"]
    print(f"tracks             {figures['n_tracks']}")
    print(f"track accuracy     {figures['track_accuracy']:.1%}  (95 %: {low:.1%} to {high:.1%})")
    print(f"by majority vote   {figures['majority_accuracy']:.1%}")
    print(f"  of them refused  {figures['majority_refused']:.1%}")
    print(f"segment accuracy   {figures['segment_accuracy']:.1%}")
    print(f"calibration error  {figures['ece']:.3f}")
    return OK
