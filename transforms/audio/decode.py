"""Decode: stretches of a file become mono samples.

soundfile (libsndfile) reads most formats and seeks exactly; PyAV, whose wheel carries
FFmpeg, reads the rest and what libsndfile refuses.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from genrebeam.transforms.records import TrackError
from genrebeam.transforms.storage.local import open_regular

_SOUNDFILE_FORMATS = frozenset(
    ["mp3", "flac", "ogg", "oga", "opus", "wav", "aif", "aiff", "au", "w64", "rf64", "caf"]
)
# More samples than any file has: libsndfile's way to say that a FLAC does not know its length.
_UNKNOWN_LENGTH = 1 << 60
# Samples on each side of a stretch that the resampler's filter needs to settle.
_RESAMPLER_MARGIN = 256
# Float files may be scaled like 32-bit integers; anything louder is damage.
_LOUDEST = 2.0**32
# Samples of all channels together that are decoded at a time: six minutes of stereo, and of a file
# of 255 channels 3 s at 44.1 kHz. A piece of that size is mixed down by itself.
_VALUES_AT_ONCE = 1 << 25
# What is decoded before it is known how long it is, in samples: 7 hours at 44.1 kHz.
_LONGEST = 1 << 30
# Channels cancel each other out where less than this share of their power is left in their mean; of
# n channels that have nothing in common 1/n is left.
_CANCELLED = 1e-3


class DecodeError(TrackError):
    """Audio that cannot be decoded."""


class AudioReader(Protocol):
    """An open audio file.

    Attributes
    ----------
    n_samples : int
        Per channel; what the header promises, the file may hold less.
    exact : bool
        Whether `n_samples` is counted. A guess from the size of the file changes with its tags, so
        that the same audio would be analysed at other places.
    """

    sample_rate_hz: int
    channels: int
    n_samples: int
    exact: bool

    def read(self, start: int, count: int) -> np.ndarray:
        """Mono samples from `start`: ``(at most count,) float32``."""
        ...


@contextlib.contextmanager
def open_audio(
    path: str, format: str, header_s: float | None = None, *, other: bool = False
) -> Iterator[AudioReader]:
    """Open a file with the decoder that suits it.

    Parameters
    ----------
    format : str
        Its extension; decides which decoder is tried first.
    header_s : float, optional
        Duration by the file's header, in s, for formats whose decoder only guesses it.
    other : bool
        Whether to try the other decoder first, because this one could read nothing.

    Raises
    ------
    DecodeError
        If neither decoder can read it, or there is no audio in it.
    OSError
        If the file itself cannot be read.
    """
    with open_regular(path):  # a missing file or permission gets its own, clearer error
        pass
    openers = [_open_soundfile, _open_av]
    if (format in _SOUNDFILE_FORMATS) == other:
        openers.reverse()
    with contextlib.ExitStack() as stack:
        reasons = []
        for opener in openers:
            try:
                reader = stack.enter_context(opener(path))
                break
            except DecodeError as error:
                reasons.append(error.reason)
        else:
            raise DecodeError(path, "; ".join(reasons))
        if header_s and not reader.exact:
            reader.n_samples = round(header_s * reader.sample_rate_hz)
        if reader.n_samples <= 0:
            raise DecodeError(path, "no audio in it")
        yield reader


def read_stretch(
    reader: AudioReader, start: int, count: int, sample_rate_hz: int
) -> tuple[np.ndarray, int]:
    """Samples of a stretch at another sample rate.

    Parameters
    ----------
    start, count : int
        In samples at `sample_rate_hz`; the stretch may reach beyond the track.

    Returns
    -------
    samples : np.ndarray
        ``(count,) float32``; zero outside the track.
    n_real : int
        How many of them lie inside what could be decoded.
    """
    import soxr

    rate = reader.sample_rate_hz
    if rate == sample_rate_hz:
        first = max(0, start)
        decoded = reader.read(first, max(0, start + count - first))
    else:
        # Whole multiples of both rates' common step keep the two grids aligned.
        step = math.gcd(rate, sample_rate_hz)
        source_step, target_step = rate // step, sample_rate_hz // step
        margin = math.ceil(_RESAMPLER_MARGIN / target_step)
        block = max(0, start // target_step - margin)
        first = block * target_step
        end = math.ceil((start + count) * rate / sample_rate_hz) + _RESAMPLER_MARGIN
        source = reader.read(block * source_step, max(0, end - block * source_step))
        decoded = soxr.resample(source, rate, sample_rate_hz) if len(source) else source
    samples = np.zeros(count, dtype=np.float32)
    begin = max(start, first)
    piece = decoded[begin - first : start + count - first]
    samples[begin - start : begin - start + len(piece)] = piece
    return samples, len(piece)


def _mono(samples: np.ndarray) -> np.ndarray:
    """``(n, channels)`` to ``(n,)``; a matrix product, since `mean` takes as long as decoding."""
    channels = samples.shape[1]
    if channels == 1:
        return samples[:, 0]
    mono = samples @ np.full(channels, 1 / channels, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # of damaged files; `_finite` is next
        everything = samples.ravel("K")
        mean_power = float(everything @ everything) / channels
        if float(mono @ mono) >= _CANCELLED * mean_power or not math.isfinite(mean_power):
            return mono
    # One channel is another's negative, so the mean would cancel both. The first channel that is
    # about as loud as the loudest: equally loud ones must not take turns from read to read.
    powers = (samples**2).sum(axis=0)
    return np.ascontiguousarray(samples[:, int((powers >= powers.max() / 2).argmax())])


class _SoundFileReader:
    def __init__(self, file: Any) -> None:
        self._file = file
        self.sample_rate_hz = file.samplerate
        self.channels = file.channels
        self.n_samples = file.frames
        self.exact = file.format != "MP3"

    def read(self, start: int, count: int) -> np.ndarray:
        import soundfile

        count = min(count, self.n_samples - start)
        if count <= 0:
            return np.zeros(0, dtype=np.float32)
        try:
            if self._file.tell() != start:
                self._file.seek(start)
            return self._read(count)
        except (soundfile.SoundFileError, ValueError):
            # Damaged from here on, or the end that the header promised is not there: what
            # was decoded before still counts. (soundfile asks for a negative number of samples
            # where libsndfile's guess of the length proves too short.)
            return np.zeros(0, dtype=np.float32)

    def _read(self, count: int) -> np.ndarray:
        """Mono samples from where the file is, mixed down piece by piece."""
        at_once = max(1, _VALUES_AT_ONCE // self.channels)
        if count <= at_once:
            return _finite(_mono(self._file.read(count, dtype="float32", always_2d=True)))
        mono = np.empty(count, dtype=np.float32)
        done = 0
        while done < count:
            samples = self._file.read(min(at_once, count - done), dtype="float32", always_2d=True)
            if not len(samples):
                break
            mono[done : done + len(samples)] = _finite(_mono(samples))
            done += len(samples)
        return mono[:done]


def _finite(samples: np.ndarray) -> np.ndarray:
    """Damaged float files hold anything; one absurd sample would spoil every segment."""
    sane = np.abs(samples) < _LOUDEST  # false for NaN
    return samples if sane.all() else np.where(sane, samples, np.float32(0))


@contextlib.contextmanager
def _open_soundfile(path: str) -> Iterator[AudioReader]:
    import soundfile

    with open_regular(path, buffering=0) as stream:
        try:
            file = soundfile.SoundFile(stream.fileno(), closefd=False)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            reason = getattr(error, "error_string", None) or str(error)
            raise DecodeError(path, f"libsndfile: {reason.rstrip('.')}") from error
        with file:
            if file.frames >= _UNKNOWN_LENGTH or (file.format == "WAV" and not file.frames):
                raise DecodeError(path, "libsndfile: its header does not say how long it is")
            yield _SoundFileReader(file)


class _AvReader:
    """Reads forward; going back or far ahead seeks to the packet before the place."""

    def __init__(self, path: str, container: Any, stream: Any) -> None:
        self._container = container
        self._stream = stream
        if stream.codec_context is None:
            raise DecodeError(path, "FFmpeg: no decoder for its codec")
        self.sample_rate_hz = stream.codec_context.sample_rate
        self.channels = stream.codec_context.channels
        seconds = None
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1e6
        elif container.format.name == "flac":  # as encoded into a pipe
            seconds = _demuxed_seconds(container, stream)
        # Raw streams have no index: their length is a guess and seeking misses.
        self._whole = None
        self.exact = True
        if seconds is None or container.format.name in ("aac", "mp3", "ac3"):
            self._whole = self._decode_all()
            self.n_samples = len(self._whole)
        else:
            self.n_samples = int(seconds * self.sample_rate_hz)
        self._tolerance = self.sample_rate_hz // 50
        self._frames: Iterator | None = None
        self._pending = np.zeros(0, dtype=np.float32)
        self._pending_start = 0

    def read(self, start: int, count: int) -> np.ndarray:
        if self._whole is not None:
            return self._whole[start : start + count]
        count = min(count, self.n_samples - start)
        if count <= 0:
            return np.zeros(0, dtype=np.float32)
        ahead = start - self._pending_start
        if self._frames is None or ahead < 0 or ahead > 5 * self.sample_rate_hz:
            self._seek(start)
        pieces, missing, place = [], count, start
        while missing > 0:
            offset = place - self._pending_start
            if offset < len(self._pending):
                # A gap in the stream (offset < 0) is skipped: the next sound counts.
                piece = self._pending[max(0, offset) : max(0, offset) + missing]
                pieces.append(piece)
                missing -= len(piece)
                place = max(place, self._pending_start) + len(piece)
                continue
            if not self._next_frame():
                break
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)

    def _seek(self, start: int) -> None:
        import av

        base = self._stream.time_base
        origin = self._stream.start_time or 0
        target = max(0, start / self.sample_rate_hz - 0.2)
        try:
            self._container.seek(int(target / base) + origin, stream=self._stream)
        except (av.FFmpegError, OSError):
            self._container.seek(0)
        self._frames = self._decoded()
        self._pending = np.zeros(0, dtype=np.float32)
        self._pending_start = 0

    def _next_frame(self) -> bool:
        assert self._frames is not None
        end = self._pending_start + len(self._pending)
        for start, samples in self._frames:
            # Some containers count in milliseconds: frames that nearly meet count as adjacent.
            meets = start is None or (end > 0 and abs(start - end) < self._tolerance)
            self._pending_start = end if meets else start
            self._pending = samples
            return True
        return False

    def _decoded(self) -> Iterator[tuple[int | None, np.ndarray]]:
        """Mono frames with their place in samples; stops where the stream is damaged."""
        import av

        origin = self._stream.start_time or 0
        broken = 0
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                broken += 1
                if broken > 100:
                    return
                continue
            for frame in frames:
                samples = _interleaved_float(frame)
                place = None
                if frame.pts is not None:
                    seconds = float((frame.pts - origin) * frame.time_base)
                    place = round(seconds * self.sample_rate_hz)
                yield place, _finite(_mono(samples))

    def _decode_all(self) -> np.ndarray:
        pieces, n_samples = [], 0
        for _, samples in self._decoded():
            pieces.append(samples)
            n_samples += len(samples)
            if n_samples >= _LONGEST:
                break
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def _demuxed_seconds(container: Any, stream: Any) -> float | None:
    """How long a stream is by its packets, without decoding them."""
    import av

    try:
        ticks = sum(packet.duration or 0 for packet in container.demux(stream))
        container.seek(0)
    except av.FFmpegError:
        return None
    return float(ticks * stream.time_base) if ticks else None


def _interleaved_float(frame: Any) -> np.ndarray:
    """An FFmpeg frame as ``(n, channels) float32`` in -1..1."""
    samples = frame.to_ndarray()
    channels = len(frame.layout.channels)
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, channels)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    return samples.astype(np.float32, copy=False)


@contextlib.contextmanager
def _open_av(path: str) -> Iterator[AudioReader]:
    import av

    with open_regular(path) as file:
        try:
            container = av.open(file, metadata_errors="ignore")
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DecodeError(path, f"FFmpeg: {reason}") from error
        with container:
            if not container.streams.audio:
                raise DecodeError(path, "FFmpeg: no audio in it")
            try:
                yield _AvReader(path, container, container.streams.audio[0])
            except av.FFmpegError as error:
                raise DecodeError(path, f"FFmpeg: {error.strerror}") from error
