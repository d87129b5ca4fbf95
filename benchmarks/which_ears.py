#!/usr/bin/env python3
"""Which ears, and how much of a track: accuracy and cost of each choice.

    .venv/bin/python benchmarks/which_ears.py DATA [--work DIR]

As ``default_bundle.py``, whose tracks, folds and settings these are: YAMNet alone, musicnn alone,
both, and both with musicnn on fewer segments than YAMNet. Prints a table: the share of tracks of
other artists whose family is right (three folders; the pop folder by its tags), over three
divisions, and CPU ms a track of the networks, one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402
from scipy.special import softmax  # noqa: E402

from benchmarks.default_bundle import (  # noqa: E402
    GROUP_OF_FOLDER,
    SPEC,
    Heard,
    hear_all,
    is_right,
    logits_apart,
)
from genrebeam.model.bundle import Bundle  # noqa: E402
from genrebeam.model.feature_spec import FeatureSpec  # noqa: E402
from genrebeam.model.head import inputs_of  # noqa: E402
from genrebeam.model.pretrained.ears import outputs_of  # noqa: E402
from genrebeam.model.training.world_head import Settings  # noqa: E402

DIVISIONS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, help="keeps what the ears said")
    arguments = parser.parse_args()
    tracks = hear_all(arguments.data, arguments.work)
    tracks = [one for one in tracks if one.folder in (*GROUP_OF_FOLDER, "pop")]
    cost = {ear.name: cpu_ms(ear.name) for ear in SPEC.ears}
    print("| YAMNet, segments of 6 s | musicnn, patches of 3 s | three folders | pop | CPU ms |")
    print("|---|---|---|---|---|")
    for yamnet, musicnn in (
        *((count, 0) for count in (1, 3, 4)),
        *((0, count) for count in (1, 3, 4)),
        *((count, count) for count in (1, 2, 3, 4)),
        *((4, count) for count in (1, 2, 3)),
    ):
        three, pop = accuracy(tracks, yamnet, musicnn)
        spent = yamnet * cost["yamnet"] + musicnn * cost["musicnn_msd"]
        print(
            f"| {yamnet or '-'} | {musicnn or '-'} | {three:.1%} | {pop:.1%} | {spent:.0f} |",
            flush=True,
        )


def accuracy(tracks: list[Heard], yamnet: int, musicnn: int) -> tuple[float, float]:
    """Right families of the three folders and of the pop folder."""
    counts = {"yamnet": yamnet, "musicnn_msd": musicnn}
    ears = tuple(ear for ear in SPEC.ears if counts[ear.name])
    spec = dataclasses.replace(SPEC, ears=ears)
    whole = np.stack([heard(one, spec, dict.fromkeys(counts, None)) for one in tracks])
    few = np.stack([heard(one, spec, counts) for one in tracks])
    three = np.array([one.folder != "pop" for one in tracks])
    rights = []
    for division in range(DIVISIONS):
        logits = logits_apart(tracks, Settings(), whole, few, division, spec)
        rights.append(is_right(tracks, softmax(logits, axis=1))[0])
    right = np.array(rights)
    return float(right[:, three].mean()), float(right[:, ~three].mean())


def heard(one: Heard, spec: FeatureSpec, counts: dict[str, int | None]) -> np.ndarray:
    """Inputs of the head, each ear hearing so many segments."""
    parts = []
    for of in outputs_of(SPEC):
        if of.ear.name in {ear.name for ear in spec.ears}:
            starts = SPEC.segment_starts(len(one.outputs), counts[of.ear.name])
            parts.append(one.outputs[starts][:, of.scores.start : of.embedding.stop].mean(axis=0))
    return inputs_of(np.concatenate(parts)[None], spec)


def cpu_ms(name: str) -> float:
    """CPU time of an ear for a segment, in ms."""
    from genrebeam.transforms.genre.classify import Classifier

    ears = tuple(ear for ear in SPEC.ears if ear.name == name)
    spec = dataclasses.replace(SPEC, ears=ears)
    classifier = Classifier(Bundle("", name, "", (), (), spec), threads=1)
    batch = np.zeros((classifier.batch_segments, *spec.shape), np.float16)
    classifier.classify(batch)
    spent = []
    for _ in range(5):
        started = time.process_time()
        classifier.classify(batch)
        spent.append(time.process_time() - started)
    return 1000 * min(spent) / len(batch)


if __name__ == "__main__":
    main()
