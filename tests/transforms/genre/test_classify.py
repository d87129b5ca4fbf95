"""Classify: batches over tracks change nothing, and a bad track stays alone."""

import numpy as np
import pytest

from genrebeam.transforms.genre.classify import InTensorFlow, NetworkClassifier
from genrebeam.transforms.genre.ptransforms import GenreModelHandler
from genrebeam.transforms.records import Features, Track


def features(n_segments: int, seed: int, fill: float | None = None) -> Features:
    values = np.random.default_rng(seed).random((n_segments, 128, 64)).astype(np.float16)
    if fill is not None:
        values[:] = fill
    return Features(Track(f"/{seed}.mp3", "mp3"), values, 0.1)


def test_probabilities_sum_to_one_for_every_segment(tiny_bundle):
    found = NetworkClassifier(tiny_bundle)(features(5, 0).values)
    assert found.shape == (5, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_batch_size_and_padding_do_not_change_the_result(tiny_bundle):
    values = features(11, 0).values
    small, large = NetworkClassifier(tiny_bundle, 4), NetworkClassifier(tiny_bundle, 64)
    np.testing.assert_allclose(small(values), large(values), atol=1e-6)


def test_embeddings_come_with_the_same_probabilities(tiny_bundle):
    values = features(11, 0).values
    (plain,) = NetworkClassifier(tiny_bundle).of_tracks([values])
    (found,) = NetworkClassifier(tiny_bundle, 4, embeddings=True).of_tracks([values])
    assert plain.embedding is None
    np.testing.assert_allclose(found.probabilities, plain.probabilities, atol=1e-6)
    assert found.embedding.dtype == np.float32
    np.testing.assert_allclose(found.embedding, values.mean(axis=(0, 2)), atol=1e-3)


def test_the_embedding_of_a_track_is_the_mean_over_its_segments(tiny_bundle):
    handler = GenreModelHandler(tiny_bundle, embeddings=True)
    batch = [features(3, 0), features(1, 1)]
    found = handler.run_inference(batch, handler.load_model())
    for one, prediction in zip(batch, found, strict=True):
        means = one.values.mean(axis=(0, 2), dtype=np.float32)
        np.testing.assert_allclose(prediction.embedding, means, atol=1e-5)


def test_temperature_softens(tiny_bundle):
    import dataclasses

    values = features(3, 0).values
    warm = NetworkClassifier(dataclasses.replace(tiny_bundle, temperature=5.0))(values)
    assert (warm.max(axis=1) < NetworkClassifier(tiny_bundle)(values).max(axis=1)).all()


def test_each_track_gets_its_own_segments_back(tiny_bundle):
    handler = GenreModelHandler(tiny_bundle)
    model = handler.load_model()
    batch = [features(n, seed) for seed, n in enumerate((3, 1, 70))]
    together = list(handler.run_inference(batch, model))
    for one, prediction in zip(batch, together, strict=True):
        assert prediction.track == one.track
        np.testing.assert_allclose(prediction.probabilities, model(one.values), atol=1e-6)


def test_features_of_another_bundle_are_no_fault_of_the_file(tiny_bundle):
    other = Features(Track("/a.mp3", "mp3"), np.zeros((3, 96, 64), np.float16), 0.1)
    handler = GenreModelHandler(tiny_bundle)
    with pytest.raises(ValueError, match="extract features with the same bundle"):
        handler.run_inference([other], handler.load_model())


def test_a_bad_track_does_not_take_its_neighbours_with_it(tiny_bundle):
    handler = GenreModelHandler(tiny_bundle)
    model = handler.load_model()

    class Fragile(NetworkClassifier):
        def of_tracks(self, tracks):
            if any(np.isnan(segments).any() for segments in tracks):
                raise RuntimeError("no number in it")
            return model.of_tracks(tracks)

    batch = [features(2, 0), features(2, 1, fill=np.nan), features(2, 2)]
    first, bad, last = handler.run_inference(batch, Fragile(tiny_bundle))
    assert bad.error == ("RuntimeError", "no number in it")
    assert first.error is None
    assert last.error is None
    np.testing.assert_allclose(last.probabilities, model(batch[2].values), atol=1e-6)


class ResourceExhaustedError(Exception):
    """As TensorFlow's."""


def test_out_of_memory_halves_the_batch(tiny_bundle, monkeypatch):
    compile_it = InTensorFlow._compile

    def compiled_for_a_small_device(self):
        compiled = compile_it(self)

        def limited(batch):
            if len(batch) > 8:
                raise ResourceExhaustedError
            return compiled(batch)

        return limited

    expected = NetworkClassifier(tiny_bundle)(features(20, 0).values)
    monkeypatch.setattr(InTensorFlow, "_compile", compiled_for_a_small_device)
    model = NetworkClassifier(tiny_bundle, 64)
    np.testing.assert_allclose(model(features(20, 0).values), expected, atol=1e-6)
    assert model.network.batch_segments == 8


def test_out_of_memory_for_one_segment_is_an_error(tiny_bundle, monkeypatch):
    def no_device(self):
        raise ResourceExhaustedError

    monkeypatch.setattr(InTensorFlow, "_compile", no_device)
    with pytest.raises(ResourceExhaustedError):
        NetworkClassifier(tiny_bundle, 4)(features(2, 0).values)
