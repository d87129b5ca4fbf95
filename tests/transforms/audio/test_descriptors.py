"""Descriptors: what GTZAN's table has, from sound, through the tagger's own steps."""

import librosa
import numpy as np
import pytest
import soundfile

from genrebeam.model.bundle import Bundle, load_bundle, save_bundle
from genrebeam.model.feature_spec import DESCRIPTORS
from genrebeam.model.recipes.chowdhry_feature_net import FEATURES, build
from genrebeam.transforms.audio.descriptors import describe
from genrebeam.transforms.audio.features import Silence, TooShort, extract
from genrebeam.transforms.genre.classify import open_classifier
from tests.conftest import tone

RATE = FEATURES.sample_rate_hz


@pytest.fixture
def write(tmp_path):
    def write_flac(samples):
        soundfile.write(tmp_path / "a.flac", samples, RATE, subtype="PCM_24")
        return str(tmp_path / "a.flac")

    return write_flac


def values_of(samples):
    described = describe(np.asarray(samples, dtype=np.float32), FEATURES)
    assert described.values.shape == (57, 1)
    assert described.values.dtype == np.float32
    return dict(zip(DESCRIPTORS, described.values[:, 0], strict=True))


def sine(hz, seconds=3.0):
    return np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)


def test_a_sine_is_reported_by_its_frequency():
    values = values_of(0.5 * sine(1000))
    assert values["spectral_centroid_mean"] == pytest.approx(1000, rel=0.05)
    assert values["zero_crossing_rate_mean"] == pytest.approx(2000 / RATE, rel=0.05)
    assert values["rms_mean"] == pytest.approx(np.sqrt(0.5), rel=0.05)
    assert values["harmonic_var"] > 100 * values["percussive_var"]


def test_clicks_are_percussive_and_have_a_tempo():
    times = np.arange(0, 3, 0.5)
    values = values_of(librosa.clicks(times=times, sr=RATE, length=3 * RATE, click_duration=0.01))
    assert values["tempo"] == pytest.approx(120, rel=0.05)
    assert values["percussive_var"] > values["harmonic_var"]


def test_mfcc_are_those_of_librosa():
    samples = (tone(3)[:, 0] / np.abs(tone(3)[:, 0]).max()).astype(np.float32)
    expected = librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=20)
    values = values_of(samples)
    assert values["mfcc1_mean"] == pytest.approx(expected[0].mean(), rel=1e-3)
    assert values["mfcc20_var"] == pytest.approx(expected[19].var(), rel=1e-3)


def test_gain_does_not_matter(write):
    loud = tone(6)
    analysed = [extract(write(loud * gain), "flac", FEATURES).values for gain in (1.0, 0.05)]
    np.testing.assert_allclose(analysed[0], analysed[1], rtol=0.02, atol=0.5)


@pytest.mark.parametrize("samples", [np.zeros(3 * RATE), np.full(3 * RATE, 0.5), sine(440, 1.5)])
def test_odd_pieces_have_finite_descriptors(samples):
    assert np.isfinite(list(values_of(samples).values())).all()


@pytest.mark.parametrize(("seconds", "n_pieces"), [(30, 10), (31, 10), (3, 1), (2, 1), (8, 3)])
def test_a_track_is_cut_into_pieces_of_3_s(seconds, n_pieces):
    assert FEATURES.count_frames(seconds * RATE) == n_pieces
    assert FEATURES.segment_seconds == pytest.approx(3, abs=0.01)


def test_analyses_so_many_pieces_spread_over_the_track(write):
    samples = np.concatenate([sine(hz, 6) for hz in (500, 1000, 2000)]) * 0.5
    analysed = extract(write(samples), "flac", FEATURES, 3).values
    assert analysed.shape == (3, 57, 1)
    assert analysed.dtype == np.float32
    centroids = analysed[:, DESCRIPTORS.index("spectral_centroid_mean"), 0]
    np.testing.assert_allclose(centroids, [500, 1000, 2000], rtol=0.1)


def test_silence_and_too_little_are_not_judged(write):
    with pytest.raises(Silence):
        extract(write(np.zeros(6 * RATE)), "flac", FEATURES)
    with pytest.raises(TooShort, match=r"at least 1\.5 s"):
        extract(write(tone(1)), "flac", FEATURES)


def test_a_bundle_of_descriptors_classifies_a_file(write, tmp_path):
    made = Bundle("", "d", "", ("a", "b"), ("A", "B"), FEATURES)
    bundle = save_bundle(made, build(FEATURES, 2), tmp_path / "bundle", "card")
    assert load_bundle(bundle.path).features == FEATURES
    analysed = extract(write(tone(9)), "flac", bundle.features)
    probabilities = open_classifier(bundle)(analysed.values)
    assert probabilities.shape == (3, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
