"""Baselines: each tells easy genres apart, in the form that networks are measured in."""

import numpy as np
import pytest

from genrebeam.model.data.clips import Clips, LabelledMusic
from genrebeam.model.evaluation.metrics import evaluate_logits
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.genre.vote import vote
from tools.baselines import BASELINES, fit_baseline

FRAMES = FeatureSpec(n_mels=32, frame_step=4, segment_frames=100)


def clips(n, seed):
    """Pictures with energy in the lower, the middle or the upper bands."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 3
    pictures = rng.random((n, 32, 100)) * 0.5
    for picture, target in zip(pictures, targets, strict=True):
        picture[10 * target : 10 * target + 10] += 0.4
    names = tuple(f"clip {number}" for number in range(n))
    return Clips(names, tuple(pictures.astype(np.float16)), targets)


@pytest.fixture(scope="module")
def music():
    splits = {"train": clips(60, 0), "valid": clips(12, 1), "test": clips(12, 2)}
    labels = ("low", "middle", "high")
    return LabelledMusic("bands", labels, labels, splits, FRAMES)


@pytest.mark.parametrize("name", BASELINES)
def test_tells_genres_apart(name, music):
    fitted = fit_baseline(name, music, seed=0)
    assert set(fitted.logits) == {"valid", "test"}
    assert {logits.shape for logits in fitted.logits["test"].segments} == {(3, 3)}
    targets = music.splits["test"].targets
    figures = evaluate_logits(fitted.logits["test"], targets, temperature=1.0, vote=vote)
    assert figures["track_accuracy"] == 1.0


def test_same_seed_same_answers(music):
    first, second = (fit_baseline("random-forest", music, seed=3) for _ in range(2))
    assert first.settings == second.settings
    np.testing.assert_array_equal(first.logits["test"].segments, second.logits["test"].segments)


def test_the_test_list_decides_nothing(music):
    other = {**music.splits, "test": clips(6, 9)}
    changed = LabelledMusic("bands", music.labels, music.genres, other, FRAMES)
    before, after = (fit_baseline("decision-tree", m, seed=0) for m in (music, changed))
    assert before.settings == after.settings
    np.testing.assert_array_equal(before.logits["valid"].segments, after.logits["valid"].segments)
