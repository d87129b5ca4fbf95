"""``genrebeam prepare``: turn labelled audio into a training set."""

from __future__ import annotations

import argparse
from typing import Any

from genrebeam.model.extras import require
from genrebeam.pipeline.commands.command import OK, add_command
from genrebeam.pipeline.commands.music import WHERE_FROM, labels, note, recipe_named
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.job import check_runner_arguments
from genrebeam.pipeline.views.terminal import counted, safe


def add(commands: Any) -> None:
    """Declare the subcommand."""
    prepare = add_command(
        commands,
        "prepare",
        run,
        "turn music of known genres into a training set",
        "examples:\n"
        "  genrebeam prepare ~/Music --labels tags --out my-set\n"
        "  genrebeam train my-set --out my-bundle\n"
        "\n"
        "train does this by itself. As a separate step it can run on any runner of Apache Beam\n"
        "whose workers all reach --out. Options of Beam, such as --runner, are passed on to it.\n"
        "exit codes: 0 prepared, 1 failed, 2 wrong usage, 3 interrupted",
        usage="genrebeam prepare LIBRARY --labels KIND --out DIR [OPTION ...]",
        takes_others=True,
    )
    prepare.add_argument("library", metavar="LIBRARY", help="folder of music")
    prepare.add_argument(
        "--dataset",
        "--labels",
        type=labels,
        metavar="KIND",
        required=True,
        help=f"where the genres come from: {WHERE_FROM}",
    )
    prepare.add_argument("--out", metavar="DIR", required=True, help="folder for the training set")
    prepare.add_argument(
        "--recipe",
        default="backbone",
        help="recipe whose features to compute (default: %(default)s)",
    )


def run(arguments: argparse.Namespace, runner_arguments: list[str]) -> int:
    """Run the subcommand."""
    check_runner_arguments(runner_arguments)
    require("train", "preparing music for training")
    recipe = recipe_named(arguments.recipe)
    from genrebeam.model.data.training_set import DatasetError
    from genrebeam.pipeline.graphs.prepare import prepare
    from genrebeam.pipeline.runs import interruption
    from genrebeam.pipeline.views import progress

    if "://" in arguments.out:
        raise UsageError(f"{arguments.out}: training sets can only be local so far")
    try:
        with interruption.handled(), progress.shown():
            music = prepare(
                arguments.library,
                arguments.dataset,
                recipe.features,
                arguments.out,
                runner_arguments=runner_arguments,
                log=note,
            )
    except DatasetError as error:
        raise UsageError(str(error)) from error
    for label in music.too_small:
        note(f"left out {label}")
    sizes = ", ".join(f"{len(clips):,} {split}" for split, clips in music.splits.items())
    print(f"{safe(arguments.out)}: {counted(len(music.genres), 'genre')}; {safe(sizes)}")
    return OK
