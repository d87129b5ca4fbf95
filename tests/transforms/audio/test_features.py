"""Features: one definition, equal to the training array, blind to gain and to tags."""

import dataclasses

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.genre_cnn import FEATURES
from genrebeam.transforms.audio.decode import _SoundFileReader
from genrebeam.transforms.audio.features import Silence, TooShort, extract
from tests.conftest import tone

PLAIN = FeatureSpec(segment_frames=100)


@pytest.fixture
def write(tmp_path):
    def write_flac(samples, rate=22050, name="a.flac"):
        soundfile.write(tmp_path / name, samples, rate, subtype="PCM_24")
        return str(tmp_path / name)

    return write_flac


def test_equals_librosa_on_the_whole_track(write):
    samples = tone(10).astype(np.float32)
    spec = dataclasses.replace(PLAIN, segment_frames=1 + 220500 // 512)
    analysed = extract(write(samples), "flac", spec)
    power = librosa.feature.melspectrogram(y=samples[:, 0], sr=22050)
    level = librosa.power_to_db(power, ref=np.max, top_db=80)
    expected = (level - level.min()) / (level.max() - level.min())
    assert analysed.values.shape == (1, *expected.shape)
    assert np.abs(analysed.values[0] - expected).max() < 1e-3  # float16, 24 bits of audio


def test_what_one_decoder_cannot_read_the_other_may(write, monkeypatch):
    path = write(tone(10))
    expected = extract(path, "flac", PLAIN).values
    nothing = np.zeros(0, np.float32)
    monkeypatch.setattr(_SoundFileReader, "read", lambda self, start, count: nothing)
    np.testing.assert_allclose(extract(path, "flac", PLAIN).values, expected, atol=0.02)


@pytest.mark.parametrize("bursts_s", [(), (7.31,), (1.02, 7.31, 16.5), np.arange(0, 19, 0.013)])
@pytest.mark.parametrize("level", [0.0, 1e-3, 0.1])
def test_frames_that_are_not_kept_count_as_loudest_and_quietest(write, bursts_s, level):
    """A third of the frames is kept; of the others only those are computed that can count."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * 22050)
    samples = tone(20)[:, 0] * level
    for second in bursts_s:
        burst = slice(int(second * 22050), int(second * 22050) + 200)
        samples[burst] += noise[burst]
    if not samples.any():
        samples = noise
    path = write(samples)
    analysed = extract(path, "flac", FEATURES)
    power = librosa.feature.melspectrogram(y=soundfile.read(path, dtype="float32")[0], sr=22050)
    kept = [FEATURES.stft_frame(k) for k in range(len(analysed.values) * 64)]
    segments = [range(kept[first], kept[first + 63] + 1) for first in range(0, len(kept), 64)]
    under_segments = np.concatenate([power[:, frames] for frames in segments], axis=1)
    peak = under_segments.max()
    floor = max(1e-8, under_segments.min() / peak)
    expected = 1 - np.log(np.maximum(power[:, kept] / peak, floor)) / np.log(floor)
    found = np.concatenate(list(analysed.values), axis=1)
    assert np.abs(found - expected).max() < 2e-3


def test_segments_are_the_whole_track_cut_up(write):
    path = write(tone(20))
    whole = extract(path, "flac", dataclasses.replace(PLAIN, segment_frames=800)).values[0]
    pieces = extract(path, "flac", PLAIN).values
    assert pieces.shape == (8, 128, 100)
    # The track's loudest and quietest frames may lie behind the last whole segment.
    np.testing.assert_allclose(np.concatenate(list(pieces), axis=1), whole, atol=2e-3)


def test_gtzan_clips_equal_the_array(shared_data):
    """Mean absolute difference at most 0.2 dB on each of the ten clips."""
    with np.load(shared_data / "gtzan" / "logmel.npz") as arrays:
        position = {str(track): index for index, track in enumerate(arrays["track"])}
        pictures = arrays["mel"]
    clips = sorted((shared_data / "gtzan" / "audio").glob("*.flac"))
    assert len(clips) == 10
    for clip in clips:
        # The array always has 387 columns: clips with a few more frames were squeezed.
        squeeze = (1 + soundfile.info(clip).frames // 512) / 1293
        spec = dataclasses.replace(
            FEATURES,
            segment_frames=387,
            frame_step=FEATURES.frame_step * squeeze,
            frame_offset=FEATURES.frame_offset * squeeze,
        )
        analysed = extract(str(clip), "flac", spec).values[0].astype(np.float64)
        difference = np.abs(analysed - pictures[position[clip.stem]] / 255) * FEATURES.top_db
        assert difference.mean() <= 0.2, clip.stem


def test_does_not_depend_on_gain(write):
    loud = tone(12)
    analysed = [extract(write(loud * gain), "flac", FEATURES, 2).values for gain in (1.0, 0.05)]
    assert np.abs(analysed[0].astype(float) - analysed[1]).mean() < 0.005


def test_does_not_depend_on_the_sample_rate_beyond_the_resampler(write):
    times = np.arange(12 * 88200) / 88200
    fine = 0.3 * np.sin(2 * np.pi * (300 + 20 * times) * times) + 0.2 * np.sin(4000 * times)
    analysed = [
        extract(write(fine[::step], 88200 // step), "flac", FEATURES, 2).values[:, :60]
        for step in (1, 2, 4)
    ]
    assert np.abs(analysed[0].astype(float) - analysed[2]).mean() < 0.02
    assert np.abs(analysed[1].astype(float) - analysed[2]).mean() < 0.02


def test_analyses_so_many_segments_spread_over_the_track(write):
    samples = np.concatenate([tone(10) * gain for gain in (1, 0.01, 1, 0.01)])
    analysed = extract(write(samples), "flac", FEATURES, 4).values
    assert analysed.shape == (4, 128, 64)
    loudness = analysed.astype(float).mean(axis=(1, 2))
    assert (loudness[[0, 2]] > loudness[[1, 3]].max()).all()


def test_a_short_track_is_analysed_in_a_loop(write):
    analysed = extract(write(tone(3)), "flac", FEATURES).values
    assert analysed.shape == (1, 128, 64)
    n_real = FEATURES.count_frames(3 * 22050)
    np.testing.assert_array_equal(analysed[0, :, n_real:], analysed[0, :, : 64 - n_real])


def test_too_little_is_not_judged(write):
    with pytest.raises(TooShort, match=r"1\.0 s of audio"):
        extract(write(tone(1)), "flac", FEATURES)


def test_silence_is_not_judged(write):
    with pytest.raises(Silence):
        extract(write(np.zeros(22050 * 8)), "flac", FEATURES)


def test_the_dither_of_16_bits_is_silence(write):
    dither = (np.random.default_rng(0).random(22050 * 8) - 0.5) * 2 / 2**15
    with pytest.raises(Silence):
        extract(write(dither), "flac", FEATURES)


@pytest.mark.parametrize("n_segments", [4, None])
@pytest.mark.parametrize("promised_s", [100, 1e12])
def test_a_header_that_promises_too_much_does_not_hide_what_is_there(
    tmp_path, n_segments, promised_s
):
    soundfile.write(tmp_path / "a.mp3", tone(9), 22050)
    analysed = extract(str(tmp_path / "a.mp3"), "mp3", FEATURES, n_segments, header_s=promised_s)
    assert 1 <= len(analysed.values) <= 2


def test_one_constant_tone_of_a_test_signal_is_no_error(write):
    assert np.isfinite(extract(write(np.full(22050 * 8, 0.5)), "flac", FEATURES).values).all()


specs = st.builds(
    FeatureSpec,
    frame_step=st.floats(1, 8),
    frame_offset=st.floats(0, 5),
    segment_frames=st.integers(1, 200),
)


@given(specs, st.integers(0, 10_000), st.integers(1, 50))
def test_segments_lie_inside_the_track_and_do_not_overlap_needlessly(spec, n_frames, n_segments):
    starts = spec.segment_starts(n_frames, n_segments)
    assert starts == sorted(starts)
    assert len(starts) == max(1, min(n_segments, n_frames // spec.segment_frames))
    if n_frames >= spec.segment_frames:
        assert starts[0] >= 0
        assert starts[-1] + spec.segment_frames <= n_frames
        gaps = np.diff(starts)
        assert (gaps >= spec.segment_frames - 1).all()


@given(specs, st.integers(0, 5_000_000))
def test_counts_just_the_frames_that_the_track_has(spec, n_samples):
    kept = spec.count_frames(n_samples)
    n_stft = 1 + n_samples // spec.hop_length
    assert kept == 0 or spec.stft_frame(kept - 1) < n_stft
    assert spec.stft_frame(kept) >= n_stft
