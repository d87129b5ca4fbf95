"""``genrebeam train``: train a model."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from genrebeam.model.extras import require
from genrebeam.pipeline.commands.command import OK, add_command
from genrebeam.pipeline.commands.music import (
    add_music_arguments,
    chosen_music,
    features_beside,
    gather,
    load_keras,
    one_data_folder,
    recipe_named,
    seed,
)
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.option import count
from genrebeam.pipeline.views.terminal import counted, safe

if TYPE_CHECKING:
    from genrebeam.model.feature_spec import FeatureSpec


def add(commands: Any) -> None:
    """Declare the subcommand."""
    train = add_command(
        commands,
        "train",
        run,
        "train a model and save it as a bundle",
        "examples:\n"
        "  genrebeam train ~/Music --labels tags --out my-bundle     learn your own genres\n"
        "  genrebeam train corpus --labels folders --out my-bundle   one folder per genre\n"
        "  genrebeam train --labels corrections.json --out mine      what you chose on a page\n"
        "  genrebeam train gtzan --recipe wang-vote-cnn --out wang   a published network\n"
        "\n"
        "The same command continues a training that was interrupted; if it was interrupted while\n"
        "it analysed the music, it starts again.\n"
        "exit codes: 0 trained, 1 failed, 2 wrong usage, 3 interrupted",
        usage="genrebeam train DATA --out DIR [OPTION ...]",
    )
    train.add_argument("library", metavar="DATA", nargs="?", help="folder of the music")
    train.add_argument("--data", metavar="DIR", help="the same as DATA")
    add_music_arguments(train)
    train.add_argument("--out", metavar="DIR", required=True, help="folder for the new bundle")
    train.add_argument(
        "--recipe",
        help="what to train (default: backbone, which learns in seconds from a pretrained network; "
        "genre-cnn for data sets that hold spectrograms only)",
    )
    train.add_argument("--name", help="the model's name (default: the recipe's)")
    train.add_argument(
        "--about",
        metavar="FILE",
        help="Markdown for the model card, such as sources and licences of the music "
        "(default: none)",
    )
    train.add_argument(
        "--seed", type=seed, default=0, help="seed of all random numbers (default: %(default)s)"
    )
    train.add_argument(
        "--epochs",
        type=count,
        metavar="N",
        help="train for at most N epochs (default: the recipe's)",
    )
    train.add_argument("--replace", action="store_true", help="replace a bundle that is in --out")
    train.add_argument(
        "--work",
        metavar="DIR",
        help="folder for the features of the music (default: the name of --out plus -features)",
    )
    train.add_argument(
        "--logs",
        metavar="DIR",
        help="write TensorBoard logs to this folder (default: none)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    require("train", "training")
    asked = recipe_named(arguments.recipe) if arguments.recipe else None
    # The command line comes before the configuration.
    configured = arguments.library and "data" in arguments.settings
    data = None if configured else arguments.data
    chosen = None if arguments.library or data else chosen_music(arguments)
    library = one_data_folder(arguments.library or chosen, data)
    _check_out(arguments.out, arguments.replace)
    about = _text_of(arguments.about) if arguments.about else ""
    work = arguments.work or features_beside(arguments.out)

    def analysed_as(frames: FeatureSpec | None) -> FeatureSpec:
        from genrebeam.model.recipes import default_recipe

        recipe = asked or default_recipe(frames)
        for option in ("epochs", "logs"):
            if recipe.build is None and getattr(arguments, option):
                raise UsageError(f"--{option}: {recipe.name} learns at once, without epochs")
        return recipe.features_on(frames) if frames else recipe.features

    music = gather(library, arguments, analysed_as, work)
    load_keras()
    from genrebeam.model.data.training_set import DatasetError
    from genrebeam.model.recipes import default_recipe
    from genrebeam.model.training.train import train
    from genrebeam.transforms.genre.vote import vote

    recipe = asked or default_recipe(music[0].features)
    try:
        bundle = train(
            recipe,
            music[0],
            arguments.out,
            beside=music[1:],
            about=about,
            name=arguments.name or recipe.name,
            vote=vote,
            seed=arguments.seed,
            epochs=arguments.epochs,
            logs=arguments.logs,
            show_bar=sys.stdout.isatty(),
        )
    except DatasetError as error:
        raise UsageError(str(error)) from error
    knows = counted(len(bundle.genres), "genre")
    print(safe(f"{bundle.path}: {bundle.name} {bundle.version}, {knows}"))
    print(f"test track accuracy {bundle.metrics['test']['track_accuracy']:.1%}")
    print(safe(f"use it: genrebeam tag LIBRARY --bundle {shlex.quote(arguments.out)}"))
    return OK


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from error


def _check_out(out: str, replace: bool) -> None:
    """Refuse, before any work, a place that the bundle cannot go to."""
    from genrebeam.model.bundle import BUNDLE_FILES

    if os.path.lexists(out) and not os.path.isdir(out):
        raise UsageError(f"{out}: not a folder")
    taken = [name for name in BUNDLE_FILES if os.path.lexists(os.path.join(out, name))]
    if taken and not replace:
        raise UsageError(f"{out}: already has {', '.join(taken)}; --replace overwrites them")
