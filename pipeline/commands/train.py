"""``genrebeam train``: train a model."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pipeline.commands.command import OK, add_command, no_others
from pipeline.commands.music import (
    add_music_arguments,
    gather,
    load_keras,
    one_data_folder,
    recipe_named,
)


def add(commands: Any) -> None:
    """Declare the subcommand."""
    train = add_command(
        commands,
        "train",
        run,
        "train a model and save it as a bundle",
        "examples:\n"
        "  genrebeam train ~/Music --labels tags --out my-bundle   learn your own genres\n"
        "  genrebeam train corpus --labels folders --out my-bundle one folder per genre\n"
        "  genrebeam train gtzan --recipe wang-vote-cnn --out wang a published network\n"
        "\n"
        "Stopped? The same command goes on where it was. Use the result with\n"
        "  genrebeam tag LIBRARY --bundle my-bundle",
    )
    train.add_argument("library", metavar="DATA", nargs="?", help="folder of the music")
    train.add_argument("--data", metavar="DIR", default=None, help="the same as DATA")
    add_music_arguments(train)
    train.add_argument("--out", metavar="DIR", required=True, help="folder of the new bundle")
    train.add_argument("--recipe", default="genre-cnn", help="what to train (default: %(default)s)")
    train.add_argument("--name", default=None, help="the model's name (default: the recipe's)")
    train.add_argument("--seed", type=int, default=0, help="of all chance (default: %(default)s)")
    train.add_argument(
        "--epochs", type=int, default=None, help="most epochs, instead of the recipe's"
    )
    train.add_argument(
        "--work",
        metavar="DIR",
        default=None,
        help="folder for features of audio that was heard (default: OUT with -features added)",
    )
    train.add_argument("--logs", metavar="DIR", default=None, help="write logs for TensorBoard")


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    recipe = recipe_named(arguments.recipe)
    library = one_data_folder(arguments.library, arguments.data)
    work = arguments.work or f"{arguments.out.rstrip('/')}-features"
    music = gather(
        library,
        arguments,
        lambda frames: recipe.features_on(frames) if frames else recipe.features,
        work,
    )
    load_keras()
    from model.training import train
    from transforms.vote import vote

    bundle = train(
        recipe,
        music[0],
        arguments.out,
        beside=music[1:],
        name=arguments.name or arguments.recipe,
        vote=vote,
        seed=arguments.seed,
        epochs=arguments.epochs,
        logs=arguments.logs,
        show_bar=sys.stdout.isatty(),
    )
    print(f"{bundle.path}: {bundle.name} {bundle.version}")
    print(f"test track accuracy {bundle.metrics['test']['track_accuracy']:.1%}")
    return OK
