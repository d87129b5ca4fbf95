"""Subjects: which of AudioSet's classes are moods and instruments."""

import numpy as np

from genrebeam.model.backbones.mn04 import read_labels
from genrebeam.model.backbones.subjects import instruments, moods


def scores_of(**by_label: float) -> np.ndarray:
    labels = read_labels()
    scores = np.zeros(len(labels), np.float32)
    for name, score in by_label.items():
        scores[labels.index(name.replace("_", " "))] = score
    return scores


def test_all_moods_have_a_score():
    found = moods(scores_of(Sad_music=0.25, Piano=0.5))
    assert found == {
        "Happy music": 0,
        "Funny music": 0,
        "Sad music": 0.25,
        "Tender music": 0,
        "Exciting music": 0,
        "Angry music": 0,
        "Scary music": 0,
    }


def test_only_likely_instruments_are_named_and_the_likeliest_first():
    scores = scores_of(Banjo=0.25, Piano=0.5, Flute=0.01, Musical_instrument=0.9, Reggae=0.9)
    assert list(instruments(scores).items()) == [("Piano", 0.5), ("Banjo", 0.25)]
