"""``genrebeam evaluate``: measure a model."""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genrebeam.model.extras import require
from genrebeam.pipeline.commands.command import OK, add_command
from genrebeam.pipeline.commands.music import (
    add_music_arguments,
    chosen_music,
    features_beside,
    gather,
    load_keras,
)
from genrebeam.pipeline.options.errors import UsageError, writing
from genrebeam.pipeline.options.job import bundle_named
from genrebeam.pipeline.views.terminal import counted, safe

if TYPE_CHECKING:
    import numpy as np

    from genrebeam.model.bundle import Bundle
    from genrebeam.model.data.clips import LabelledMusic
    from genrebeam.model.evaluation.correspondence import Correspondence
    from genrebeam.model.evaluation.predict import Predictions, TrackScores

# ``filtered`` is GTZAN's fault-filtered test list.
_SPLITS = {
    "filtered": "test",
    "test": "test",
    "valid": "valid",
    "train": "train",
    "all": "test",
}

# Accuracy is measured for these numbers of segments analysed of a track too, beside all of them.
_COUNTS = (1, 2, 4, 8)


def add(commands: Any) -> None:
    """Declare the subcommand."""
    evaluate = add_command(
        commands,
        "evaluate",
        run,
        "measure a model on music of known genres",
        "examples:\n"
        "  genrebeam evaluate my-bundle --data gtzan --split filtered --json\n"
        "  genrebeam evaluate my-bundle --data ~/Music --labels tags --page figures.html\n"
        "  genrebeam evaluate default --data ~/Music --labels tags --split all\n"
        "\n"
        "Different names of a genre count as one: Alt. Rock is Alternative, and Punk is Rock if\n"
        "the data has no Punk. Models with families are measured by family too.\n"
        "\n"
        "exit codes: 0 measured, 1 failed, 2 wrong usage, 3 interrupted",
        usage="genrebeam evaluate BUNDLE --data DIR [OPTION ...]",
    )
    evaluate.add_argument(
        "bundle", metavar="BUNDLE", help="the model: a folder, or default or gtzan"
    )
    evaluate.add_argument(
        "--data", metavar="DIR", help="folder of the music (default: that of corrections.json)"
    )
    add_music_arguments(evaluate)
    evaluate.add_argument(
        "--split",
        choices=tuple(_SPLITS),
        default="test",
        help="tracks to measure on; filtered is GTZAN's fault-filtered test list; all is every "
        "track, for models that did not learn from the data (default: %(default)s)",
    )
    evaluate.add_argument("--json", action="store_true", help="print all figures as JSON")
    evaluate.add_argument("--page", metavar="FILE", help="also write an HTML page of plots")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    require("train", "evaluation")
    from genrebeam.model.data.clips import join
    from genrebeam.pipeline.training.datasets.gtzan import FILTERED

    data = arguments.data or chosen_music(arguments)
    if data is None:
        raise UsageError("name the folder of the music with --data")
    bundle = bundle_named(arguments.bundle)
    frames = bundle.features.outputs
    with tempfile.TemporaryDirectory() as work:
        music = gather(
            data,
            arguments,
            lambda _: frames,
            work,
            whole=arguments.split == "all",
            only=_SPLITS[arguments.split] if arguments.random_split is None else None,
            extracted=features_beside(arguments.bundle),
        )
        joined = join(music) if len(music) > 1 else music[0]
        if arguments.split == "filtered" and music[0].split != FILTERED:
            raise UsageError(f"{data}: has no fault-filtered lists")
        if not frames.same_frames(joined.features):
            reason = "does not have the frames that the model needs"
            raise UsageError(f"{joined.name}: {reason} ({bundle.path})")
        figures = _measure(arguments, bundle, joined, _SPLITS[arguments.split])
    if arguments.json:
        print(json.dumps(figures))
        return OK
    from genrebeam.model.evaluation.metrics import summary_lines

    print(_printable(summary_lines(figures)))
    if figures["n_unknown"]:
        n_unknown = counted(figures["n_unknown"], "track")
        print(f"skipped {n_unknown} of genres that the model does not know")
    if "families" in figures:
        print(f"\nby family:\n{_printable(summary_lines(figures['families']))}")
    return OK


def _printable(lines: str) -> str:
    """Lines in which no name of a genre commands the terminal."""
    return "\n".join(map(safe, lines.split("\n")))


def _measure(
    arguments: argparse.Namespace, bundle: Bundle, music: LabelledMusic, split: str
) -> dict[str, Any]:
    load_keras()
    import numpy as np

    from genrebeam.model.evaluation.correspondence import correspondences
    from genrebeam.model.evaluation.metrics import model_cost
    from genrebeam.model.evaluation.predict import predict
    from genrebeam.transforms.genre.classify import open_classifier

    clips, levels = music.splits[split], correspondences(music, split, bundle)
    if not levels:
        raise UsageError(f"{music.name}: no track of a genre that {bundle.path} knows")
    classifier = open_classifier(bundle)
    predictions = predict(
        classifier.trained,
        bundle.features.outputs,
        clips,
        counts=_COUNTS,
        embeddings=arguments.page is not None,
    )
    analysed = {name: _probabilities(bundle, level, predictions) for name, level in levels.items()}
    measured = {
        name: _figures(analysed[name], level, clips[level.clips].by)
        for name, level in levels.items()
    }
    exact = levels["genres"]
    figures = measured.pop("genres")
    figures |= {"n_unknown": len(clips) - len(exact.clips), **measured}
    segments = np.random.default_rng(0).random((64, *bundle.features.shape), np.float32)
    figures["cost"] = model_cost(
        lambda batch: classifier.of_tracks([batch]), segments, n_segments=bundle.n_segments
    )
    if predictions.embeddings is not None:
        from genrebeam.model.evaluation.page import write_page

        which = "tracks" if arguments.split == "all" else "list"
        with writing(arguments.page):
            write_page(
                arguments.page,
                dataclasses.replace(bundle, genres=exact.names),
                figures,
                predictions.embeddings[exact.clips],
                names=clips[exact.clips].names,
                targets=exact.targets,
                probabilities=analysed["genres"][None].tracks,
                dataset=f"{music.name}, {arguments.split} {which}",
            )
    return figures


def _probabilities(
    bundle: Bundle, level: Correspondence, predictions: Predictions
) -> dict[int | None, TrackScores]:
    """Calibrated probabilities of the classes that count, by the segments analysed."""
    from genrebeam.model.calibration import probabilities_of

    def joined(logits: np.ndarray) -> np.ndarray:
        return level.join(
            probabilities_of(logits, bundle.temperature, bundle.families, bundle.style_temperature)
        )

    return {
        count: logits.of(level.clips).mapped(joined)
        for count, logits in predictions.by_count.items()
    }


def _figures(
    probabilities: dict[int | None, TrackScores], level: Correspondence, artists: Sequence[str]
) -> dict[str, Any]:
    from genrebeam.model.evaluation.metrics import accuracy_by_segments, evaluate
    from genrebeam.transforms.genre.vote import vote

    return {
        **evaluate(
            probabilities[None], level.targets, vote=vote, genres=level.names, artists=artists
        ),
        "accuracy_by_segments": accuracy_by_segments(
            probabilities, level.targets, vote=vote, artists=artists
        ),
    }
