"""Windows: what a backbone is given of a track, a few seconds at a time.

A backbone is a pretrained network (see ``model/backbones``). It was trained on windows that stand
for themselves, so nothing outside of a window counts in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio.mel import log_mel, window_power

# From the mean square of a tone to its largest mel power, the scale of `Window.peak`.
_POWER_OF_FULL_SCALE = 2e4
# The level is measured over this many seconds: a pause between two notes is no silence.
_LEVEL_SECONDS = 0.1
# A track that would need more is mostly noise.
_MOST_GAIN = 30.0
# A window is silent below this share of the power of the track's loudest one. That is 50 dB; the
# loudest tenths of a second of two places in a piece of music hardly differ by so much.
_SILENT_SHARE = 1e-5


@dataclass(frozen=True)
class Window:
    """A window of a track, before the track's windows are amplified together.

    Parameters
    ----------
    mel : np.ndarray
        Mel power, ``(n_mels, segment_frames) float32``.
    loudest : float
        Largest sample, in parts of full scale.
    peak : float
        Level of the loudest tenth of a second, as the mel power of a tone of that level.
    """

    mel: np.ndarray
    loudest: float
    peak: float


def measure_window(samples: np.ndarray, spec: FeatureSpec, n_real: int) -> Window:
    """Mel power and level of a window.

    Parameters
    ----------
    samples : np.ndarray
        ``(n,) float32`` at the spec's rate.
    spec : FeatureSpec
        Of kind ``window``.
    n_real : int
        Samples that the track has of it; they are repeated in place of the others.
    """
    samples = np.resize(samples[:n_real], len(samples))
    step = round(_LEVEL_SECONDS * spec.sample_rate_hz)
    levels = (samples[: len(samples) // step * step].reshape(-1, step) ** 2).mean(axis=1)
    peak = _POWER_OF_FULL_SCALE * float(levels.max())
    return Window(window_power(samples, spec), float(np.abs(samples).max()), peak)


def non_silent(windows: Sequence[Window]) -> list[Window]:
    """The windows without those that are silent beside the loudest; at least one."""
    least = _SILENT_SHARE * max(window.peak for window in windows)
    return [window for window in windows if window.peak >= least]


def scale_windows(windows: Sequence[Window], spec: FeatureSpec) -> np.ndarray:
    """Log-mel of a track's windows.

    Parameters
    ----------
    windows : sequence of Window
        Not all silent.

    Returns
    -------
    np.ndarray
        ``(n_windows, n_mels, segment_frames) float16``.
    """
    loudest = max(window.loudest for window in windows)
    gain = min(max(1.0, spec.least_peak / loudest), _MOST_GAIN)
    # A mix of two hours has 1,440 windows: no second copy of them as float32.
    values = np.empty((len(windows), *spec.shape), dtype=np.float16)
    for row, window in zip(values, windows, strict=True):
        row[:] = log_mel(window.mel, spec, gain)
    return values
