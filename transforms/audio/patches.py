"""Patches: what each ear is given of a segment of sound.

An ear is a pretrained network with frames of its own (see ``model/pretrained``). All ears hear
the same samples, so that a track is decoded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio.mel import log_mel, mel_bands

# From the mean square of a tone to its largest mel power, the scale of `Patches.peak`.
_POWER_OF_FULL_SCALE = 2e4
# The level is measured over so many samples: a pause between two notes is no silence.
_LEVEL_SAMPLES = 1600
# A track that would need more is mostly noise.
_MOST_GAIN = 30.0
# A segment is silent below this share of the power of the track's loudest one. That is 50 dB; the
# loudest tenths of a second of two places in a piece of music hardly differ by so much.
_SILENT_SHARE = 1e-5


@dataclass(frozen=True)
class Patches:
    """What the ears get of one segment, before it is brought to a scale.

    Parameters
    ----------
    mel : tuple of np.ndarray
        Ear by ear and patch by patch its mel bands, ``(n_mels, segment_frames) float32``.
    loudest : float
        Largest sample, in parts of full scale.
    peak : float
        Level of the loudest tenth of a second, as the mel power of a tone of that level.
    """

    mel: tuple[np.ndarray, ...]
    loudest: float
    peak: float


def cut_patches(samples: np.ndarray, spec: FeatureSpec, first_real: int, n_real: int) -> Patches:
    """Mel patches of one segment for every ear.

    Parameters
    ----------
    samples : np.ndarray
        ``(n,) float32`` at the spec's rate: from where the first patch begins to where the
        last one ends.
    spec : FeatureSpec
        Of kind ``ears``.
    first_real, n_real : int
        First of the samples that the track has, and how many; what is missing at the end is
        heard in a loop.

    Returns
    -------
    Patches
    """
    lead = max(ear.lead_samples for ear in spec.ears)
    if first_real + n_real < len(samples) - lead:
        real = samples[first_real : first_real + n_real]
        samples = np.concatenate([samples[:first_real], np.resize(real, len(samples) - first_real)])
    mel = tuple(
        mel_bands(samples[begin : begin + ear.patch_samples], ear.frames)
        for ear in spec.ears
        for begin in (lead - ear.lead_samples + patch for patch in ear.patches)
    )
    whole = samples[: len(samples) // _LEVEL_SAMPLES * _LEVEL_SAMPLES]
    levels = (whole.reshape(-1, _LEVEL_SAMPLES) ** 2).mean(axis=1)
    peak = _POWER_OF_FULL_SCALE * float(levels.max())
    return Patches(mel, float(np.abs(samples).max()), peak)


def those_that_sound(segments: Sequence[Patches]) -> list[Patches]:
    """The segments without those that are silent beside the loudest.

    Parameters
    ----------
    segments : sequence of Patches

    Returns
    -------
    list of Patches
        At least one.
    """
    least = _SILENT_SHARE * max(segment.peak for segment in segments)
    return [segment for segment in segments if segment.peak >= least]


def scale_patches(segments: Sequence[Patches], spec: FeatureSpec) -> np.ndarray:
    """Log-mel patches of a track's segments.

    Parameters
    ----------
    segments : sequence of Patches
        Not all silent.
    spec : FeatureSpec

    Returns
    -------
    np.ndarray
        ``(n_segments, n_rows, 1) float16``: ear by ear and patch by patch its log-mel, row by
        row.
    """
    loudest = max(segment.loudest for segment in segments)
    gain = min(max(1.0, spec.least_peak / loudest), _MOST_GAIN)
    frames = [ear.frames for ear in spec.ears for _ in ear.patches]
    # A mix of two hours has 1,200 segments: no second copy of them as float32.
    values = np.empty((len(segments), spec.shape[0], 1), dtype=np.float16)
    for row, segment in zip(values, segments, strict=True):
        logs = [log_mel(mel, of, gain).ravel() for mel, of in zip(segment.mel, frames, strict=True)]
        row[:, 0] = np.concatenate(logs)
    return values
