"""Recording: copies move as one, whatever encoded them; other recordings do not."""

import itertools

import numpy as np
import pytest

from genrebeam.pipeline.by_ear.recording import SAMPLE_RATE_HZ, NoSound, decode_excerpts, likeness
from genrebeam.transforms.audio.decode import DecodeError, open_audio
from tests.conftest import write_audio

RATE = 22050


def music(seed: int, seconds: float = 30) -> np.ndarray:
    """No two stretches of it are alike: ``(n, 2)``."""
    slow = np.repeat(np.random.default_rng(seed).standard_normal(int(seconds * RATE / 10)), 10)
    return np.repeat(slow[:, None], 2, axis=1) / 8


def excerpts_of(tmp_path, name, samples):
    path = tmp_path / name
    write_audio(path, samples, RATE)
    return decode_excerpts(str(path), path.suffix[1:])


@pytest.fixture
def original(tmp_path):
    return excerpts_of(tmp_path, "original.flac", music(0))


@pytest.mark.parametrize("format", ["flac", "mp3", "ogg", "m4a"])
def test_a_copy_in_another_format_is_the_same_recording(tmp_path, original, format):
    copy = excerpts_of(tmp_path, f"copy.{format}", music(0))
    assert likeness(original, copy) > 0.95
    assert likeness(copy, original) > 0.95


def test_another_recording_is_not(tmp_path, original):
    assert likeness(original, excerpts_of(tmp_path, "b.flac", music(1))) < 0.2


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x / 20,
        lambda x: -x,
        lambda x: np.tanh(4 * x),
        lambda x: np.concatenate([np.zeros((RATE, 2)), x]),
        lambda x: x[RATE:],
    ],
    ids=["quieter", "turned over", "limited", "a pause before", "cut at the beginning"],
)
def test_what_was_done_to_a_copy_does_not_matter(tmp_path, original, change):
    assert likeness(original, excerpts_of(tmp_path, "b.flac", change(music(0)))) > 0.9


def test_a_remix_that_shares_its_loops_is_another_recording(tmp_path, original):
    """Both excerpts are found again, but a second further apart."""
    remix = np.concatenate([music(0)[: 15 * RATE], music(2, 1), music(0)[15 * RATE :]])
    assert likeness(original, excerpts_of(tmp_path, "b.flac", remix)) == 0


def test_silence_at_one_place_leaves_the_other(tmp_path):
    half = music(0)
    half[: 15 * RATE] = 0
    one = excerpts_of(tmp_path, "one.flac", half)
    assert likeness(one, excerpts_of(tmp_path, "other.mp3", half)) > 0.95


def test_silence_is_nothing_to_compare(tmp_path):
    with pytest.raises(NoSound):
        excerpts_of(tmp_path, "silence.flac", np.zeros((10 * RATE, 2)))


def test_a_short_track_can_be_compared(tmp_path):
    one = excerpts_of(tmp_path, "one.flac", music(0, 2))
    assert likeness(one, excerpts_of(tmp_path, "other.mp3", music(0, 2))) > 0.9
    assert likeness(one, excerpts_of(tmp_path, "b.mp3", music(1, 2))) < 0.3


def test_what_is_no_audio_says_so(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"nothing")
    with pytest.raises(DecodeError):
        decode_excerpts(str(tmp_path / "a.mp3"), "mp3")


def test_copies_of_real_music_are_reported_from_tracks_of_the_same_album(shared_data, tmp_path):
    """Norine Braun's songs; 59 and 66 are one excerpt that the collection has twice."""
    names = ("53", "59", "66", "73")
    found = {}
    for name in names:
        path = shared_data / "magnatune" / "pop" / f"{name}.mp3"
        found[name] = decode_excerpts(str(path), "mp3")
        with open_audio(str(path), "mp3") as reader:
            samples = reader.read(0, reader.n_samples)
            rate = reader.sample_rate_hz
        write_audio(tmp_path / f"{name}.m4a", np.repeat(samples[:, None], 2, axis=1), rate)
        copy = decode_excerpts(str(tmp_path / f"{name}.m4a"), "m4a")
        assert likeness(found[name], copy) > 0.9
    for one, other in itertools.combinations(names, 2):
        is_same = (one, other) == ("59", "66")
        assert (likeness(found[one], found[other]) > 0.5) == is_same, (one, other)


def test_excerpts_are_small(original):
    assert original.samples.dtype == np.float16
    assert original.samples.shape == (2, 10 * SAMPLE_RATE_HZ)
