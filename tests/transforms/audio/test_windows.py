"""Windows: each stands for itself, on a fixed scale, whatever the level of its track."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.model.recipes.backbone import BACKBONE_FEATURES as SPEC
from genrebeam.transforms.audio.features import TooShort, extract
from genrebeam.transforms.audio.mel import log_mel, window_power
from tests.conftest import tone

RATE = SPEC.sample_rate_hz
SECONDS = SPEC.segment_seconds
N_SAMPLES = SPEC.segment_frames * SPEC.hop_length


@pytest.fixture
def write(tmp_path):
    def written(samples: np.ndarray) -> str:
        path = tmp_path / "a.flac"
        soundfile.write(path, samples, RATE, subtype="PCM_24")
        return str(path)

    return written


def test_a_window_is_made_of_its_own_samples_alone(write):
    samples = 2 * tone(4 * SECONDS, rate=RATE)[:, 0].astype(np.float32)
    values = extract(write(samples), "flac", SPEC).values
    assert values.shape == (4, *SPEC.shape)
    assert values.dtype == np.float16
    expected = window_power(samples[N_SAMPLES : 2 * N_SAMPLES], SPEC)
    np.testing.assert_allclose(values[1], log_mel(expected, SPEC), atol=2e-3)


def test_a_quiet_track_is_amplified_and_a_loud_one_is_not(write):
    sound = tone(2 * SECONDS, rate=RATE)
    sound *= 0.8 / np.abs(sound).max()

    def analysed(gain: float) -> np.ndarray:
        return extract(write(gain * sound), "flac", SPEC).values

    whole, half, quiet = analysed(1), analysed(0.625), analysed(0.03)
    np.testing.assert_allclose(quiet, half, atol=0.01)  # both peak at half of full scale now
    assert np.abs(whole - half).max() > 0.05
    assert analysed(1e-4).max() < half.max()  # not without end


def test_a_track_shorter_than_a_window_is_repeated(write):
    samples = tone(0.6 * SECONDS, rate=RATE)
    (found,) = extract(write(samples), "flac", SPEC).values
    (expected,) = extract(write(np.resize(samples, (N_SAMPLES, 1))), "flac", SPEC).values
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_jingle_is_too_short_to_judge(write):
    with pytest.raises(TooShort, match="at least"):
        extract(write(tone(1.5, rate=RATE)), "flac", SPEC)


@given(st.integers(0, 10_000_000), st.one_of(st.none(), st.integers(1, 20)))
def test_every_window_lies_within_the_track(n_samples, n_segments):
    n_frames = SPEC.count_frames(n_samples)
    starts = SPEC.segment_starts(n_frames, n_segments)
    assert starts == sorted(set(starts))
    if n_frames >= SPEC.segment_frames:
        assert (starts[-1] + SPEC.segment_frames) * SPEC.hop_length <= n_samples
