"""``genrebeam evaluate``: measure a model."""

from __future__ import annotations

import argparse
import json
import tempfile
from typing import TYPE_CHECKING, Any

from pipeline.commands.command import OK, add_command, no_others
from pipeline.commands.music import add_music_arguments, gather, load_keras
from pipeline.options import UsageError

if TYPE_CHECKING:
    from model.bundle import Bundle
    from model.datasets import Clips, LabelledMusic

# ``filtered`` is what GTZAN's fault-filtered test list is called.
_SPLITS = {"filtered": "test", "test": "test", "valid": "valid", "train": "train"}


def add(commands: Any) -> None:
    """Declare the subcommand."""
    evaluate = add_command(
        commands,
        "evaluate",
        run,
        "measure a bundle on music whose genre is known",
        "examples:\n"
        "  genrebeam evaluate my-bundle --data gtzan --split filtered --json\n"
        "  genrebeam evaluate my-bundle --data ~/Music --labels tags --page figures.html\n"
        "\n"
        "exit codes: 0 measured, 1 failed, 2 wrong usage, 3 interrupted",
        usage="genrebeam evaluate BUNDLE --data DIR [OPTION ...]",
    )
    evaluate.add_argument("bundle", metavar="BUNDLE", help="folder of the model")
    evaluate.add_argument("--data", metavar="DIR", required=True, help="folder of the music")
    add_music_arguments(evaluate)
    evaluate.add_argument(
        "--split",
        choices=tuple(_SPLITS),
        default="test",
        help="list to measure on; filtered is GTZAN's test list (default: %(default)s)",
    )
    evaluate.add_argument("--json", action="store_true", help="print all figures as JSON")
    evaluate.add_argument(
        "--page", metavar="FILE", default=None, help="write an HTML page of plots"
    )


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    from model.bundle import BundleError, load_bundle
    from model.datasets import FILTERED, join

    try:
        bundle = load_bundle(arguments.bundle)
    except BundleError as error:
        raise UsageError(str(error)) from error
    with tempfile.TemporaryDirectory() as work:
        music = gather(arguments.data, arguments, lambda _: bundle.features, work)
        joined = join(music) if len(music) > 1 else music[0]
        if arguments.split == "filtered" and music[0].split != FILTERED:
            raise UsageError(f"{arguments.data}: has no fault-filtered lists")
        clips, n_unknown = _known(bundle, joined, _SPLITS[arguments.split])
        figures = _measure(arguments, bundle, clips, joined.name)
    if arguments.json:
        print(json.dumps({**figures, "n_unknown": n_unknown}))
        return OK
    from model.evaluation import summary_lines

    print(summary_lines(figures))
    if n_unknown:
        print(f"{n_unknown:,} tracks of genres that the model does not know were left out")
    return OK


def _known(bundle: Bundle, music: LabelledMusic, split: str) -> tuple[Clips, int]:
    """Clips whose genre the bundle knows, as its classes, and how many others there are."""
    from model.datasets import clips_as

    if not bundle.features.same_frames(music.features):
        raise UsageError(f"{music.name}: not made of the frames that {bundle.path} hears")
    clips, n_unknown = clips_as(music, split, bundle.genres)
    if not len(clips):
        raise UsageError(f"{music.name}: no track of a genre that {bundle.path} knows")
    return clips, n_unknown


def _measure(
    arguments: argparse.Namespace, bundle: Bundle, clips: Clips, dataset: str
) -> dict[str, Any]:
    load_keras()
    from model.evaluation import (
        accuracy_by_segments,
        embed,
        evaluate_logits,
        model_cost,
        predict_logits,
        track_probabilities,
    )
    from transforms.classify import Classifier
    from transforms.vote import vote

    network = bundle.load_network()
    logits = predict_logits(network, bundle.features, clips)
    settings = {"temperature": bundle.temperature, "vote": vote}
    figures = evaluate_logits(logits, clips.targets, genres=bundle.genres, **settings)
    figures["accuracy_by_segments"] = accuracy_by_segments(
        network, bundle.features, clips, **settings
    )
    figures["cost"] = model_cost(
        Classifier(bundle), bundle.features, clips, n_segments=bundle.n_segments
    )
    if arguments.page:
        from model.evaluation_page import write_page

        try:
            write_page(
                arguments.page,
                bundle,
                figures,
                embed(network, bundle.features, clips),
                names=clips.names,
                targets=clips.targets,
                probabilities=track_probabilities(logits, bundle.temperature),
                dataset=f"{dataset}, {arguments.split} list",
            )
        except OSError as error:
            raise UsageError(f"{arguments.page}: cannot be written ({error.strerror})") from error
    return figures
