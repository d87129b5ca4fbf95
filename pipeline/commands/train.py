"""``genrebeam train``: train a model."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands.command import OK, add_command, no_others
from pipeline.options import UsageError

_DATASETS = ("gtzan",)


def add(commands: Any) -> None:
    """Declare the subcommand."""
    train = add_command(
        commands,
        "train",
        run,
        "train a model and save it as a bundle",
        "example:\n  genrebeam train --data gtzan --out my-bundle",
    )
    train.add_argument("--dataset", choices=_DATASETS, default="gtzan", help="kind of data")
    train.add_argument("--data", metavar="DIR", required=True, help="folder of the data set")
    train.add_argument("--out", metavar="DIR", required=True, help="folder of the new bundle")
    train.add_argument("--recipe", default="genre-cnn", help="what to train (default: %(default)s)")
    train.add_argument("--name", default=None, help="the model's name (default: the recipe's)")
    train.add_argument("--seed", type=int, default=0, help="of all chance (default: %(default)s)")
    train.add_argument(
        "--epochs", type=int, default=None, help="most epochs, instead of the recipe's"
    )


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    from model.recipes import RECIPES

    if arguments.recipe not in RECIPES:
        known = ", ".join(sorted(RECIPES))
        raise UsageError(f"unknown recipe {arguments.recipe!r}; known are {known}")
    music = _load_dataset(arguments)
    _load_keras()
    from model.training import train
    from transforms.vote import vote

    bundle = train(
        RECIPES[arguments.recipe],
        music,
        arguments.out,
        name=arguments.name or arguments.recipe,
        vote=vote,
        seed=arguments.seed,
        epochs=arguments.epochs,
    )
    print(f"{bundle.path}: {bundle.name} {bundle.version}")
    print(f"test track accuracy {bundle.metrics['test']['track_accuracy']:.1%}")
    return OK


def _load_dataset(arguments: argparse.Namespace) -> Any:
    from model.datasets import DatasetError, load_gtzan_array

    try:
        return load_gtzan_array(arguments.data)
    except DatasetError as error:
        raise UsageError(str(error)) from error


def _load_keras() -> None:
    from model import native_noise

    with native_noise.silenced():
        import keras  # noqa: F401
