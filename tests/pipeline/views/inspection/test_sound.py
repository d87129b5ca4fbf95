"""The sound of an inspection: what the network is fed, what is drawn."""

import numpy as np
import pytest

from genrebeam.model.recipes.backbone import BACKBONE_FEATURES
from genrebeam.pipeline.views.inspection.sound import (
    DRAWN,
    MOST_COLUMNS,
    _decode,
    _Filled,
    _measure,
    analyse_sound,
)
from genrebeam.transforms.audio.decode import DecodeError
from genrebeam.transforms.audio.features import extract
from tests.conftest import tone
from tests.inspections import RATE, SPEC


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.flac"])
def test_the_network_is_fed_what_tagging_feeds_it(write_tone, name):
    path = str(write_tone(name, seconds=22))
    sound = analyse_sound(path, name[2:], SPEC)
    expected = extract(path, name[2:], SPEC).values
    assert sound.segments.shape == expected.shape == (4, 128, 64)
    differences = np.abs(sound.segments.astype(float) - expected)
    assert differences.max() < (0.1 if name == "a.m4a" else 2e-3)  # AAC depends on the seeks
    assert differences.mean() < 1e-4


def test_descriptors_tell_a_tone():
    samples = np.sin(2 * np.pi * 440 * np.arange(20 * RATE) / RATE).astype(np.float32) / 2
    found = _measure(samples, SPEC)
    middle = slice(10, -10)
    np.testing.assert_allclose(found["zero_crossings_hz"][middle], 880, rtol=0.02)
    np.testing.assert_allclose(found["centroid_hz"][middle], 440, rtol=0.02)
    assert np.all(found["chroma"][:, middle].argmax(axis=0) == 9)  # A
    np.testing.assert_allclose(found["wave"][:, middle].mean(axis=1), (-0.5, 0.5), atol=0.01)
    loudest = found["band_hz"][found["mel_db"][:, 20].argmax()]
    assert abs(loudest - 440) < 40


def test_long_tracks_have_no_more_columns_than_can_be_drawn():
    found = _measure(np.random.default_rng(0).normal(0, 0.1, 200 * RATE).astype(np.float32), SPEC)
    widths = {values.shape[-1] for name, values in found.items() if name != "band_hz"}
    assert max(widths) <= MOST_COLUMNS + 1
    assert min(widths) > MOST_COLUMNS / 2


def test_where_a_track_is_silent_nothing_is_reported_of_its_spectrum():
    samples = np.concatenate([tone(5)[:, 0], np.zeros(5 * RATE)]).astype(np.float32)
    found = _measure(samples, SPEC)
    n_columns = len(found["centroid_hz"])
    for name in ("centroid_hz", "rolloff_hz", "zero_crossings_hz"):
        silent = np.isnan(found[name])
        assert not silent[: n_columns // 2 - 5].any()
        assert silent[n_columns // 2 + 5 :].all()


class _Reader:
    """Decodes ones, but for a hole."""

    sample_rate_hz, channels, exact = RATE, 1, True

    def __init__(self, seconds: float, hole: range, end: float) -> None:
        self.n_samples, self.hole, self.end = int(seconds * RATE), hole, int(end * RATE)

    def read(self, start: int, count: int) -> np.ndarray:
        if start // RATE in self.hole:
            return np.zeros(0, np.float32)
        return np.ones(max(0, min(count, self.end - start)), np.float32)


def test_what_cannot_be_decoded_does_not_move_what_follows():
    samples = _decode("a.mp3", _Reader(40, range(10, 20), 40), RATE)
    assert len(samples) == 40 * RATE
    assert samples[: 10 * RATE].all()
    assert not samples[10 * RATE : 20 * RATE].any()
    assert samples[20 * RATE :].all()


def test_a_track_ends_where_its_sound_ends_whatever_its_header_promises():
    assert len(_decode("a.mp3", _Reader(9e5, range(0), 25), RATE)) == 25 * RATE
    with pytest.raises(DecodeError, match="nothing of its 60 s can be decoded"):
        _decode("a.mp3", _Reader(60, range(0), 0), RATE)


def test_a_backbone_is_given_what_tagging_gives_it_and_people_see_another_picture(write_tone):
    path = str(write_tone("a.flac", seconds=20))
    sound = analyse_sound(path, "flac", BACKBONE_FEATURES)
    np.testing.assert_array_equal(sound.segments, extract(path, "flac", BACKBONE_FEATURES).values)
    assert len(sound.band_hz) == len(sound.mel_db) == DRAWN.n_mels
    assert sound.duration_s == pytest.approx(20)


def test_a_backbone_is_given_silence_where_a_track_cannot_be_decoded():
    filled = _Filled(_Reader(40, range(10, 20), 40), 40.0)
    assert not filled.read(12 * RATE, RATE).any()
    assert len(filled.read(12 * RATE, RATE)) == RATE
    assert filled.read(30 * RATE, RATE).all()
    assert len(filled.read(39 * RATE, 2 * RATE)) == RATE
