#!/usr/bin/env python3
"""Make the default bundle, measure it on real music, and write its model card.

    .venv/bin/python benchmarks/quality/default_bundle.py DATA [--out DIR] [--work DIR]

DATA has ``world``, ``magnatune``, ``gtzan`` and ``songs``. The backbone runs once over all of it;
``--work`` keeps what it puts out, so that fitting again takes a minute. All figures of music that
the model learns from are of folds: each track is judged by a model that learned from none of its
artist, or of its source. Intervals are of 95 %, by artists drawn anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402

from benchmarks.quality.card import default_card  # noqa: E402
from benchmarks.quality.fit import (  # noqa: E402
    FAMILIES,
    NAMES,
    STYLE_OF,
    best_temperature,
    by_family,
    fit,
    is_right,
    learned_from,
    logits_apart,
)
from benchmarks.quality.music import Piece, outputs_of, pieces_in  # noqa: E402
from genrebeam.model.bundle import DEFAULT_BUNDLE, Bundle, save_bundle  # noqa: E402
from genrebeam.model.calibration import (  # noqa: E402
    expected_calibration_error,
    probabilities_of,
    reliability_curve,
)
from genrebeam.model.head import inputs_of, scores_of, sound_of  # noqa: E402
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES, N_WINDOWS  # noqa: E402

# The default writes a genre where it is right so often, of tracks whose label is beyond doubt.
ACCURACY = 0.8
# A style is checked if this many tracks of it are known, and it is said and right so often.
CHECKED_TRACKS, CHECKED_SAID, CHECKED_ACCURACY = 20, 10, 0.7
STYLE_CONFIDENCE = 0.3
_DRAWS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--work", type=Path, help="keeps what the backbone puts out")
    arguments = parser.parse_args()
    pieces = pieces_in(arguments.data)
    outputs = outputs_of(pieces, arguments.work)
    means = np.stack([of_track.mean(axis=0) for of_track in outputs])
    inputs = inputs_of(means[:, None], BACKBONE_FEATURES)
    learned = [number for number, piece in enumerate(pieces) if learned_from(piece)]
    music = [pieces[i] for i in learned]
    apart = logits_apart(music, means[learned], lambda piece: f"{piece.set} {piece.artist}")
    by_source = logits_apart(music, means[learned], lambda piece: piece.source)
    world = np.array([piece.set == "world" for piece in music])
    temperature = best_temperature([p for p in music if p.set == "world"], apart[world])
    head = fit(music, inputs[learned])

    def judged(logits: np.ndarray) -> np.ndarray:
        return probabilities_of(logits, temperature, STYLE_OF)

    def of(name: str) -> tuple[list[Piece], np.ndarray]:
        """Tracks of a set that are learned from, judged by others' heads."""
        chosen = np.array([piece.set == name for piece in music])
        return [p for p in music if p.set == name], judged(apart[chosen])

    def unknown(name: str, part: str = "") -> tuple[list[Piece], np.ndarray]:
        """Tracks that are never learned from."""
        chosen = [i for i, p in enumerate(pieces) if p.set == name and part in ("", p.part)]
        return [pieces[i] for i in chosen], judged(head.logits(inputs[chosen]))

    threshold = _threshold(*of("world"))
    metrics: dict[str, Any] = {
        "world": figures(*of("world"), threshold),
        "world_sources_apart": figures(
            [p for p in music if p.set == "world"], judged(by_source[world]), threshold
        ),
        "magnatune": by_part(*of("magnatune")),
        "gtzan_test": accuracy(*unknown("gtzan", "test")),
        "gtzan_clips": listed(*unknown("clips")),
        "songs": listed(*unknown("songs")),
        "styles": styles(music, judged(apart)),
        "not_music": [
            piece.path.name
            for piece, of_track in zip(pieces, outputs, strict=True)
            if not sound_of(scores_of(of_track, BACKBONE_FEATURES), BACKBONE_FEATURES).is_music
        ],
    }
    checked = {name for name, row in metrics["styles"].items() if row["checked"]}
    bundle = Bundle(
        path="",
        name="genrebeam-world",
        version="",
        labels=NAMES,
        genres=NAMES,
        features=BACKBONE_FEATURES,
        temperature=round(temperature, 3),
        families=STYLE_OF,
        style_confidence=STYLE_CONFIDENCE,
        unchecked=tuple(name for name in NAMES if name not in checked | set(FAMILIES)),
        min_confidence=threshold,
        n_segments=N_WINDOWS,
        training={
            "recipe": "backbone",
            "dataset": "world + magnatune + gtzan",
            "clips": {name: len(of(name)[0]) for name in ("world", "magnatune", "gtzan")},
            "artists": len({piece.artist for piece in of("world")[0]}),
        },
        metrics=metrics,
    )
    saved = save_bundle(bundle, head, arguments.out, default_card(bundle))
    print(json.dumps({"version": saved.version, "temperature": temperature, **metrics}, indent=2))


def _threshold(pieces: Sequence[Piece], probabilities: np.ndarray) -> float:
    """The least confidence at which what is written is right often enough."""
    families = by_family(probabilities)
    confidence, right = families.max(axis=1), _hits(pieces, families)
    sure = np.array([piece.sure for piece in pieces])
    steps = np.arange(0.2, 0.95, 0.01)
    enough = [right[sure & (confidence >= least)].mean() >= ACCURACY for least in steps]
    return round(float(steps[enough.index(True)]), 2)


def _hits(pieces: Sequence[Piece], families: np.ndarray) -> np.ndarray:
    return is_right(pieces)[np.arange(len(pieces)), families.argmax(axis=1)]


def with_interval(
    pieces: Sequence[Piece], measure: Callable[[np.ndarray], float]
) -> dict[str, Any]:
    """A figure with its interval, by artists drawn anew.

    Parameters
    ----------
    pieces : sequence of Piece
    measure : callable
        From numbers of tracks, perhaps several times the same, to the figure.
    """
    _, artists = np.unique([piece.artist for piece in pieces], return_inverse=True)
    members = [np.flatnonzero(artists == artist) for artist in range(artists.max() + 1)]
    chance = np.random.default_rng(0)
    drawn = [
        measure(
            np.concatenate([members[i] for i in chance.integers(0, len(members), len(members))])
        )
        for _ in range(_DRAWS)
    ]
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return {
        "value": round(float(measure(np.arange(len(pieces)))), 4),
        "ci95": [round(float(low), 4), round(float(high), 4)],
    }


def accuracy(pieces: Sequence[Piece], probabilities: np.ndarray) -> dict[str, Any]:
    """How often the likeliest family is right."""
    right = _hits(pieces, by_family(probabilities))
    return {"n": len(pieces), **with_interval(pieces, lambda some: right[some].mean())}


def figures(pieces: Sequence[Piece], probabilities: np.ndarray, threshold: float) -> dict[str, Any]:
    """All figures of music of all families."""
    families = by_family(probabilities)
    confidence, right = families.max(axis=1), _hits(pieces, families)
    likely = np.argsort(-families, axis=1)[:, :2]
    within_two = np.take_along_axis(is_right(pieces), likely, axis=1).any(axis=1)
    own = np.array([FAMILIES.index(piece.families[0]) for piece in pieces])
    sure = np.array([piece.sure for piece in pieces])
    written = confidence >= threshold

    def mean_of_families(some: np.ndarray) -> float:
        return float(
            np.mean([right[some][own[some] == one].mean() for one in np.unique(own[some])])
        )

    def error(some: np.ndarray) -> float:
        return expected_calibration_error(confidence[some], right[some])

    rows = {}
    for name, chosen in (("sure", np.flatnonzero(sure)), ("all", np.arange(len(pieces)))):
        some = [pieces[i] for i in chosen]
        measures: dict[str, Callable[[np.ndarray], float]] = {
            "right": lambda at: right[at].mean(),
            "mean_of_families": mean_of_families,
            "within_two": lambda at: within_two[at].mean(),
            "ece": error,
            "written": lambda at: written[at].mean(),
            "right_where_written": lambda at: right[at][written[at]].mean(),
        }
        rows[name] = {
            "n": len(some),
            **{
                what: with_interval(some, lambda at, of=of, chosen=chosen: of(chosen[at]))
                for what, of in measures.items()
            },
            "reliability": reliability_curve(confidence[chosen], right[chosen]),
        }
    by_name = {}
    for number, family in enumerate(FAMILIES):
        chosen = np.flatnonzero(own == number)
        if not len(chosen):
            continue
        some = [pieces[i] for i in chosen]
        mistakes = np.bincount(likely[chosen, 0][~right[chosen]], minlength=len(FAMILIES))
        said = likely[:, 0] == number
        by_name[family] = {
            "n": len(some),
            **with_interval(some, lambda at, chosen=chosen: right[chosen[at]].mean()),
            "written": round(float(written[chosen].mean()), 4),
            "right_where_said": round(float(right[said].mean()), 4) if said.any() else None,
            "taken_for": {
                FAMILIES[i]: int(mistakes[i]) for i in np.argsort(-mistakes)[:2] if mistakes[i]
            },
        }
    return {**rows, "families": by_name}


def by_part(pieces: Sequence[Piece], probabilities: np.ndarray) -> dict[str, Any]:
    """Accuracy by Magnatune's folders."""
    parts = {part: [part] for part in sorted({piece.part for piece in pieces})}
    rows = {}
    for name, some in {"three folders": [p for p in parts if p != "pop"], **parts}.items():
        chosen = [i for i, piece in enumerate(pieces) if piece.part in some]
        rows[name] = accuracy([pieces[i] for i in chosen], probabilities[chosen])
    return rows


def listed(pieces: Sequence[Piece], probabilities: np.ndarray) -> dict[str, Any]:
    """What it says of a few tracks."""
    families = by_family(probabilities)
    right = _hits(pieces, families)
    rows = {
        piece.path.name: {
            "family": {FAMILIES[i]: round(float(row[i]), 2) for i in np.argsort(-row)[:3]},
            "right": bool(hit),
        }
        for piece, row, hit in zip(pieces, families, right, strict=True)
    }
    return {"right": int(right.sum()), "of": len(pieces), "tracks": rows}


def styles(pieces: Sequence[Piece], probabilities: np.ndarray) -> dict[str, Any]:
    """How often each style is right: where its family is, and the style of the track is known."""
    own = np.array([FAMILIES.index(family) for family in STYLE_OF])
    family = by_family(probabilities).argmax(axis=1)
    inside = np.where(own == family[:, None], probabilities, -1)
    said, confidence = inside.argmax(axis=1), inside.max(axis=1)
    known = np.array([piece.style for piece in pieces])
    rows = {}
    for number, name in enumerate(NAMES):
        tracks = int((known == name).sum())
        written = (said == number) & (confidence >= STYLE_CONFIDENCE) & (known != "")
        share = float((known[written] == name).mean()) if written.any() else None
        rows[name] = {
            "tracks": tracks,
            "written": int(written.sum()),
            "right": None if share is None else round(share, 3),
            "checked": tracks >= CHECKED_TRACKS
            and int(written.sum()) >= CHECKED_SAID
            and (share or 0) >= CHECKED_ACCURACY,
        }
    return rows


if __name__ == "__main__":
    main()
