"""Classify: batches over tracks change nothing, and a bad track stays alone."""

import numpy as np
import pytest

from genrebeam.transforms.genre.classify import Classifier
from genrebeam.transforms.genre.ptransforms import GenreModelHandler
from genrebeam.transforms.records import Features, Track


def features(n_segments: int, seed: int, fill: float | None = None) -> Features:
    log_mel = np.random.default_rng(seed).random((n_segments, 128, 64)).astype(np.float16)
    if fill is not None:
        log_mel[:] = fill
    return Features(Track(f"/{seed}.mp3", "mp3"), log_mel, 0.1)


def test_probabilities_sum_to_one_for_every_segment(tiny_bundle):
    found = Classifier(tiny_bundle)(features(5, 0).log_mel)
    assert found.shape == (5, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_batch_size_and_padding_do_not_change_the_result(tiny_bundle):
    log_mel = features(11, 0).log_mel
    small, large = Classifier(tiny_bundle, 4), Classifier(tiny_bundle, 64)
    np.testing.assert_allclose(small(log_mel), large(log_mel), atol=1e-6)


def test_embeddings_come_with_the_same_probabilities(tiny_bundle):
    log_mel = features(11, 0).log_mel
    assert Classifier(tiny_bundle).classify(log_mel)[1] is None
    probabilities, embeddings = Classifier(tiny_bundle, 4, embeddings=True).classify(log_mel)
    np.testing.assert_allclose(probabilities, Classifier(tiny_bundle)(log_mel), atol=1e-6)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, log_mel.mean(axis=2), atol=1e-3)  # the pooled bands


def test_the_embedding_of_a_track_is_the_mean_over_its_segments(tiny_bundle):
    handler = GenreModelHandler(tiny_bundle, embeddings=True)
    batch = [features(3, 0), features(1, 1)]
    found = handler.run_inference(batch, handler.load_model())
    for one, prediction in zip(batch, found, strict=True):
        means = one.log_mel.mean(axis=(0, 2), dtype=np.float32)
        np.testing.assert_allclose(prediction.embedding, means, atol=1e-5)


def test_temperature_softens(tiny_bundle):
    import dataclasses

    log_mel = features(3, 0).log_mel
    warm = Classifier(dataclasses.replace(tiny_bundle, temperature=5.0))(log_mel)
    assert (warm.max(axis=1) < Classifier(tiny_bundle)(log_mel).max(axis=1)).all()


def test_each_track_gets_its_own_segments_back(tiny_bundle):
    handler = GenreModelHandler(tiny_bundle)
    model = handler.load_model()
    batch = [features(n, seed) for seed, n in enumerate((3, 1, 70))]
    together = list(handler.run_inference(batch, model))
    for one, prediction in zip(batch, together, strict=True):
        assert prediction.track == one.track
        np.testing.assert_allclose(prediction.probabilities, model(one.log_mel), atol=1e-6)


def test_a_bad_track_does_not_take_its_neighbours_with_it(tiny_bundle):
    handler = GenreModelHandler(tiny_bundle)
    model = handler.load_model()

    class Fragile(Classifier):
        def classify(self, segments):
            if np.isnan(segments).any():
                raise RuntimeError("no number in it")
            return model.classify(segments)

    batch = [features(2, 0), features(2, 1, fill=np.nan), features(2, 2)]
    first, bad, last = handler.run_inference(batch, Fragile(tiny_bundle))
    assert bad.error == ("RuntimeError", "no number in it")
    assert first.error is None
    assert last.error is None
    np.testing.assert_allclose(last.probabilities, model(batch[2].log_mel), atol=1e-6)


def test_out_of_memory_halves_the_batch(tiny_bundle):
    class ResourceExhaustedError(Exception):
        pass

    class SmallDevice(Classifier):
        def _compile(self):
            compiled = super()._compile()

            def limited(batch):
                if len(batch) > 8:
                    raise ResourceExhaustedError
                return compiled(batch)

            return limited

    model = SmallDevice(tiny_bundle, 64)
    found = model(features(20, 0).log_mel)
    assert model.batch_segments == 8
    np.testing.assert_allclose(found, Classifier(tiny_bundle)(features(20, 0).log_mel), atol=1e-6)


def test_out_of_memory_for_one_segment_is_an_error(tiny_bundle):
    class ResourceExhaustedError(Exception):
        pass

    class NoDevice(Classifier):
        def _compile(self):
            raise ResourceExhaustedError

    with pytest.raises(ResourceExhaustedError):
        NoDevice(tiny_bundle, 4)(features(2, 0).log_mel)
