"""ExtractInPool: decode tracks and compute their features in a pool of processes.

Next to ``decode.py`` and ``features.py``, which know nothing of Beam or of processes: this
step keeps several tracks in flight, so that the next ones are decoded while the current
batch is classified.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.decode import DecodeError, open_audio
from genrebeam.transforms.audio.features import Extracted, TooShort, extract
from genrebeam.transforms.audio.pool_worker import LimitExceeded
from genrebeam.transforms.records import Features, Outcome, Stage, Track, TrackError, dropped
from genrebeam.transforms.storage import storage_of

# A decoder that takes longer than this hangs: hours of audio are decoded in less.
TIMEOUT_S = 120.0
# Tracks in flight per process: enough that none is idle while the network is loaded, some
# seconds; few where all of each is analysed and kept in memory.
_IN_FLIGHT = 32
_IN_FLIGHT_WHOLE = 8
# A file whose header is right has sound at this share of its length.
_NEAR_THE_END = 0.98


class DecoderTimeout(TrackError):
    """A file whose decoding took too long and was stopped."""


class DecoderCrash(TrackError):
    """A file that took its decoder's process down."""


class DecoderTooLarge(TrackError):
    """A file whose decoding takes too much memory."""


def extract_contiguous(
    path: str,
    format: str,
    spec: FeatureSpec,
    n_segments: int,
    header_s: float | None = None,
) -> Extracted:
    """Decode a file's middle and compute its features without a gap.

    Parameters
    ----------
    n_segments : int
        Most segments whose frames are analysed. A shorter track is analysed to its last frame,
        not only to the end of its last whole segment.
    header_s : float, optional
        Duration by the file's header, in s (see `open_audio`).

    Returns
    -------
    Extracted
        One segment with all frames. For descriptors, and for files that are damaged or hold less
        than their header promises, the segments that there are, one by one.

    Raises
    ------
    DecodeError, TooShort, Silence, OSError
        See `extract`.
    """
    if spec.kind == "descriptors":
        return extract(path, format, spec, n_segments, header_s, contiguous=True)
    with storage_of(path).localised(path) as local:
        with open_audio(local, format, header_s) as reader:
            n_samples = reader.n_samples * spec.sample_rate_hz // reader.sample_rate_hz
            is_whole = len(reader.read(int(_NEAR_THE_END * reader.n_samples), 1)) > 0
        if is_whole:  # else what is missing would be filled by repetition
            n_frames = max(spec.count_frames(n_samples), spec.segment_frames)
            n_frames = min(n_frames, n_segments * spec.segment_frames)
            whole = dataclasses.replace(spec, segment_frames=n_frames)
            with contextlib.suppress(DecodeError, TooShort):
                return extract(local, format, whole, 1, header_s, contiguous=True)
        return extract(local, format, spec, n_segments, header_s, contiguous=True)


def extract_non_silent(
    path: str,
    format: str,
    spec: FeatureSpec,
    n_segments: int | None,
    header_s: float | None = None,
) -> Extracted:
    """What is analysed of a track to judge it: see `extract`, with `skip_silent`."""
    return extract(path, format, spec, n_segments, header_s, skip_silent=True)


def result_of(future: Future, path: str, timeout_s: float) -> Any:
    """What a process of the pool made of a file.

    Parameters
    ----------
    timeout_s : float
        That the process was given.

    Raises
    ------
    DecoderTimeout, DecoderCrash, DecoderTooLarge
        If the process was stopped or died.
    PoolStopped
        If all processes were ended.
    Exception
        What its function raised.
    """
    try:
        return future.result()
    except CancelledError as error:
        raise pool.PoolStopped from error
    except pool.TaskTimeout as error:
        raise DecoderTimeout(path, f"not decoded within {timeout_s:.0f} s") from error
    except pool.ProcessDied as error:
        reason = f"the decoder crashed (exit code {error.exit_code})"
        raise DecoderCrash(path, reason) from error
    except LimitExceeded as error:
        raise DecoderTooLarge(path, f"its decoder {error}") from error


def submit(
    track: Track,
    spec: FeatureSpec,
    n_segments: int | None,
    *,
    processes: int,
    extract: Callable[..., Extracted] = extract_non_silent,
    timeout_s: float = TIMEOUT_S,
) -> Future:
    """Begin to decode a track and to compute its features; `features_of` waits for them.

    Parameters
    ----------
    track : Track
        With what its header says.
    processes : int
        Of the pool, if it is started for this.
    extract : callable
        `extract_non_silent`, or `extract_contiguous`.
    """
    arguments = (track.uri, track.format, spec, n_segments, track.audio.duration_s)
    return pool.submit(extract, arguments, processes=processes, timeout_s=timeout_s)


def most_in_flight(n_segments: int | None, processes: int) -> int:
    """Tracks that are decoded, or wait for the network, at a time."""
    return processes * (_IN_FLIGHT if n_segments else _IN_FLIGHT_WHOLE)


def features_of(track: Track, future: Future, timeout_s: float) -> Features | Outcome:
    """What came of a track that was submitted to the pool.

    Parameters
    ----------
    future : Future
        Of `pool.submit`.
    timeout_s : float
        That the process was given.

    Returns
    -------
    Features or Outcome
        An outcome where the track could not be analysed.
    """
    try:
        analysed: Extracted = result_of(future, track.uri, timeout_s)
    except Exception as error:  # whatever a file does to its decoder is a row
        return dropped(track, Stage.DECODE, error)
    known = {k: v for k, v in dataclasses.asdict(track.audio).items() if v is not None}
    decoded = {k: v for k, v in dataclasses.asdict(analysed.audio).items() if v is not None}
    audio = dataclasses.replace(track.audio, **{**known, **decoded})
    return Features(dataclasses.replace(track, audio=audio), analysed.values, analysed.seconds)
