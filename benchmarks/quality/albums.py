#!/usr/bin/env python3
"""Measure whether tracks that vote together are classified better than alone.

    .venv/bin/python benchmarks/quality/albums.py DATA [--work DIR] [--likeness 0.4 0.45 0.5 0.55]

DATA and ``--work`` are those of ``default_bundle.py``, and so are the folds: each track is judged
by heads that learned from other artists only. Beside Magnatune's own albums and artists, and the
artists of ``world`` (two or three excerpts each), there are groups that it does not have:
compilations of twelve tracks, each by another artist, of all folders or of one, and albums with one
track from another folder.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import mutagen  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks.quality.fit import (  # noqa: E402
    NAMES,
    STYLE_OF,
    learned_from,
    logits_apart,
)
from benchmarks.quality.music import Piece, outputs_of, pieces_in  # noqa: E402
from genrebeam.model.backbones.backbone import backbone_of  # noqa: E402
from genrebeam.model.bundle import DEFAULT_BUNDLE, load_bundle  # noqa: E402
from genrebeam.model.calibration import expected_calibration_error, probabilities_of  # noqa: E402
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES  # noqa: E402
from genrebeam.transforms.genre import together  # noqa: E402
from genrebeam.transforms.genre.vote import VotePolicy, decide  # noqa: E402
from genrebeam.transforms.records import Group, Prediction, Track  # noqa: E402

SEEDS = 2
_SETS = ("magnatune", "world")
DRAWN = 60
IN_A_COMPILATION = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, help="keeps what the backbone puts out")
    parser.add_argument("--likeness", type=float, nargs="+", default=[together.LEAST_LIKENESS])
    arguments = parser.parse_args()
    pieces = pieces_in(arguments.data)
    outputs = outputs_of(pieces, arguments.work)
    tracks = [piece for piece in pieces if piece.set in _SETS]
    trials = predictions(pieces, outputs)
    ways = ("alone", "together")
    heads = [
        f"{what} {way}" for what in ("right", "ECE", "written", "of these right") for way in ways
    ]
    print(" | ".join(["| likeness", "", "tracks", *heads, "voted together |"]))
    print("|---" * (4 + len(heads)) + "|")
    for together.LEAST_LIKENESS in arguments.likeness:
        for name, groups in groups_of(tracks).items():
            print(f"| {together.LEAST_LIKENESS} | {name} | {measured(tracks, trials, groups)} |")


def predictions(pieces: list[Piece], outputs: list[np.ndarray]) -> list[list[Prediction]]:
    """What models say of the tracks that learned from other artists, by division."""
    bundle = load_bundle(DEFAULT_BUNDLE)
    learned = [number for number, piece in enumerate(pieces) if learned_from(piece)]
    music = [pieces[i] for i in learned]
    means = np.stack([outputs[i].mean(axis=0) for i in learned])
    projection = backbone_of(BACKBONE_FEATURES).projection
    embeddings = projection.split(projection.inputs_of(means[:, None]))[1]
    trials = []
    for seed in range(SEEDS):
        logits = logits_apart(music, means, lambda piece: f"{piece.set} {piece.artist}", seed)
        judged = probabilities_of(logits, bundle.temperature, STYLE_OF)
        trials.append(
            [
                Prediction(
                    Track(str(pieces[number].path), "mp3"),
                    row[None],
                    0,
                    0,
                    overall=row,
                    embedding=embedding,
                )
                for number, row, embedding in zip(learned, judged, embeddings, strict=True)
                if pieces[number].set in _SETS
            ]
        )
    return trials


def groups_of(tracks: list[Piece]) -> dict[str, list[list[int]]]:
    """Numbers of the tracks in each group, by kind of group."""
    albums, artists, pairs = defaultdict(list), defaultdict(list), defaultdict(list)
    for number, one in enumerate(tracks):
        if one.set == "world":
            pairs[one.artist].append(number)
            continue
        album = mutagen.File(one.path, easy=True)["album"][0]
        albums[one.artist, album].append(number)
        artists[one.artist].append(number)
    chance = np.random.default_rng(0)

    def compilation(folder: str | None) -> list[int]:
        chosen: dict[str, int] = {}
        for number in chance.permutation(len(tracks)):
            if tracks[number].set == "magnatune" and folder in (None, tracks[number].part):
                chosen.setdefault(tracks[number].artist, int(number))
        return list(chosen.values())[:IN_A_COMPILATION]

    def guest(album: list[int]) -> int:
        own = tracks[album[0]].part
        others = [n for n, one in enumerate(tracks) if one.set == "magnatune" and one.part != own]
        return int(chance.choice(others))

    several = [numbers for numbers in albums.values() if len(numbers) > 1]
    larger = [numbers for numbers in several if len(numbers) > 2]
    folders = sorted({one.part for one in tracks if one.set == "magnatune"})
    return {
        "albums": several,
        "albums of three tracks and more": larger,
        "artists": [numbers for numbers in artists.values() if len(numbers) > 1],
        "artists of world": [numbers for numbers in pairs.values() if len(numbers) > 1],
        "compilations": [compilation(None) for _ in range(DRAWN)],
        "compilations of one folder": [
            compilation(folder) for folder in folders for _ in range(DRAWN // len(folders))
        ],
        "albums with a track from elsewhere": [
            [*album, guest(album)] for album in larger for _ in range(5)
        ],
    }


def measured(tracks: list[Piece], trials: list[list[Prediction]], groups: list[list[int]]) -> str:
    policy = VotePolicy(level="family")
    vote = functools.partial(decide, genres=NAMES, policy=policy, families=STYLE_OF)
    right: dict[str, list[bool]] = {"alone": [], "together": []}
    sure: dict[str, list[float]] = {"alone": [], "together": []}
    n_together = 0
    for trial in trials:
        for numbers in groups:
            group = Group("album\0x", len(numbers))
            members = [_in_group(trial[number], group) for number in numbers]
            decisions = {
                "alone": [vote(member) for member in members],
                "together": together.vote_together(members, vote, STYLE_OF),
            }
            n_together += sum((one.tracks_voted or 1) > 1 for one in decisions["together"])
            for way, made in decisions.items():
                sure[way] += [one.confidence for one in made]
                right[way] += [
                    one.genres[0] in tracks[number].families
                    for one, number in zip(made, numbers, strict=True)
                ]
    least = load_bundle(DEFAULT_BUNDLE).min_confidence
    written = {way: np.array(sure[way]) >= least for way in right}
    shares = [f"{np.mean(values):.1%}" for values in right.values()]
    errors = [
        f"{expected_calibration_error(np.array(sure[way]), np.array(right[way])):.3f}"
        for way in right
    ]
    n_tracks = len(right["alone"]) // len(trials)
    voted = n_together / len(right["alone"])
    shares_written = [f"{written[way].mean():.0%}" for way in right]
    written_right = [f"{np.array(right[way])[written[way]].mean():.1%}" for way in right]
    cells = [*shares, *errors, *shares_written, *written_right, f"{voted:.0%}"]
    return " | ".join([str(n_tracks), *cells])


def _in_group(prediction: Prediction, group: Group) -> Prediction:
    return replace(prediction, track=replace(prediction.track, group=group))


if __name__ == "__main__":
    main()
