"""FMA: its array as it is published, and its lists."""

from pathlib import Path

import librosa
import numpy as np
import pytest

from genrebeam.pipeline.training.datasets.fma import FMA_ARRAY, load_fma_array

GENRES = ("Electronic", "Rock")


def write_fma_array(folder: Path, n: int = 200) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    np.savez(
        folder / "logmel.npz",
        mel=rng.integers(0, 64, (n, 107, 128), dtype=np.uint8),
        track=np.arange(n),
        genre=np.array([GENRES[i % 2] for i in range(n)]),
        artist=np.array([str(i // 4) for i in range(n)]),
        split=np.array(["test" if i < 40 else "training" for i in range(n)]),
    )


def test_fma_bands_are_the_lowest_of_128():
    filters = librosa.filters.mel(sr=44100, n_fft=2048, n_mels=128)
    ours = librosa.filters.mel(
        sr=44100, n_fft=2048, n_mels=FMA_ARRAY.n_mels, fmax=FMA_ARRAY.fmax_hz
    )
    np.testing.assert_allclose(ours, filters[:107], atol=1e-7)


def test_fma_columns_are_30_s_over_128():
    assert FMA_ARRAY.frame_seconds == pytest.approx(30 / 128)


def test_fma_array_is_scaled_and_split_by_artist(tmp_path):
    write_fma_array(tmp_path)
    music = load_fma_array(tmp_path)
    assert music.genres == GENRES
    sizes = {split: len(clips) for split, clips in music.splits.items()}
    assert sizes == {"train": 144, "valid": 16, "test": 40}
    artists = {
        split: {int(name) // 4 for name in clips.names} for split, clips in music.splits.items()
    }
    assert not artists["train"] & artists["valid"]
    clip = music.splits["train"].values[0]
    assert clip.shape == (107, 128)
    assert clip.dtype == np.float16
    assert max(clip.max() for clip in music.splits["train"].values) == 1.0
