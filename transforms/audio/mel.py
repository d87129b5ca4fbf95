"""Mel: samples become mel power, and mel power becomes what a network sees.

Equal to librosa's and Kaldi's mel spectrograms (tests compare them), at a fraction of the cost.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec

if TYPE_CHECKING:
    from scipy.sparse import csr_array


_FRAMES_AT_ONCE = 100


@dataclass(frozen=True)
class MelPower:
    """Mel power of one segment.

    Parameters
    ----------
    kept : np.ndarray
        ``(n_mels, segment_frames) float32``, the frames that the network sees.
    peak, trough : float
        Largest and smallest power over all STFT frames, kept or not, of this segment and those
        before. The trough need not be the smallest where it is more than ``top_db`` below the peak.
    """

    kept: np.ndarray
    peak: float
    trough: float


def mel_power(
    samples: np.ndarray,
    spec: FeatureSpec,
    first: int,
    n_real: int,
    before: MelPower | None = None,
) -> MelPower:
    """Mel power of one segment.

    Parameters
    ----------
    samples : np.ndarray
        ``(n,) float32`` at the spec's rate: the segment's frames from the first one's
        beginning to the last one's end.
    first : int
        The segment's first kept frame in its track; decides which STFT frames are kept.
    n_real : int
        Samples before the track's end. Frames centred after it are filled by
        repeating those before, so that a short track is analysed in a loop.
    before : MelPower, optional
        The segment analysed before of the same track.

    Notes
    -----
    Equal to `librosa.feature.melspectrogram` (tests compare them) at a sixth of its cost: in
    single precision, without the filters' zeros, and only of frames that count. One that is not
    kept could be the loudest; few have the energy for it.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.n_fft)[:: spec.hop_length]
    frames = frames[: max(1, (n_real - spec.n_fft // 2) // spec.hop_length + 1)]
    origin = spec.stft_frame(first)
    columns = [spec.stft_frame(first + k) - origin for k in range(spec.segment_frames)]
    columns = [column for column in columns if column < len(frames)]
    kept = _mel_of(frames[columns], spec)
    peak, trough = float(kept.max()), float(kept.min())
    if before is not None:
        peak, trough = max(peak, before.peak), min(trough, before.trough)
    is_other = np.ones(len(frames), dtype=bool)
    is_other[columns] = False
    if trough <= 10 ** (-spec.top_db / 10) * peak:
        is_other &= _most_power(samples, spec, len(frames)) > peak
    if is_other.any():
        others = _mel_of(frames[is_other], spec)
        peak, trough = max(peak, float(others.max())), min(trough, float(others.min()))
    if len(columns) < spec.segment_frames:
        kept = kept[:, np.arange(spec.segment_frames) % len(columns)]
    return MelPower(kept, peak, trough)


def _mel_of(frames: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """Mel bands of frames of samples: ``(n, window_length)`` to ``(n_mels, n)``."""
    from scipy.fft import rfft

    window, bank = _filters(spec)
    spectrum = rfft(frames * window, spec.n_fft)
    strength = spectrum.real**2 + spectrum.imag**2
    return bank @ strength.T


def _most_power(samples: np.ndarray, spec: FeatureSpec, n_frames: int) -> np.ndarray:
    """What no mel band of a frame can exceed, by Parseval's theorem: ``(n_frames,) float32``."""
    weights = _most_power_weights(spec)
    n_hops, hop = weights.shape
    padded = np.zeros((n_frames + n_hops) * hop, np.float32)
    used = samples[: len(padded)]
    padded[: len(used)] = used
    # Hop by hop: each hop of samples is in several frames.
    in_hop = (padded**2).reshape(-1, hop) @ weights.T
    return sum(in_hop[place : place + n_frames, place] for place in range(n_hops))


@functools.lru_cache(maxsize=4)
def _most_power_weights(spec: FeatureSpec) -> np.ndarray:
    """What a sample's square adds to the bound, by its place in a frame: ``(n_hops, hop)``."""
    window, bank = _filters(spec)
    weights = np.zeros(-(-spec.n_fft // spec.hop_length) * spec.hop_length, np.float32)
    # Half of the energy, because the other half of the transform mirrors this one; the first and
    # the last value have no mirror, but are in no band. And 0.1 % more, for rounding.
    weights[: spec.n_fft] = window**2 * np.float32(1.001 * bank.max() * spec.n_fft / 2)
    return weights.reshape(-1, spec.hop_length)


@functools.lru_cache(maxsize=4)
def _filters(spec: FeatureSpec) -> tuple[np.ndarray, csr_array]:
    """The transform's window ``(n,)`` and the mel bands ``(n_mels, 1 + n_fft / 2)``."""
    from scipy.sparse import csr_array

    bands = _slaney_bands(spec) if spec.mel_scale == "slaney" else _kaldi_bands(spec)
    n = spec.window_length or spec.n_fft
    # Kaldi's Hann window is symmetric, the other is periodic.
    turn = np.linspace(-np.pi, np.pi, n if spec.mel_scale == "kaldi" else n + 1)[:n]
    hann = 0.5 + 0.5 * np.cos(turn)
    return hann.astype(np.float32), csr_array(bands.astype(np.float32))


def _slaney_bands(spec: FeatureSpec) -> np.ndarray:
    """Triangles in Hz of equal area, as `librosa.filters.mel` (a test compares them).

    Each decoder would import librosa for it, with numba and scipy.signal: 0.9 s of CPU.
    The scale is that of Slaney's Auditory Toolbox (1998): linear below 1 kHz, logarithmic above.
    """
    top = spec.fmax_hz or spec.sample_rate_hz / 2
    hz_per_mel, corner_hz, log_step = 200 / 3, 1000.0, np.log(6.4) / 27
    corner = corner_hz / hz_per_mel

    def mel_of(hz: float) -> float:
        if hz < corner_hz:
            return hz / hz_per_mel
        return float(corner + np.log(hz / corner_hz) / log_step)

    mel = np.linspace(0, mel_of(top), spec.n_mels + 2)
    above = corner_hz * np.exp(log_step * (mel - corner))
    edges = np.where(mel < corner, hz_per_mel * mel, above)
    frequencies = np.fft.rfftfreq(spec.n_fft, 1 / spec.sample_rate_hz)
    lower, centre, upper = (edges[place : place + spec.n_mels, None] for place in range(3))
    rising, falling = (
        (frequencies - lower) / (centre - lower),
        (upper - frequencies) / (upper - centre),
    )
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (upper - lower)


def _kaldi_bands(spec: FeatureSpec) -> np.ndarray:
    """Triangles in mel with peaks of 1, as Kaldi's ``get_mel_banks``: librosa's are in Hz."""
    frequencies = np.linspace(0, spec.sample_rate_hz / 2, 1 + spec.n_fft // 2)
    mel = 1127 * np.log1p(frequencies / 700)
    top = spec.fmax_hz or spec.sample_rate_hz / 2
    edges = np.linspace(0, 1127 * np.log1p(top / 700), spec.n_mels + 2)
    lower, centre, upper = (edges[place : place + spec.n_mels, None] for place in range(3))
    bands = np.minimum((mel - lower) / (centre - lower), (upper - mel) / (upper - centre))
    return np.maximum(0, bands)


def window_power(samples: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """Mel power of a window that stands for itself: mirrored where frames reach beyond it.

    Parameters
    ----------
    samples : np.ndarray
        ``(n,) float32`` at the spec's rate.
    spec : FeatureSpec
        Of kind ``window``.

    Returns
    -------
    np.ndarray
        ``(n_mels, 1 + (n - 1) // hop_length) float32``; frames are centred.
    """
    samples = samples[1:] - np.float32(spec.pre_emphasis) * samples[:-1]
    length = spec.window_length or spec.n_fft
    samples = np.pad(samples, length // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: spec.hop_length]
    power = np.empty((spec.n_mels, len(frames)), np.float32)
    # Some at a time, which stay in the CPU's cache: it takes half as long.
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        some = slice(first, first + _FRAMES_AT_ONCE)
        power[:, some] = _mel_of(frames[some], spec)
    return power


def log_mel(power: np.ndarray, spec: FeatureSpec, gain: float = 1.0) -> np.ndarray:
    """Mel power on a window's fixed logarithmic scale.

    Parameters
    ----------
    power : np.ndarray
        Of `window_power`.
    gain : float
        To apply to the samples.

    Returns
    -------
    np.ndarray
        As `power`.
    """
    logs = np.log(np.float32(gain**2) * power + np.float32(spec.log_offset))
    return (logs - np.float32(spec.log_centre)) / np.float32(spec.log_spread)


def scale(segments: Sequence[MelPower], spec: FeatureSpec) -> np.ndarray:
    """Mel power of a track's segments as log-mel in 0..1.

    Parameters
    ----------
    segments : sequence of MelPower
        Not all silent.

    Returns
    -------
    np.ndarray
        ``(n_segments, n_mels, segment_frames) float16``.

    Notes
    -----
    ``power_to_db(ref=max, top_db)`` then min-max, as the GTZAN array was made. The power
    is divided by its peak first, because `librosa.power_to_db` has an absolute floor
    (``amin``), which would make the features of quiet tracks depend on gain.
    """
    peak = segments[-1].peak
    least = 10 ** (-spec.top_db / 10)
    floor = max(least, segments[-1].trough / peak)
    if floor > 1 - 1e-6:
        floor = least
    power = np.stack([segment.kept for segment in segments]) / peak
    return (1 - np.log(np.maximum(power, floor)) / np.log(floor)).astype(np.float16)
