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

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio import windows
from genrebeam.transforms.audio.decode import AudioReader, DecodeError, open_audio, read_stretch
from genrebeam.transforms.audio.descriptors import describe
from genrebeam.transforms.audio.mel import mel_power, scale
from genrebeam.transforms.records import AudioFacts, Refusal, TrackError
from genrebeam.transforms.storage import storage_of

# Peak below which a track counts as silent: 90 dB under a full-scale tone (1e4), more than
# the dither of 16 bits has.
_SILENT_POWER = 1e-5
# After this many segments in a row without a sample the track has ended.
_MOST_EMPTY = 20
# Where all segments are silent, this many times as many are tried.
_MORE_SEGMENTS = (4, 16)
# No codec stores a second of sound in less; headers that promise more are wrong.
_LEAST_BYTES_PER_SECOND = 1


class TooShort(Refusal):
    """Less audio than can be judged."""


class Silence(Refusal):
    """Audio in which nothing sounds."""


@dataclass(frozen=True)
class Extracted:
    """What was analysed of a file.

    Parameters
    ----------
    values : np.ndarray
        ``(n_segments, n_mels, segment_frames) float16`` in 0..1; for a spec of kind
        ``descriptors`` these instead, ``(n_segments, n_rows, 1) float32``, and for ``window``
        log-mel on its fixed scale.
    audio : AudioFacts
        As the decoder found them.
    seconds : float
        Time that it took, in s.
    """

    values: np.ndarray
    audio: AudioFacts
    seconds: float


def extract(
    path: str,
    format: str,
    spec: FeatureSpec,
    n_segments: int | None = None,
    header_s: float | None = None,
    *,
    contiguous: bool = False,
    skip_silent: bool = False,
) -> Extracted:
    """Decode a file's segments and compute their features.

    Parameters
    ----------
    n_segments : int, optional
        Segments spread evenly over the track; by default every one is analysed.
    header_s : float, optional
        Duration by the file's header, in s (see `open_audio`).
    contiguous : bool
        Analyse `n_segments` one after the other from the track's middle.
    skip_silent : bool
        For windows: leave out those that are silent beside the others; where all are, look for
        sound at more places. The segments then need not lie at `FeatureSpec.segment_starts`.

    Raises
    ------
    DecodeError, OSError
        If there is no audio that can be decoded.
    TooShort, Silence
        If there is nothing to judge.
    """
    started = time.perf_counter()

    def analysed_by(local: str, *, other: bool) -> Extracted:
        with open_audio(local, format, header_s, other=other) as reader:
            longest = os.path.getsize(local) // _LEAST_BYTES_PER_SECOND * reader.sample_rate_hz
            reader.n_samples = min(reader.n_samples, longest)
            return extract_audio(
                path, reader, spec, n_segments, contiguous=contiguous, skip_silent=skip_silent
            )

    with storage_of(path).localised(path) as local:
        try:
            analysed = analysed_by(local, other=False)
        except DecodeError:  # one decoder may read what is damaged to the other
            analysed = analysed_by(local, other=True)
    return dataclasses.replace(analysed, seconds=time.perf_counter() - started)


def extract_audio(
    path: str,
    reader: AudioReader,
    spec: FeatureSpec,
    n_segments: int | None = None,
    *,
    contiguous: bool = False,
    skip_silent: bool = False,
) -> Extracted:
    """Compute the features of audio that is open already.

    Parameters
    ----------
    path : str
        For errors.
    spec, n_segments, contiguous, skip_silent
        See `extract`.

    Raises
    ------
    DecodeError, TooShort, Silence
        See `extract`.
    """
    started = time.perf_counter()
    n_frames = spec.count_frames(reader.n_samples * spec.sample_rate_hz // reader.sample_rate_hz)
    starts = spec.segment_starts(n_frames, n_segments, contiguous=contiguous)
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
        raise _not_analysed(path, reader.n_samples / reader.sample_rate_hz, spec)
    skip_silent &= spec.kind == "window"
    if skip_silent and n_segments:
        # A few segments may all miss the sound before and after minutes of silence.
        for more in _MORE_SEGMENTS:
            if not _is_silent(segments):
                break
            starts = spec.segment_starts(n_frames, more * n_segments)
            segments = _segments(reader, spec, starts) or segments
    if _is_silent(segments):
        raise Silence(path, "silent from start to end")
    if skip_silent:
        segments = windows.non_silent(segments)
    return Extracted(_scaled(segments, spec), audio, time.perf_counter() - started)


def _not_analysed(path: str, seconds: float, spec: FeatureSpec) -> TrackError:
    """Why a track has no segment."""
    least = spec.least_share * spec.segment_seconds
    if seconds < least:
        return TooShort(
            path, f"{seconds:.1f} s of audio, at least {least:.1f} s are needed to judge"
        )
    return DecodeError(path, f"nothing of its {seconds:.0f} s can be decoded")


def _is_silent(segments: Sequence[Any]) -> bool:
    return max(segment.peak for segment in segments) <= _SILENT_POWER


def _segments(reader: AudioReader, spec: FeatureSpec, starts: Sequence[int]) -> list[Any]:
    """What is measured of the segments for which there is enough sound."""
    segments: list[Any] = []
    n_empty = 0
    for first in starts:
        if n_empty == _MOST_EMPTY:
            break
        start, count = _stretch(spec, first)
        samples, n_real = read_stretch(reader, start, count, spec.sample_rate_hz)
        if n_real >= spec.least_share * count:
            if spec.kind == "window":
                segments.append(windows.measure_window(samples, spec, n_real))
            elif spec.kind == "descriptors":
                segments.append(describe(samples[:n_real], spec))
            else:
                before = segments[-1] if segments else None
                n_real += max(0, -start)  # before the track has begun
                segments.append(mel_power(samples, spec, first, n_real, before))
        n_empty = 0 if n_real else n_empty + 1
    return segments


def _stretch(spec: FeatureSpec, first: int) -> tuple[int, int]:
    """Place and number of the samples under a segment, by its first kept frame."""
    if spec.kind == "window":
        return first * spec.hop_length, spec.segment_frames * spec.hop_length
    middle = spec.stft_frame(first) * spec.hop_length
    if spec.kind == "descriptors":
        return middle - spec.piece_samples // 2, spec.piece_samples
    begin = middle - spec.n_fft // 2
    last = spec.stft_frame(first + spec.segment_frames - 1)
    return begin, last * spec.hop_length + spec.n_fft // 2 - begin


def _scaled(segments: Sequence[Any], spec: FeatureSpec) -> np.ndarray:
    if spec.kind == "window":
        return windows.scale_windows(segments, spec)
    if spec.kind == "descriptors":
        return np.stack([segment.values for segment in segments])
    return scale(segments, spec)
