"""Features: what the network sees of a track.

The one definition, for tagging, training and evaluation alike: segments whose parameters
are the bundle's `FeatureSpec`. Log-mel segments of a track are scaled together to 0..1,
from the quietest to the loudest value, at most ``top_db`` apart, so gain does not matter;
descriptors are computed by ``descriptors.py``.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.bundle import FeatureSpec
from transforms.decode import AudioReader, DecodeError, open_audio, read_stretch
from transforms.descriptors import Described, describe
from transforms.records import AudioFacts, Refusal
from transforms.remote import localised

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Less than this much of a segment is not judged.
_LEAST_SHARE = 0.5
# Peak below which a track counts as silent: 90 dB under a full-scale tone (1e4), more than
# the dither of 16 bits has.
_SILENT_POWER = 1e-5
# So many segments without a sample one after the other, and the track has ended.
_MOST_EMPTY = 20
# No codec stores a second of sound in less; headers that promise more are wrong.
_LEAST_BYTES_PER_SECOND = 1


class TooShort(Refusal):
    """Less audio than can be judged."""


class Silence(Refusal):
    """Audio in which nothing sounds."""


@dataclass(frozen=True)
class Heard:
    """What was heard of a file.

    Parameters
    ----------
    log_mel : np.ndarray
        ``(n_segments, n_mels, segment_frames) float16`` in 0..1; for a spec of kind
        ``descriptors`` these instead, ``(n_segments, n_rows, 1) float32``.
    audio : AudioFacts
        As the decoder found them.
    seconds : float
        Time that it took, in s.
    """

    log_mel: np.ndarray
    audio: AudioFacts
    seconds: float


def hear(
    path: str,
    format: str,
    spec: FeatureSpec,
    n_segments: int | None = None,
    header_s: float | None = None,
    *,
    in_a_row: bool = False,
) -> Heard:
    """Decode a file's segments and compute their features.

    Parameters
    ----------
    path, format : str
    spec : FeatureSpec
    n_segments : int, optional
        Segments spread evenly over the track; by default every one is heard.
    header_s : float, optional
        Duration by the file's header, in s (see `open_audio`).
    in_a_row : bool
        Hear `n_segments` one after the other from the track's middle.

    Returns
    -------
    Heard

    Raises
    ------
    DecodeError, OSError
        If there is no audio that can be decoded.
    TooShort, Silence
        If there is nothing to judge.
    """
    started = time.perf_counter()
    with localised(path) as local, open_audio(local, format, header_s) as reader:
        longest = os.path.getsize(local) // _LEAST_BYTES_PER_SECOND * reader.sample_rate_hz
        reader.n_samples = min(reader.n_samples, longest)
        heard = hear_audio(path, reader, spec, n_segments, in_a_row=in_a_row)
    return dataclasses.replace(heard, seconds=time.perf_counter() - started)


def hear_audio(
    path: str,
    reader: AudioReader,
    spec: FeatureSpec,
    n_segments: int | None = None,
    *,
    in_a_row: bool = False,
) -> Heard:
    """Compute the features of audio that is open already.

    Parameters
    ----------
    path : str
        For errors.
    reader : AudioReader
    spec, n_segments, in_a_row
        See `hear`.

    Returns
    -------
    Heard

    Raises
    ------
    DecodeError, TooShort, Silence
        See `hear`.
    """
    started = time.perf_counter()
    n_frames = spec.count_frames(reader.n_samples * spec.sample_rate_hz // reader.sample_rate_hz)
    starts = spec.segment_starts(n_frames, n_segments, in_a_row=in_a_row)
    segments = _segments(reader, spec, starts)
    if not segments:
        # The header promised more than there is: take what comes from the start.
        first = [i * spec.segment_frames for i in range(n_segments or 1)]
        segments = _segments(reader, spec, first)
    audio = AudioFacts(
        duration_s=reader.n_samples / reader.sample_rate_hz,
        sample_rate_hz=reader.sample_rate_hz,
        channels=reader.channels,
    )
    if not segments:
        least = _LEAST_SHARE * spec.segment_seconds
        if audio.duration_s < least:
            reason = f"{audio.duration_s:.1f} s of audio, at least {least:.1f} s are needed"
            raise TooShort(path, f"{reason} to judge")
        raise DecodeError(path, f"nothing of its {audio.duration_s:.0f} s can be decoded")
    if max(segment.peak for segment in segments) <= _SILENT_POWER:
        raise Silence(path, "silent from start to end")
    if spec.kind == "descriptors":
        features = np.stack([segment.values for segment in segments])
    else:
        features = scale(segments, spec)
    return Heard(features, audio, time.perf_counter() - started)


def _segments(
    reader: AudioReader, spec: FeatureSpec, starts: Sequence[int]
) -> list[MelPower] | list[Described]:
    """Those of the segments that there is enough sound for."""
    segments = []
    n_empty = 0
    for first in starts:
        if n_empty == _MOST_EMPTY:
            break
        start, count = _stretch(spec, first)
        samples, n_real = read_stretch(reader, start, count, spec.sample_rate_hz)
        if n_real >= _LEAST_SHARE * count:
            if spec.kind == "descriptors":
                segments.append(describe(samples[:n_real], spec))
            else:
                before = segments[-1] if segments else None
                segments.append(mel_power(samples, spec, first, n_real + max(0, -start), before))
        n_empty = 0 if n_real else n_empty + 1
    return segments


def _stretch(spec: FeatureSpec, first: int) -> tuple[int, int]:
    """First sample and number of samples under a segment, at the spec's rate."""
    if spec.kind == "descriptors":
        count = round(spec.frame_step * spec.hop_length)
        return spec.stft_frame(first) * spec.hop_length - count // 2, count
    begin = spec.stft_frame(first) * spec.hop_length - spec.n_fft // 2
    last = spec.stft_frame(first + spec.segment_frames - 1)
    return begin, last * spec.hop_length + spec.n_fft // 2 - begin


@dataclass(frozen=True)
class MelPower:
    """Mel power of one segment.

    Parameters
    ----------
    kept : np.ndarray
        ``(n_mels, segment_frames) float32``, the frames that the network sees.
    peak, trough : float
        Largest and smallest power over all STFT frames, kept or not, of this segment and
        those before. The trough only has to be so exact: it is further than ``top_db`` below
        the peak, or it is the smallest.
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
    spec : FeatureSpec
    first : int
        The segment's first kept frame in its track; decides which STFT frames are kept.
    n_real : int
        Samples before the track's end. Frames centred after it are filled by
        repeating those before, so that a short track is heard in a loop.
    before : MelPower, optional
        The segment heard before of the same track.

    Returns
    -------
    MelPower

    Notes
    -----
    Equal to `librosa.feature.melspectrogram` (tests compare them) at a sixth of its cost: in
    single precision, without the filters' zeros, and only of frames that count. One that is not
    kept could be the loudest; few have the energy for it.
    """
    window, bank = _filters(spec)
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.n_fft)[:: spec.hop_length]
    frames = frames[: max(1, (n_real - spec.n_fft // 2) // spec.hop_length + 1)]
    origin = spec.stft_frame(first)
    columns = [spec.stft_frame(first + k) - origin for k in range(spec.segment_frames)]
    columns = [column for column in columns if column < len(frames)]
    kept = _mel_power_of(frames[columns], window, bank)
    peak, trough = float(kept.max()), float(kept.min())
    if before is not None:
        peak, trough = max(peak, before.peak), min(trough, before.trough)
    is_other = np.ones(len(frames), dtype=bool)
    is_other[columns] = False
    if trough <= 10 ** (-spec.top_db / 10) * peak:
        is_other &= _most_power(samples, spec, len(frames)) > peak
    if is_other.any():
        others = _mel_power_of(frames[is_other], window, bank)
        peak, trough = max(peak, float(others.max())), min(trough, float(others.min()))
    if len(columns) < spec.segment_frames:
        kept = kept[:, np.arange(spec.segment_frames) % len(columns)]
    return MelPower(kept, peak, trough)


def _mel_power_of(frames: np.ndarray, window: np.ndarray, bank: csr_array) -> np.ndarray:
    """Mel power of frames of samples: ``(n, n_fft)`` to ``(n_mels, n)``."""
    from scipy.fft import rfft

    spectrum = rfft(frames * window)
    return bank @ (spectrum.real**2 + spectrum.imag**2).T


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
    # Half of the energy, for the other half of the transform mirrors this one; the first and
    # the last value, which have no mirror, are in no band. A little more, for all is rounded.
    weights[: spec.n_fft] = window**2 * np.float32(1.001 * bank.max() * spec.n_fft / 2)
    return weights.reshape(-1, spec.hop_length)


@functools.lru_cache(maxsize=4)
def _filters(spec: FeatureSpec) -> tuple[np.ndarray, csr_array]:
    """The transform's window ``(n_fft,)`` and the mel bands ``(n_mels, 1 + n_fft / 2)``."""
    from librosa import filters
    from scipy.sparse import csr_array

    bands = filters.mel(
        sr=spec.sample_rate_hz, n_fft=spec.n_fft, n_mels=spec.n_mels, fmax=spec.fmax_hz
    )
    window = filters.get_window("hann", spec.n_fft).astype(np.float32)
    return window, csr_array(bands.astype(np.float32))


def scale(segments: Sequence[MelPower], spec: FeatureSpec) -> np.ndarray:
    """Mel power of a track's segments as log-mel in 0..1.

    Parameters
    ----------
    segments : sequence of MelPower
        Not all silent.
    spec : FeatureSpec

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
