"""Predict: every segment once, whatever is measured afterwards."""

import numpy as np
import pytest

from genrebeam.model.backbones.backbone import backbone_of
from genrebeam.model.calibration import probabilities_of
from genrebeam.model.data.clips import Clips
from genrebeam.model.embedding import with_embedding
from genrebeam.model.evaluation.metrics import accuracy_by_segments, evaluate_logits
from genrebeam.model.evaluation.predict import TrackScores, predict
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.head import Head, inputs_of
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES
from genrebeam.transforms.genre.vote import vote

FEATURES = FeatureSpec(n_mels=4, segment_frames=5)


@pytest.fixture(scope="module")
def clips() -> Clips:
    rng = np.random.default_rng(0)
    lengths = (3, 5, 12, 23, 40, 41)
    return Clips(
        names=tuple(map(str, lengths)),
        values=tuple(rng.random((4, max(5, n))).astype(np.float16) for n in lengths),
        targets=np.array([0, 1, 2, 0, 1, 2]),
    )


def network(*, embedding: int = 7, name: str = "one"):
    import keras

    segments = keras.Input((4, 5))
    x = keras.layers.Flatten()(segments)
    x = keras.layers.Dense(embedding, activation="relu", name="embedding")(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(segments, keras.layers.Dense(3, name="logits")(x), name=name)


def embed(net, clips: Clips) -> np.ndarray:
    return predict(net, FEATURES, clips, embeddings=True).embeddings


def test_probabilities_of_a_track_are_the_mean_of_its_segments():
    segments = [np.array([[0.1, 0.9], [0.7, 0.3]]), np.full((3, 2), 0.5)]
    np.testing.assert_allclose(TrackScores(segments).tracks, [[0.4, 0.6], [0.5, 0.5]])
    overall = np.array([[0.3, 0.7], [0.5, 0.5]])
    np.testing.assert_array_equal(TrackScores(segments, overall).tracks, overall)


def test_accuracy_by_segments_is_that_of_analysis_so_many(clips):
    net = network()
    predictions = predict(net, FEATURES, clips, counts=(1, 3))
    probabilities = {
        count: logits.mapped(lambda rows: probabilities_of(rows, 1.0))
        for count, logits in predictions.by_count.items()
    }
    rows = accuracy_by_segments(probabilities, clips.targets, vote=vote)
    assert [row["segments"] for row in rows] == [1, 3, None]
    assert [row["analysed"] for row in rows] == [1.0, 2.17, 4.0]
    for row in rows:
        logits = predictions.by_count[row["segments"]]
        for number, clip in enumerate(clips.values):
            starts = FEATURES.segment_starts(clip.shape[1], row["segments"])
            alone = net.predict(clips.cut(number, starts, 5), verbose=0)
            np.testing.assert_allclose(logits.segments[number], alone, atol=1e-6)
        figures = evaluate_logits(logits, clips.targets, temperature=1.0, vote=vote)
        assert row["track_accuracy"] == figures["track_accuracy"]
        assert row["track_accuracy_ci95"] == figures["track_accuracy_ci95"]


def test_clips_are_predicted_the_same_in_any_number_at_once(clips, monkeypatch):
    net = network()
    at_once = predict(net, FEATURES, clips).logits.segments
    monkeypatch.setattr("genrebeam.model.evaluation.predict._CLIPS_AT_ONCE", 4)
    for one, other in zip(at_once, predict(net, FEATURES, clips).logits.segments, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_each_segment_goes_through_the_network_once(clips, monkeypatch):
    import keras

    analysed, predicted = [], keras.Model.predict
    monkeypatch.setattr(
        keras.Model,
        "predict",
        lambda self, segments, **more: (
            analysed.append(segments) or predicted(self, segments, **more)
        ),
    )
    predict(network(), FEATURES, clips, counts=(1, 2, 4, 8), embeddings=True)
    (segments,) = analysed
    assert len(np.unique(segments, axis=0)) == len(segments)


def test_a_head_judges_the_segments_that_are_analysed_together():
    features, rng = BACKBONE_FEATURES.outputs, np.random.default_rng(0)
    width, projection = features.n_rows, backbone_of(features).projection
    kernel = rng.normal(size=(projection.n_inputs, 3)).astype(np.float32)
    head = Head(kernel, np.zeros(3, np.float32))
    outputs = [rng.random((width, n)).astype(np.float16) for n in (1, 6)]
    clips = Clips(("short", "long"), tuple(outputs), np.array([0, 1]))
    found = predict(head, features, clips, counts=(3,), embeddings=True)
    for count, logits in found.by_count.items():
        for number, clip in enumerate(outputs):
            starts = features.segment_starts(clip.shape[1], count)
            analysed = clip.T[starts].astype(np.float32)
            whole = head.logits(inputs_of(analysed[None], features))
            alone = head.logits(inputs_of(analysed[:, None], features))
            np.testing.assert_allclose(logits.overall[[number]], whole, rtol=1e-4)
            np.testing.assert_allclose(logits.segments[number], alone, rtol=1e-4)
    _, expected = projection.split(inputs_of(outputs[1].T.astype(np.float32), features))
    np.testing.assert_allclose(found.embeddings[1], expected, rtol=1e-5)


def test_embedding_is_the_mean_of_what_feeds_the_logits(clips):
    net = network()
    found = embed(net, clips)
    assert (found.shape, found.dtype) == ((6, 7), np.float32)
    kernel, bias = net.get_layer("logits").get_weights()
    means = predict(net, FEATURES, clips).logits.tracks
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
    batch = np.stack([clip[:, :5] for clip in clips.values]).astype(np.float32)
    for net in (members[0], both):
        logits, embedding = with_embedding(net)(batch)
        np.testing.assert_allclose(logits, net(batch), atol=1e-6)
        assert embedding.shape == (6, 7 if net is members[0] else 14)


def test_without_a_named_layer_the_input_of_the_last_is_the_embedding(clips):
    import keras

    segments = keras.Input((4, 5))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(segments))
    found = embed(keras.Model(segments, logits), clips)
    np.testing.assert_allclose(found[1], clips.values[1].ravel(), atol=1e-3)
