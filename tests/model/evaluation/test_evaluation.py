"""Evaluation: figures that are right, calibrated, and honest about what they cannot say."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.calibration import (
    expected_calibration_error,
    fit_temperature,
    probabilities_of,
    reliability_curve,
)
from model.data.clips import Clips
from model.embedding import with_embedding
from model.evaluation.hearing import Hearing, predict_logits
from model.evaluation.metrics import (
    accuracy_by_segments,
    evaluate_logits,
    model_cost,
    summary_lines,
    track_probabilities,
)
from model.feature_spec import FeatureSpec
from transforms.genre.vote import vote

FEATURES = FeatureSpec(n_mels=4, segment_frames=5)
STABLE_KEYS = {
    "track_accuracy",
    "track_accuracy_ci95",
    "majority_accuracy",
    "majority_refused",
    "segment_accuracy",
    "ece",
    "n_tracks",
}


def softmax_of(logits):
    return probabilities_of(logits, 1.0)


def figures_of(logits, targets, **options):
    return evaluate_logits(logits, np.array(targets), temperature=1.0, vote=vote, **options)


def sure_of(*classes: int, n_classes: int = 3) -> np.ndarray:
    """Logits of a track whose segments are heard as these classes."""
    return 5 * np.eye(n_classes, dtype=np.float32)[list(classes)]


@pytest.fixture(scope="module")
def clips() -> Clips:
    rng = np.random.default_rng(0)
    lengths = (3, 5, 12, 23, 40, 41)
    return Clips(
        names=tuple(map(str, lengths)),
        log_mel=tuple(rng.random((4, max(5, n))).astype(np.float16) for n in lengths),
        targets=np.array([0, 1, 2, 0, 1, 2]),
    )


def network(*, embedding: int = 7, name: str = "one"):
    import keras

    segments = keras.Input((4, 5))
    x = keras.layers.Flatten()(segments)
    x = keras.layers.Dense(embedding, activation="relu", name="embedding")(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(segments, keras.layers.Dense(3, name="logits")(x), name=name)


def test_temperature_finds_what_made_logits_too_sure():
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 1, 3))
    chances = np.exp(honest[:, 0]) / np.exp(honest[:, 0]).sum(axis=1, keepdims=True)
    targets = np.array([rng.choice(3, p=chance) for chance in chances])
    assert fit_temperature(list(honest * 3), targets) == pytest.approx(3, rel=0.1)


def test_calibration_error_of_honest_and_of_boastful_confidences():
    correct = np.array([True, False] * 50)
    assert expected_calibration_error(np.full(100, 0.5), correct) == 0
    assert expected_calibration_error(np.full(100, 1.0), correct) == 0.5


def test_calibration_error_counts_a_repeated_track_as_often():
    confidences, correct = np.array([0.2, 0.9, 0.95]), np.array([False, True, False])
    repeated = np.array([0, 1, 1, 1, 2, 2])
    assert expected_calibration_error(
        confidences, correct, weights=np.array([1, 3, 2])
    ) == pytest.approx(expected_calibration_error(confidences[repeated], correct[repeated]))


def test_calibration_error_is_the_reliability_curves_distance_from_the_diagonal():
    rng = np.random.default_rng(0)
    confidences = rng.random(500)
    correct = rng.random(500) < confidences**2
    filled = [b for b in reliability_curve(confidences, correct) if b["count"]]
    error = sum(b["count"] * abs(b["confidence"] - b["accuracy"]) for b in filled) / 500
    assert expected_calibration_error(confidences, correct) == pytest.approx(error, abs=1e-4)


def test_empty_bins_of_the_reliability_curve_say_nothing():
    first, *_, last = reliability_curve(np.array([1.0]), np.array([True]))
    assert first == {"low": 0.0, "high": 0.1, "count": 0, "confidence": None, "accuracy": None}
    assert last == {"low": 0.9, "high": 1.0, "count": 1, "confidence": 1.0, "accuracy": 1.0}


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
        assert figures[f"{figure}_ci95"] == [1.0, 1.0]
    assert figures["roc_auc"] == 1.0
    assert figures["nll"] == figures["ece"] == 0.0


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


def test_probabilities_of_a_track_are_the_mean_of_its_segments():
    found = track_probabilities([np.array([[0.0, 2.0], [2.0, 0.0]]), np.zeros((3, 2))], 0.5)
    np.testing.assert_allclose(found, 0.5)


def test_accuracy_by_segments_is_that_of_hearing_so_many(clips):
    net = network()
    hearing = Hearing(net, FEATURES, clips, (1, 3, None))
    rows = accuracy_by_segments(
        hearing, clips.targets, which=range(len(clips)), probabilities=softmax_of, vote=vote
    )
    assert [row["segments"] for row in rows] == [1, 3, None]
    assert [row["heard"] for row in rows] == [1.0, 2.17, 4.0]
    for row in rows:
        logits = predict_logits(net, FEATURES, clips, row["segments"])
        figures = figures_of(logits, clips.targets)
        assert row["track_accuracy"] == figures["track_accuracy"]
        assert row["track_accuracy_ci95"] == figures["track_accuracy_ci95"]


def test_clips_are_predicted_the_same_in_any_number_at_once(clips, monkeypatch):
    net = network()
    at_once = predict_logits(net, FEATURES, clips)
    monkeypatch.setattr("model.evaluation.hearing._CLIPS_AT_ONCE", 4)
    for one, other in zip(at_once, predict_logits(net, FEATURES, clips), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_cost_is_of_calls_as_the_tagger_makes_them():
    shapes = []

    def classify(segments: np.ndarray) -> None:
        shapes.append(segments.shape)
        sum(range(200_000))

    segments = np.ones((32, *FEATURES.shape), np.float32)
    cost = model_cost(classify, segments, n_segments=8, rounds=3)
    assert shapes == [(32, 4, 5)] * 4
    assert cost["segments_per_track"] == 8
    assert cost["cpu_ms_per_segment"] > 0
    assert cost["cpu_ms_per_track"] == pytest.approx(8 * cost["cpu_ms_per_segment"], abs=0.01)


def embed(net, clips) -> np.ndarray:
    return Hearing(net, FEATURES, clips, embeddings=True).embeddings()


def test_embedding_is_the_mean_of_what_feeds_the_logits(clips):
    net = network()
    found = embed(net, clips)
    assert (found.shape, found.dtype) == ((6, 7), np.float32)
    kernel, bias = net.get_layer("logits").get_weights()
    means = [logits.mean(axis=0) for logits in predict_logits(net, FEATURES, clips)]
    np.testing.assert_allclose(found @ kernel + bias, means, atol=1e-5)


def test_members_embeddings_are_joined_and_weigh_the_same(clips):
    import keras

    segments = keras.Input((4, 5))
    members = [network(embedding=7, name="member_1"), network(embedding=90, name="member_2")]
    members[1].get_layer("embedding").set_weights(
        [100 * w for w in members[1].get_layer("embedding").get_weights()]
    )
    both = keras.Model(segments, keras.layers.Average()([m(segments) for m in members]))
    found = embed(both, clips)
    assert found.shape == (6, 97)
    one_segment = found[:2]
    for part in np.split(one_segment, [7], axis=1):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, rtol=1e-5)


def test_members_that_name_no_embedding_do_not_count_beside_one_that_does(clips):
    import keras

    segments = keras.Input((4, 5))
    flat = keras.layers.Flatten()(segments)
    plain = keras.Model(segments, keras.layers.Dense(3)(flat), name="member_2")
    members = [network(embedding=7, name="member_1"), plain]
    both = keras.Model(segments, keras.layers.Average()([m(segments) for m in members]))
    assert embed(both, clips).shape == (6, 7)


def test_a_loaded_network_may_have_layers_of_the_usual_names(clips):
    import keras

    segments = keras.Input((4, 5))
    x = keras.layers.Flatten(name="flatten")(segments)
    member = keras.Model(segments, keras.layers.Dense(3, name="logits")(x), name="member_1")
    other = keras.models.clone_model(member)
    other.name = "member_2"
    whole = keras.Model(segments, keras.layers.Average()([member(segments), other(segments)]))
    for net in (member, whole):
        keras.utils.clear_session()  # names are counted from the beginning, as after loading
        assert embed(net, clips).shape[0] == 6


def test_one_call_gives_the_logits_too(clips):
    import keras

    segments = keras.Input((4, 5))
    members = [network(name="member_1"), network(name="member_2")]
    both = keras.Model(segments, keras.layers.Average()([m(segments) for m in members]))
    batch = np.stack([clip[:, :5] for clip in clips.log_mel]).astype(np.float32)
    for net in (members[0], both):
        logits, embedding = with_embedding(net)(batch)
        np.testing.assert_allclose(logits, net(batch), atol=1e-6)
        assert embedding.shape == (6, 7 if net is members[0] else 14)


def test_without_a_named_layer_the_input_of_the_last_is_the_embedding(clips):
    import keras

    segments = keras.Input((4, 5))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(segments))
    found = embed(keras.Model(segments, logits), clips)
    np.testing.assert_allclose(found[1], clips.log_mel[1].ravel(), atol=1e-3)


def test_each_segment_is_heard_once_whatever_is_asked(clips, monkeypatch):
    import keras

    heard = []
    predict = keras.Model.predict

    def count(self, segments, **options):
        heard.append(len(segments))
        return predict(self, segments, **options)

    monkeypatch.setattr(keras.Model, "predict", count)
    hearing = Hearing(network(), FEATURES, clips, (1, 2, None), embeddings=True)
    for n in (1, 2, None):
        hearing.logits(n)
    hearing.embeddings()
    starts = [hearing.starts[n] for n in (1, 2, None)]
    needed = sum(len(set().union(*begins)) for begins in zip(*starts, strict=True))
    assert heard == [needed]
