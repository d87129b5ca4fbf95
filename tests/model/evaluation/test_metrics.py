"""Figures: right, and honest about what they cannot say."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrebeam.model.evaluation.metrics import evaluate_logits, model_cost, summary_lines
from genrebeam.model.evaluation.predict import TrackScores
from genrebeam.transforms.genre.vote import vote

STABLE_KEYS = {
    "track_accuracy",
    "track_accuracy_ci95",
    "majority_accuracy",
    "majority_refused",
    "segment_accuracy",
    "ece",
    "n_tracks",
}


def figures_of(logits, targets, **options):
    scores = TrackScores(logits)
    return evaluate_logits(scores, np.array(targets), temperature=1.0, vote=vote, **options)


def sure_of(*classes: int, n_classes: int = 3) -> np.ndarray:
    """Logits of a track whose segments are analysed as these classes."""
    return 5 * np.eye(n_classes, dtype=np.float32)[list(classes)]


def test_a_refused_track_is_not_right():
    split = np.array([[5.0, 0.0], [0.0, 5.0]])
    figures = figures_of([split] * 4, [0, 0, 0, 0])
    assert figures["majority_refused"] == 1.0
    assert figures["majority_accuracy"] == 0.0
    assert figures["majority_accuracy_of_rest"] is None
    assert figures["segment_accuracy"] == 0.5


def test_accuracy_of_the_rest_leaves_out_the_refused():
    logits = [sure_of(0, 0), sure_of(0, 1), sure_of(1, 1), sure_of(2, 2)]
    figures = figures_of(logits, [0, 0, 1, 1])
    assert figures["majority_refused"] == 0.25
    assert figures["majority_accuracy"] == 0.5
    assert figures["majority_accuracy_of_rest"] == pytest.approx(2 / 3, abs=1e-4)


def test_every_figure_of_a_class():
    logits = [sure_of(0), sure_of(0), sure_of(1), sure_of(1), sure_of(1)]
    figures = figures_of(logits, [0, 1, 1, 1, 1], genres=("Blues", "Jazz", "Folk"))
    blues, jazz, folk = figures["per_class"]
    assert blues == {
        "genre": "Blues",
        "support": 1,
        "precision": 0.5,
        "recall": 1.0,
        "f1": 0.6667,
        "roc_auc": 0.875,
    }
    assert (jazz["precision"], jazz["recall"], jazz["support"]) == (1.0, 0.75, 4)
    assert folk == {
        "genre": "Folk",
        "support": 0,
        "precision": None,
        "recall": None,
        "f1": None,
        "roc_auc": None,
    }
    assert figures["macro_f1"] == pytest.approx((blues["f1"] + jazz["f1"]) / 2, abs=1e-4)
    assert figures["recall"] == [1.0, 0.75, 0.0]
    assert figures["confusion"] == [[1, 0, 0], [1, 3, 0], [0, 0, 0]]


def test_a_model_that_is_always_right_and_sure():
    figures = figures_of([sure_of(c, c) * 10 for c in (0, 1, 2)] * 4, [0, 1, 2] * 4)
    for figure in ("track_accuracy", "majority_accuracy", "segment_accuracy", "macro_f1"):
        assert figures[figure] == 1.0
        assert figures[f"{figure}_ci95"] == [0.7354, 1.0]  # of 12, by Clopper and Pearson
    assert figures["roc_auc"] == 1.0
    assert figures["nll"] == figures["ece"] == 0.0


def test_a_model_that_is_always_wrong():
    figures = figures_of([sure_of(1)] * 12, [0] * 12)
    assert figures["track_accuracy"] == 0.0
    assert figures["track_accuracy_ci95"] == [0.0, 0.2646]


def test_a_track_of_many_segments_weighs_more_only_in_segment_accuracy():
    figures = figures_of([sure_of(*[0] * 9), sure_of(1)], [0, 0])
    assert figures["track_accuracy"] == 0.5
    assert figures["segment_accuracy"] == 0.9


def test_interval_narrows_with_more_tracks():
    def width(n: int) -> float:
        figures = figures_of([sure_of(0), sure_of(1)] * n, [0, 0] * n)
        low, high = figures["track_accuracy_ci95"]
        assert low < 0.5 < high
        return high - low

    # Four times the tracks, half the width; about 4 * 0.5 / sqrt(n) of them.
    assert width(200) == pytest.approx(width(50) / 2, rel=0.15)
    assert width(50) == pytest.approx(3.92 * 0.5 / 10, rel=0.1)


def test_tracks_of_an_artist_are_drawn_together():
    right = [0, 0, 0, 0, 1, 1, 1, 1] * 40  # an artist is right always or never
    artists = [f"artist {number // 4}" for number in range(320)]
    alone = figures_of([sure_of(0)] * 320, right)
    together = figures_of([sure_of(0)] * 320, right, artists=artists)
    assert together["track_accuracy"] == alone["track_accuracy"] == 0.5

    def width(figures):
        low, high = figures["track_accuracy_ci95"]
        return high - low

    # 80 artists of four tracks are as good as 80 tracks.
    assert width(together) == pytest.approx(2 * width(alone), rel=0.15)


def test_no_tracks_are_refused():
    with pytest.raises(ValueError, match="no tracks"):
        figures_of([], [])


@pytest.mark.filterwarnings("error")
@settings(max_examples=25, deadline=None)
@given(
    n_classes=st.integers(1, 6),
    tracks=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=8),
    scale=st.sampled_from([0.0, 1.0, 1e4]),
    seed=st.integers(0, 100),
)
def test_whatever_the_tracks_figures_are_json_in_range(n_classes, tracks, scale, seed):
    rng = np.random.default_rng(seed)
    logits = [scale * rng.normal(size=(n, n_classes)).astype(np.float32) for _, n in tracks]
    figures = figures_of(logits, [c % n_classes for c, _ in tracks], n_resamples=20)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures.keys() >= STABLE_KEYS
    for figure in ("track_accuracy", "majority_accuracy", "segment_accuracy", "macro_f1", "ece"):
        low, high = figures[f"{figure}_ci95"]
        assert 0 <= low <= high <= 1
    assert sum(map(sum, figures["confusion"])) == len(tracks)
    assert figures == figures_of(logits, [c % n_classes for c, _ in tracks], n_resamples=20)
    assert len(summary_lines(figures).splitlines()) == 10 + n_classes


def test_summary_is_aligned_whatever_the_genres_are_called():
    logits = [sure_of(0), sure_of(1), sure_of(1)]
    names = ("Blues", "a name that is longer than the others", "\x1b[31mred")
    lines = summary_lines(figures_of(logits, [0, 0, 1], genres=names)).splitlines()
    assert lines[0] == "tracks                  3"
    assert lines[1].startswith("track accuracy      66.7%  (95 %: ")
    assert len({len(line) for line in lines[-4:]}) == 1
    assert "\x1b" not in "".join(lines)


def test_cost_is_of_calls_as_the_tagger_makes_them():
    shapes = []

    def classify(segments: np.ndarray) -> None:
        shapes.append(segments.shape)
        sum(range(200_000))

    segments = np.ones((32, 4, 5), np.float32)
    cost = model_cost(classify, segments, n_segments=8, rounds=3)
    assert shapes == [(32, 4, 5)] * 4
    assert cost["segments_per_track"] == 8
    assert cost["cpu_ms_per_segment"] > 0
    assert cost["cpu_ms_per_track"] == pytest.approx(8 * cost["cpu_ms_per_segment"], abs=0.01)
