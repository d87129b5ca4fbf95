#!/usr/bin/env python3
"""How well a recipe learns a small library, beside another, artists apart.

    .venv/bin/python benchmarks/quality/learn_genres.py MUSIC [--recipes backbone,genre-cnn]
        [--seeds 3] [--without Pop] [--tracks 10] [--epochs 30] [--work DIR]

MUSIC has one folder a genre. Its tracks are divided into five folds by artist, whom their tags name
or the ``labels.csv`` of `world`; each fold is the test of a model that learned from the others.
``--tracks`` gives each training this many tracks a genre. Every seed divides anew. Prints a line
for each fold, and JSON at the end: accuracy over all tracks for each seed, and the time that
training took, without the analysis before it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402

from genrebeam.model.data.clips import Clips, LabelledMusic  # noqa: E402
from genrebeam.model.recipes import RECIPES  # noqa: E402
from genrebeam.model.training.train import folds_by_artist, train  # noqa: E402
from genrebeam.pipeline.graphs.prepare import prepare  # noqa: E402
from genrebeam.transforms.genre.vote import vote  # noqa: E402
from tools.world import LABELS_FILE, read_world  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("music", type=Path)
    parser.add_argument("--recipes", default="backbone,genre-cnn")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--without", default="", help="genres to leave out, with commas")
    parser.add_argument("--tracks", type=int, help="of each genre in a training")
    parser.add_argument("--epochs", type=int, help="most, instead of the recipe's")
    parser.add_argument("--work", type=Path, help="keeps what was analysed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as nowhere:
        work = arguments.work or Path(nowhere)
        results = {name: measure(name, arguments, work) for name in arguments.recipes.split(",")}
    print(json.dumps(results, indent=2))


def measure(name: str, arguments: argparse.Namespace, work: Path) -> dict[str, object]:
    """Accuracy by seed, and the time of a training."""
    recipe = RECIPES[name]
    analysed = prepare(arguments.music, "folders", recipe.features, work / f"{name}-set")
    analysed = by_artist(analysed, arguments.music)
    music = without(analysed, [one for one in arguments.without.split(",") if one])
    clips = sum(music.splits.values(), music.unlisted)
    accuracies, seconds = [], []
    for seed in range(arguments.seeds):
        folds, right = folds_by_artist(clips, seed=seed), 0
        for fold in range(5):
            part = divided(music, clips, folds, fold, arguments.tracks, seed)
            started = time.perf_counter()
            with tempfile.TemporaryDirectory() as out:
                bundle = train(
                    recipe, part, out, name=name, vote=vote, seed=seed,
                    epochs=arguments.epochs, log=lambda line: None,
                )  # fmt: skip
            seconds.append(time.perf_counter() - started)
            figures = bundle.metrics["test"]
            right += round(figures["track_accuracy"] * figures["n_tracks"])
            print(
                f"{name} seed {seed} fold {fold}: {figures['track_accuracy']:.1%} of "
                f"{figures['n_tracks']}, {seconds[-1]:.1f} s",
                file=sys.stderr,
                flush=True,
            )
        accuracies.append(round(right / len(clips), 4))
    return {
        "tracks": len(clips),
        "accuracy": accuracies,
        "mean": round(statistics.mean(accuracies), 4),
        "seconds_of_a_training": round(statistics.median(seconds), 2),
    }


def by_artist(music: LabelledMusic, folder: Path) -> LabelledMusic:
    """A data set with the artists of `world`, whose files name none."""
    if not (folder / LABELS_FILE).is_file():
        return music
    artists = {str(one.path.relative_to(folder)): one.artist for one in read_world(folder)}

    def named(clips: Clips) -> Clips:
        return dataclasses.replace(clips, artists=tuple(artists[name] for name in clips.names))

    return dataclasses.replace(
        music,
        splits={split: named(clips) for split, clips in music.splits.items()},
        unlisted=named(music.unlisted),
    )


def without(music: LabelledMusic, genres: list[str]) -> LabelledMusic:
    """A data set without some of its genres."""
    kept = [number for number, genre in enumerate(music.genres) if genre not in genres]

    def reduced(clips: Clips) -> Clips:
        chosen = clips[np.flatnonzero(np.isin(clips.targets, kept))]
        return dataclasses.replace(chosen, targets=np.searchsorted(kept, chosen.targets))

    return dataclasses.replace(
        music,
        labels=tuple(music.labels[number] for number in kept),
        genres=tuple(music.genres[number] for number in kept),
        splits={split: reduced(clips) for split, clips in music.splits.items()},
        unlisted=reduced(music.unlisted),
    )


def divided(
    music: LabelledMusic,
    clips: Clips,
    folds: np.ndarray,
    fold: int,
    n_tracks: int | None,
    seed: int,
) -> LabelledMusic:
    """One fold to test, of the others the most to train and some, by other artists, to stop."""
    chance = np.random.default_rng([seed, fold])
    rest = chance.permutation(np.flatnonzero(folds != fold))
    if n_tracks:
        of_genre = [rest[clips.targets[rest] == genre] for genre in range(len(music.genres))]
        rest = np.concatenate([tracks[:n_tracks] for tracks in of_genre])
    inner = folds_by_artist(clips[rest], n_folds=8 if n_tracks is None else 4, seed=seed)
    splits = {"train": rest[inner > 0], "valid": rest[inner == 0], "test": folds == fold}
    members = {
        split: clips[np.flatnonzero(chosen) if chosen.dtype == bool else np.sort(chosen)]
        for split, chosen in splits.items()
    }
    return dataclasses.replace(music, splits=members)


if __name__ == "__main__":
    main()
