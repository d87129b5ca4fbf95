#!/usr/bin/env python3
"""Make the default bundle, and measure it on real audio.

    .venv/bin/python benchmarks/default_bundle.py DATA [--out model/bundles/default] [--work DIR]

DATA has ``magnatune``, ``gtzan/audio`` and ``songs``. Only Magnatune's tracks are learned from;
all figures of them are of folds with artists apart, divided anew for every seed. The clips of
GTZAN and the songs are never learned from. ``--work`` keeps what the ears said, so that making
it again takes seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import mutagen  # noqa: E402
import numpy as np  # noqa: E402
from scipy.optimize import minimize_scalar  # noqa: E402

from genrebeam.model.bundle import DEFAULT_BUNDLE, Bundle, save_bundle  # noqa: E402
from genrebeam.model.calibration import (  # noqa: E402
    expected_calibration_error,
    probabilities_of,
    reliability_curve,
)
from genrebeam.model.feature_spec import FeatureSpec  # noqa: E402
from genrebeam.model.genres import join_columns  # noqa: E402
from genrebeam.model.head import inputs_of, over_time, sound_of  # noqa: E402
from genrebeam.model.recipes.ears import EARS_FEATURES, N_SEGMENTS  # noqa: E402
from genrebeam.model.training.card import world_card  # noqa: E402
from genrebeam.model.training.world_head import Settings, fit_world_head  # noqa: E402
from genrebeam.model.vocabulary import FAMILIES, GENRES, meant_by  # noqa: E402
from genrebeam.pipeline.training.datasets.gtzan import GTZAN_GENRES  # noqa: E402

SEEDS, FOLDS = 5, 5
SPEC = EARS_FEATURES
NAMES = tuple(genre.name for genre in GENRES)
STYLE_OF = tuple(genre.family for genre in GENRES)
GROUP_OF_FOLDER = {"classical": "Classical", "electronic": "Electronic", "rock": "Rock"}
# What people would say of the songs, whatever their tags say.
SONGS = {
    "A Talk with George": ("Folk", "Country", "Rock"),
    "Code Monkey": ("Rock",),
    "Furry Old Lobster": ("Rock",),
    "Not About You": ("Rock",),
    "Can't stop it": ("Rock",),
}
# musicnn's and YAMNet's words do not tell these apart.
ALIKE = {"Alternative", "Indie"}


@dataclass(frozen=True)
class Heard:
    """A track, what the ears said of it, and what is known of it.

    Parameters
    ----------
    path, folder, artist, tag : str
    families : tuple of str
        Any of these is right.
    outputs : np.ndarray
        ``(n_segments, n_outputs) float32``, every segment.
    """

    path: str
    folder: str
    artist: str
    tag: str
    families: tuple[str, ...]
    outputs: np.ndarray

    def inputs(self, n_segments: int | None) -> np.ndarray:
        starts = SPEC.segment_starts(len(self.outputs), n_segments)
        return inputs_of(self.outputs[starts], SPEC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--work", type=Path, help="keeps what the ears said")
    arguments = parser.parse_args()
    tracks = hear_all(arguments.data, arguments.work)
    learned = [one for one in tracks if one.folder in (*GROUP_OF_FOLDER, "pop")]
    others = [one for one in tracks if one not in learned]
    settings = Settings()
    whole, heard = inputs(learned, None), inputs(learned, N_SEGMENTS)
    apart = [logits_apart(learned, settings, whole, heard, seed) for seed in range(SEEDS)]
    head = fit_world_head(whole, groups(learned), SPEC, settings)
    elsewhere = head.logits(inputs(others, N_SEGMENTS))
    temperature = best_temperature([*learned, *others], [
        np.concatenate([logits, elsewhere]) for logits in apart
    ])  # fmt: skip
    style_temperature = best_style_temperature(learned, apart)

    def judged(logits: np.ndarray) -> np.ndarray:
        return probabilities_of(logits, temperature, STYLE_OF, style_temperature)

    metrics: dict[str, Any] = {
        "magnatune": figures(learned, [judged(logits) for logits in apart]),
        "by_segments": [
            by_segments(learned, settings, n_segments, judged) for n_segments in (1, 2, 3, 4)
        ],
        "gtzan_clips": list_of([one for one in others if one.folder == "audio"], head, judged),
        "songs": list_of([one for one in others if one.folder == "songs"], head, judged),
        "steadiness": {
            Path(one.path).name: steadiness(one, head, judged)
            for one in others
            if one.folder == "songs"
        },
        "not_music": [
            Path(one.path).name for one in tracks if not sound_of(one.outputs, SPEC).is_music
        ],
    }
    bundle = Bundle(
        path="",
        name="genrebeam-world",
        version="",
        labels=NAMES,
        genres=NAMES,
        features=SPEC,
        temperature=round(temperature, 3),
        families=STYLE_OF,
        style_temperature=round(style_temperature, 3),
        style_confidence=0.3,
        min_confidence=0.3,
        n_segments=N_SEGMENTS,
        training={
            "recipe": "ears",
            "dataset": "magnatune",
            "settings": vars(settings),
            "clips": {"train": len(learned)},
            "checked": checked(learned, others),
        },
        metrics=metrics,
    )
    saved = save_bundle(bundle, head, arguments.out, world_card(bundle))
    print(json.dumps({"version": saved.version, "temperature": temperature, **metrics}, indent=2))


def hear_all(data: Path, work: Path | None) -> list[Heard]:
    """Every track at hand, heard whole."""
    paths = sorted(
        path
        for folder in ("magnatune", "gtzan/audio", "songs")
        for path in (data / folder).rglob("*")
        if path.suffix in (".mp3", ".ogg", ".flac")
    )
    kept = work / f"{SPEC_KEY}.npz" if work else None
    if kept is not None and kept.is_file():
        with np.load(kept, allow_pickle=False) as stored:
            outputs = {name: stored[name] for name in stored.files}
    else:
        names = [str(path.relative_to(data)) for path in paths]
        outputs = dict(zip(names, _heard(paths), strict=True))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, **outputs)
    return [described(path, outputs[str(path.relative_to(data))]) for path in paths]


SPEC_KEY = "-".join([*(ear.version for ear in SPEC.ears), str(SPEC.piece_samples)])


def _heard(paths: list[Path]) -> list[np.ndarray]:
    from genrebeam.transforms.audio.features import hear
    from genrebeam.transforms.genre.classify import Classifier

    ears = Classifier(Bundle("", "ears", "", (), (), SPEC))
    found = []
    for number, path in enumerate(paths, start=1):
        found.append(ears.classify(hear(str(path), path.suffix[1:], SPEC).log_mel)[0])
        if number % 50 == 0:
            print(f"heard {number} of {len(paths)}", file=sys.stderr, flush=True)
    return found


def described(path: Path, outputs: np.ndarray) -> Heard:
    """What is known of a track: by its folder and tag, or by its name."""
    folder = path.parent.name
    if folder == "songs":
        families = next(right for name, right in SONGS.items() if name in path.name)
        return Heard(str(path), folder, path.name, "", families, outputs)
    if folder == "audio":
        genre = GTZAN_GENRES[path.name.split(".")[0]]
        return Heard(str(path), folder, path.name, genre, (FAMILIES[genre],), outputs)
    tags = mutagen.File(path, easy=True)
    tag = tags["genre"][0]
    right = {FAMILIES[genre] for genre in meant_by(tag)}
    if folder in GROUP_OF_FOLDER:
        right.add(GROUP_OF_FOLDER[folder])
    return Heard(str(path), folder, tags["artist"][0], tag, tuple(sorted(right)), outputs)


def inputs(tracks: list[Heard], n_segments: int | None) -> np.ndarray:
    return np.stack([one.inputs(n_segments) for one in tracks])


def groups(tracks: list[Heard]) -> list[str]:
    """What each is learned as: its folder; in the doubtful pop folder its tag."""
    return [
        GROUP_OF_FOLDER.get(one.folder) or ("Electronic" if one.tag == "Electronic" else "Rock")
        for one in tracks
    ]


def logits_apart(
    tracks: list[Heard],
    settings: Settings,
    whole: np.ndarray,
    heard: np.ndarray,
    seed: int,
    spec: FeatureSpec = SPEC,
) -> np.ndarray:
    """Logits of tracks by heads that learned from other artists: ``(n_tracks, n_genres)``.

    ``whole`` has the inputs that heads learn from, ``heard`` those that they judge.
    """
    artists = np.array([one.artist for one in tracks])
    known = np.random.default_rng(seed).permutation(np.unique(artists))
    fold = {artist: number % FOLDS for number, artist in enumerate(known)}
    folds = np.array([fold[artist] for artist in artists])
    group = groups(tracks)
    logits = np.zeros((len(tracks), len(NAMES)), np.float32)
    for number in range(FOLDS):
        inside = folds == number
        rest = np.flatnonzero(~inside)
        head = fit_world_head(whole[rest], [group[i] for i in rest], spec, settings)
        logits[inside] = head.logits(heard[inside])
    return logits


def by_family(probabilities: np.ndarray) -> tuple[list[str], np.ndarray]:
    families, names = join_columns(probabilities, STYLE_OF)
    return names, families


def right_share(tracks: list[Heard], probabilities: np.ndarray) -> np.ndarray:
    """Probability of the families that are right, track by track."""
    names, families = by_family(probabilities)
    right = np.array([[name in one.families for name in names] for one in tracks])
    return (families * right).sum(axis=1)


def is_right(tracks: list[Heard], probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the likeliest family is right, and its probability."""
    names, families = by_family(probabilities)
    said = [names[number] for number in families.argmax(axis=1)]
    right = [family in one.families for family, one in zip(said, tracks, strict=True)]
    return np.array(right), families.max(axis=1)


def best_temperature(tracks: list[Heard], trials: list[np.ndarray]) -> float:
    def surprise(temperature: float) -> float:
        shares = [
            right_share(tracks, probabilities_of(logits, temperature, STYLE_OF))
            for logits in trials
        ]
        return -float(np.log(np.maximum(shares, 1e-9)).mean())

    return float(minimize_scalar(surprise, bounds=(0.1, 3.0), method="bounded").x)


def styles_meant(one: Heard) -> set[str]:
    """The styles that a tag names, where it names one that is no family's own name."""
    meant = set(meant_by(one.tag)) - set(STYLE_OF)
    return meant | (ALIKE if meant & ALIKE else set())


def best_style_temperature(tracks: list[Heard], trials: list[np.ndarray]) -> float:
    chosen = [number for number, one in enumerate(tracks) if styles_meant(one)]
    meant = np.array([[name in styles_meant(tracks[i]) for name in NAMES] for i in chosen])
    same = np.array([[family in tracks[i].families for family in STYLE_OF] for i in chosen])

    def surprise(temperature: float) -> float:
        total = 0.0
        for logits in trials:
            found = probabilities_of(logits[chosen], 1.0, STYLE_OF, temperature)
            share = (found * meant).sum(axis=1) / (found * same).sum(axis=1)
            total -= float(np.log(np.maximum(share, 1e-9)).mean())
        return total

    return float(minimize_scalar(surprise, bounds=(0.3, 3.0), method="bounded").x)


def figures(tracks: list[Heard], trials: list[np.ndarray]) -> dict[str, Any]:
    """Accuracy by folder and calibration, over all seeds; intervals by artists drawn anew."""
    rights, confidences = zip(*(is_right(tracks, trial) for trial in trials), strict=True)
    right, confidence = np.array(rights), np.array(confidences)
    folders = np.array([one.folder for one in tracks])
    artists = np.array([one.artist for one in tracks])
    three = folders != "pop"
    rows: dict[str, Any] = {
        "divisions": len(trials),
        "families_of_three_folders": share(right[:, three]),
        **{folder: share(right[:, folders == folder]) for folder in np.unique(folders)},
        "all": share(right),
        "ece": round(expected_calibration_error(confidence.ravel(), right.ravel()), 4),
        "reliability": reliability_curve(confidence.ravel(), right.ravel()),
    }
    chance = np.random.default_rng(0)
    drawn = []
    for _ in range(1000):
        counts = Counter(chance.choice(np.unique(artists), len(np.unique(artists))))
        weights = np.array([counts[artist] for artist in artists], float)
        drawn.append(
            (
                np.average(right[:, three].mean(axis=0), weights=weights[three]),
                expected_calibration_error(
                    confidence.ravel(), right.ravel(), weights=np.tile(weights, len(trials))
                ),
            )
        )
    for name, values in zip(
        ("families_of_three_folders", "ece"), zip(*drawn, strict=True), strict=True
    ):
        rows[f"{name}_ci95"] = [round(float(q), 4) for q in np.quantile(values, (0.025, 0.975))]
    rows["least_confidence"] = [
        {
            "confidence": least,
            "share_of_tracks": round(float((confidence >= least).mean()), 4),
            "right": round(float(right[confidence >= least].mean()), 4),
        }
        for least in (0.0, 0.3, 0.6, 0.8, 0.95)
    ]
    rows["styles"] = [
        style_row(tracks, trials, least) for least in (0.0, 0.25, 0.3, 0.35, 0.4, 0.5)
    ]
    rows["mistakes"] = mistakes(tracks, trials)
    return rows


def share(right: np.ndarray) -> float:
    return round(float(right.mean()), 4)


def style_row(tracks: list[Heard], trials: list[np.ndarray], least: float) -> dict[str, Any]:
    """How often a style is said at a confidence, and right where the tag names a style."""
    said = right = named = 0
    for trial in trials:
        names, families = by_family(trial)
        for one, row, family in zip(tracks, trial, families.argmax(axis=1), strict=True):
            among = np.array([own == names[family] for own in STYLE_OF])
            style = int(np.where(among, row, -1).argmax())
            if row[style] < least or NAMES[style] in STYLE_OF:
                continue
            said += 1
            if meant := styles_meant(one):
                named += 1
                right += NAMES[style] in meant
    total = len(tracks) * len(trials)
    return {
        "confidence": least,
        "share_of_tracks": round(said / total, 4),
        "right_where_known": round(right / named, 4) if named else None,
        "known": round(named / len(trials)),
    }


def mistakes(tracks: list[Heard], trials: list[np.ndarray]) -> dict[str, dict[str, int]]:
    """What the folders' tracks are taken for."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    names, families = by_family(trials[0])
    for one, family in zip(tracks, families.argmax(axis=1), strict=True):
        if names[family] not in one.families:
            found[one.folder][names[family]] += 1
    return {folder: dict(counts.most_common()) for folder, counts in found.items()}


def by_segments(
    tracks: list[Heard], settings: Settings, n_segments: int, judged: Any
) -> dict[str, Any]:
    whole, heard = inputs(tracks, None), inputs(tracks, n_segments)
    trial = judged(logits_apart(tracks, settings, whole, heard, 0))
    right, _ = is_right(tracks, trial)
    three = np.array([one.folder != "pop" for one in tracks])
    return {
        "segments": n_segments,
        "families_of_three_folders": share(right[three]),
        "pop": share(right[~three]),
    }


def list_of(tracks: list[Heard], head: Any, judged: Any) -> dict[str, Any]:
    """What it says of tracks that it never learned from, heard as when tagging."""
    trial = judged(head.logits(inputs(tracks, N_SEGMENTS)))
    names, families = by_family(trial)
    right, _ = is_right(tracks, trial)
    rows = {
        Path(one.path).name: {
            "family": {names[i]: round(float(row[i]), 2) for i in np.argsort(-row)[:3]},
            "right": bool(is_it),
        }
        for one, row, is_it in zip(tracks, families, right, strict=True)
    }
    return {"right": int(right.sum()), "of": len(tracks), "tracks": rows}


def steadiness(one: Heard, head: Any, judged: Any) -> float:
    """Share of a track's segments, each with its neighbours, whose family is the track's own."""
    # A segment of 6 s with its neighbours is 18 s; with half of each it would be 12 s.
    around = over_time(one.outputs, 1)
    half = (around * 3 + one.outputs) / 4
    _, families = by_family(judged(head.logits(inputs_of(half[:, None], SPEC))))
    _, whole = by_family(judged(head.logits(one.inputs(None)[None])))
    return round(float((families.argmax(axis=1) == whole.argmax()).mean()), 3)


def checked(learned: list[Heard], others: list[Heard]) -> dict[str, str]:
    """How each genre was checked."""
    tracks: Counter[str] = Counter()
    for one in (*learned, *others):
        meant = meant_by(one.tag)
        tracks.update({*(meant if len(meant) == 1 else ()), *one.families[:1]})
    return {
        name: "on labelled music"
        if tracks[name] >= 50
        else ("on a handful of tracks" if tracks[name] else "only by name")
        for name in NAMES
    }


if __name__ == "__main__":
    main()
