"""Features: what the network sees of a track.

The one definition, for tagging, training and evaluation alike: segments whose parameters
are the bundle's `FeatureSpec`. Log-mel segments of a track are scaled together to 0..1,
from the quietest to the loudest value, at most ``top_db`` apart, so gain does not matter;
descriptors are computed by ``descriptors.py``.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.feature_spec import FeatureSpec
from transforms.audio.decode import AudioReader, DecodeError, open_audio, read_stretch
from transforms.audio.descriptors import describe
from transforms.audio.mel import mel_power, scale
from transforms.audio.patches import cut_patches, scale_patches, those_that_sound
from transforms.records import AudioFacts, Refusal
from transforms.storage import storage_of

# Peak below which a track counts as silent: 90 dB under a full-scale tone (1e4), more than
# the dither of 16 bits has.
_SILENT_POWER = 1e-5
# So many segments without a sample one after the other, and the track has ended.
_MOST_EMPTY = 20
# How many times as many segments are tried where all that were heard are silent.
_MORE_SEGMENTS = (4, 16)
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
        ``descriptors`` these instead, ``(n_segments, n_rows, 1) float32``, and for ``ears``
        their patches, ``(n_segments, n_rows, 1) float16``.
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
    only_sound: bool = False,
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
    only_sound : bool
        For ears: leave out segments that are silent beside the others; where all are, look
        for sound at more places. The others then no longer lie at `FeatureSpec.segment_starts`.

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
    with storage_of(path).localised(path) as local, open_audio(local, format, header_s) as reader:
        longest = os.path.getsize(local) // _LEAST_BYTES_PER_SECOND * reader.sample_rate_hz
        reader.n_samples = min(reader.n_samples, longest)
        heard = hear_audio(path, reader, spec, n_segments, in_a_row=in_a_row, only_sound=only_sound)
    return dataclasses.replace(heard, seconds=time.perf_counter() - started)


def hear_audio(
    path: str,
    reader: AudioReader,
    spec: FeatureSpec,
    n_segments: int | None = None,
    *,
    in_a_row: bool = False,
    only_sound: bool = False,
) -> Heard:
    """Compute the features of audio that is open already.

    Parameters
    ----------
    path : str
        For errors.
    reader : AudioReader
    spec, n_segments, in_a_row, only_sound
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
    duration_s = reader.n_samples / reader.sample_rate_hz
    audio = AudioFacts(
        duration_s=duration_s,
        sample_rate_hz=reader.sample_rate_hz,
        channels=reader.channels,
    )
    if not segments:
        least = spec.least_share * spec.segment_seconds
        if duration_s < least:
            reason = f"{duration_s:.1f} s of audio, at least {least:.1f} s are needed"
            raise TooShort(path, f"{reason} to judge")
        raise DecodeError(path, f"nothing of its {duration_s:.0f} s can be decoded")
    if only_sound and spec.kind == "ears" and n_segments:
        # A few segments may all miss what sounds before and after minutes of silence.
        for more in _MORE_SEGMENTS:
            if max(segment.peak for segment in segments) > _SILENT_POWER:
                break
            starts = spec.segment_starts(n_frames, more * n_segments)
            segments = _segments(reader, spec, starts) or segments
    if max(segment.peak for segment in segments) <= _SILENT_POWER:
        raise Silence(path, "silent from start to end")
    if spec.kind == "descriptors":
        features = np.stack([segment.values for segment in segments])
    elif spec.kind == "ears":
        if only_sound:
            segments = those_that_sound(segments)
        features = scale_patches(segments, spec)
    else:
        features = scale(segments, spec)
    return Heard(features, audio, time.perf_counter() - started)


def _segments(reader: AudioReader, spec: FeatureSpec, starts: Sequence[int]) -> list[Any]:
    """Those of the segments that there is enough sound for: of `MelPower` and the like."""
    segments: list[Any] = []
    n_empty = 0
    for first in starts:
        if n_empty == _MOST_EMPTY:
            break
        start, count = _stretch(spec, first)
        samples, n_real = read_stretch(reader, start, count, spec.sample_rate_hz)
        if n_real >= spec.least_share * count:
            if spec.kind == "descriptors":
                segments.append(describe(samples[:n_real], spec))
            elif spec.kind == "ears":
                segments.append(cut_patches(samples, spec, max(0, -start), n_real))
            else:
                before = segments[-1] if segments else None
                segments.append(mel_power(samples, spec, first, n_real + max(0, -start), before))
        n_empty = 0 if n_real else n_empty + 1
    return segments


def _stretch(spec: FeatureSpec, first: int) -> tuple[int, int]:
    """First sample and number of samples under a segment, at the spec's rate."""
    if spec.kind == "descriptors":
        count = spec.piece_samples
        return spec.stft_frame(first) * spec.hop_length - count // 2, count
    if spec.kind == "ears":
        lead = max(ear.lead_samples for ear in spec.ears)
        count = lead + max(ear.end for ear in spec.ears)
        return first * spec.piece_samples - lead, count
    begin = spec.stft_frame(first) * spec.hop_length - spec.n_fft // 2
    last = spec.stft_frame(first + spec.segment_frames - 1)
    return begin, last * spec.hop_length + spec.n_fft // 2 - begin
