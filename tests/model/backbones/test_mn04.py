"""mn04: the port, fed by our own features, puts out what the published network does.

``mn04_expected.npz`` has what the authors' network says of `signal` in PyTorch.
"""

from pathlib import Path

import numpy as np
import pytest

from genrebeam.model.backbones import mn04
from genrebeam.model.backbones.backbone import BACKBONES
from genrebeam.transforms.audio.mel import log_mel, window_power

EXPECTED = np.load(Path(__file__).parent / "mn04_expected.npz")
SECONDS = (10.0, 5.0, 6.5)
# Every this many of its frames are in the file.
FRAME_STEP = 50


def signal(number: int) -> np.ndarray:
    """A chord with tremolo, beats with a bass, or a sweep: mono, 32 kHz, ``float32``."""
    n_samples = round(SECONDS[number] * 32000)
    t = np.arange(n_samples, dtype=np.float64) / 32000
    noise = np.random.default_rng(number).standard_normal(n_samples)
    if number == 0:
        chord = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (220.0, 277.18, 329.63, 440.0))
        sound = chord * (0.6 + 0.4 * np.sin(2 * np.pi * 4.0 * t)) + 0.01 * noise
    elif number == 1:
        sound = 0.5 * noise * np.exp(-12.0 * (t % 0.5)) + 0.3 * np.sin(2 * np.pi * 55.0 * t)
    else:
        k = np.log(12000.0 / 50.0) / SECONDS[number]
        sweep = np.sin(2 * np.pi * 50.0 / k * (np.exp(k * t) - 1.0))
        sound = 0.3 * sweep + 1e-4 * noise
    return sound.astype(np.float32)


def features(number: int) -> np.ndarray:
    return log_mel(window_power(signal(number), mn04.FRAMES), mn04.FRAMES)


@pytest.mark.parametrize("number", range(3))
def test_our_features_are_those_that_it_was_trained_on(number):
    found = features(number)
    assert found.shape == (128, round(100 * SECONDS[number]))
    expected = EXPECTED[f"log_mel_{number}"]
    np.testing.assert_allclose(found[:, ::FRAME_STEP], expected, atol=5e-4)


@pytest.mark.parametrize("number", range(3))
def test_keras_and_onnx_runtime_put_out_what_the_original_does(number):
    backbone, windows = BACKBONES["mn04"], features(number)[None]
    expected = np.concatenate([EXPECTED[f"{name}_{number}"] for name in backbone.outputs])
    in_keras = backbone.load().predict(windows, verbose=0)
    in_onnx_runtime = backbone.open(threads=1)(windows)
    np.testing.assert_allclose(in_keras[0], expected, atol=1e-3)
    np.testing.assert_allclose(in_onnx_runtime[0], expected, atol=1e-3)


def test_there_is_a_label_for_every_logit():
    labels = mn04.read_labels()
    assert len(labels) == mn04.N_CLASSES
    assert (labels[0], labels[137], labels[-1]) == ("Speech", "Music", "Field recording")
