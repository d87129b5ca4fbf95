"""A track's sound: what the network is fed, and what people draw of it.

A process of the pool decodes the track once and measures it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec

if TYPE_CHECKING:
    from genrebeam.transforms.audio.decode import AudioReader

# Most columns of what is drawn over time: more than a screen or a sheet of paper shows.
MOST_COLUMNS = 2000
_N_MFCC = 20
# Frames this much below the loudest one have no timbre to speak of.
_QUIET_DB = -60.0
# A track is decoded in pieces, so that what is damaged costs no more than one of them.
_PIECE_S = 10
# What is drawn where a pretrained network decides.
DRAWN = FeatureSpec()
# So much of a track without a sample, and it has ended, whatever its header promises.
_MOST_EMPTY_S = 120


@dataclass(frozen=True)
class Sound:
    """A track's sound: what the network is fed, and what people draw of it.

    Columns are spread evenly from the track's start to its end, at most `MOST_COLUMNS`.

    Parameters
    ----------
    segments : np.ndarray
        ``(n_segments, *features.shape)``, what the network is fed.
    duration_s : float
        Of what could be decoded.
    sample_rate_hz, channels : int
        As decoded.
    wave : np.ndarray
        ``(2, n_columns) float32``: lowest and highest sample, in parts of full scale.
    mel_db : np.ndarray
        ``(n_mels, n_columns) float32``: mel spectrogram, in dB below its loudest value.
    band_hz : np.ndarray
        ``(n_mels,) float``: centre of each mel band, in Hz.
    mfcc : np.ndarray
        ``(20, n_columns) float32``: mel-frequency cepstral coefficients.
    chroma : np.ndarray
        ``(12, n_columns) float32`` in 0..1: strength of the pitch classes C to B.
    centroid_hz, rolloff_hz, zero_crossings_hz : np.ndarray
        ``(n_columns,) float``: the spectrum's centre, the frequency below which 85 % of it
        lies, and the changes of sign, all per second; NaN where it is all but silent.
    seconds : dict of str to float
        Time that the steps took, in s.
    """

    segments: np.ndarray
    duration_s: float
    sample_rate_hz: int
    channels: int
    wave: np.ndarray
    mel_db: np.ndarray
    band_hz: np.ndarray
    mfcc: np.ndarray
    chroma: np.ndarray
    centroid_hz: np.ndarray
    rolloff_hz: np.ndarray
    zero_crossings_hz: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)


def drawn_for(spec: FeatureSpec) -> FeatureSpec:
    """How sound is drawn that a network is fed by `spec`: the same way where that is a picture."""
    return DRAWN if spec.backbone else spec


def analyse_sound(
    path: str, format: str, spec: FeatureSpec, header_s: float | None = None
) -> Sound:
    """Decode a file, compute the network's features, and measure it.

    It is decoded once; for a backbone twice, as it is drawn and at its rate. All of it
    at the file's own rate would be too much for memory where it is hours long.

    Parameters
    ----------
    header_s : float, optional
        Duration by the file's header, in s.

    Raises
    ------
    DecodeError, OSError
        If there is no audio that can be decoded.
    TooShort, Silence
        If there is nothing to judge.
    """
    from genrebeam.transforms.audio.decode import open_audio
    from genrebeam.transforms.audio.features import extract_audio

    started = time.perf_counter()
    drawn = drawn_for(spec)
    rate = drawn.sample_rate_hz
    with open_audio(path, format, header_s) as reader:
        samples = _decode(path, reader, rate)
        duration_s = len(samples) / rate
        decoded = time.perf_counter()
        again = _Filled(reader, duration_s) if spec.backbone else _Decoded(samples, rate)
        analysed = extract_audio(path, again, spec)
    featured = time.perf_counter()
    measured = _measure(samples, drawn)
    seconds = {
        "decode": decoded - started,
        "features": featured - decoded,
        "descriptors": time.perf_counter() - featured,
    }
    return Sound(
        segments=analysed.values,
        duration_s=duration_s,
        sample_rate_hz=reader.sample_rate_hz,
        channels=reader.channels,
        seconds=seconds,
        **measured,
    )


class _Decoded:
    """A track in memory, as an open file: what is decoded once can be analysed again."""

    channels, exact = 1, True

    def __init__(self, samples: np.ndarray, sample_rate_hz: int) -> None:
        self.samples = samples
        self.sample_rate_hz = sample_rate_hz
        self.n_samples = len(samples)

    def read(self, start: int, count: int) -> np.ndarray:
        return self.samples[start : start + count]


class _Filled:
    """An open file, silent where it cannot be decoded, so that what follows does not move."""

    exact = True

    def __init__(self, reader: AudioReader, duration_s: float) -> None:
        self.reader = reader
        self.sample_rate_hz, self.channels = reader.sample_rate_hz, reader.channels
        self.n_samples = round(duration_s * reader.sample_rate_hz)

    def read(self, start: int, count: int) -> np.ndarray:
        count = max(0, min(count, self.n_samples - start))
        found = self.reader.read(start, count)
        return np.pad(found, (0, count - len(found)))


def _decode(path: str, reader: AudioReader, rate: int) -> np.ndarray:
    """All of a track at `rate`, silent where it cannot be decoded: ``(n,) float32``."""
    from genrebeam.transforms.audio.decode import DecodeError, read_stretch

    piece, n_promised = _PIECE_S * rate, round(reader.n_samples * rate / reader.sample_rate_hz)
    pieces, n_empty, end = [], 0, 0
    for start in range(0, n_promised, piece):
        samples, n_real = read_stretch(reader, start, min(piece, n_promised - start), rate)
        pieces.append(samples)
        n_empty = 0 if n_real else n_empty + 1
        end = start + n_real if n_real else end
        if n_empty * _PIECE_S >= _MOST_EMPTY_S:
            break
    if not end:
        raise DecodeError(path, f"nothing of its {n_promised / rate:.0f} s can be decoded")
    return np.concatenate(pieces)[:end]


def _measure(samples: np.ndarray, spec: FeatureSpec) -> dict[str, np.ndarray]:
    """The fields of `Sound` that people look at."""
    import librosa

    rate = spec.sample_rate_hz
    hop = max(spec.hop_length, -(-len(samples) // MOST_COLUMNS))
    magnitude = np.abs(librosa.stft(samples, n_fft=spec.n_fft, hop_length=hop))
    mel = librosa.feature.melspectrogram(
        S=magnitude**2, sr=rate, n_mels=spec.n_mels, fmax=spec.fmax_hz
    )
    mel_db = librosa.power_to_db(mel / mel.max(), ref=1.0, amin=1e-20, top_db=spec.top_db)
    quiet = mel_db.max(axis=0) < _QUIET_DB
    # Even, so that there are as many frames as of the transform.
    length = max(hop + hop % 2, spec.n_fft)
    crossings = librosa.feature.zero_crossing_rate(samples, frame_length=length, hop_length=hop)

    def audible(course: np.ndarray) -> np.ndarray:
        return np.where(quiet, np.nan, course[0])

    starts = np.arange(0, len(samples), hop)
    return {
        "wave": np.stack(
            [np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)]
        ),
        "mel_db": mel_db,
        "band_hz": librosa.mel_frequencies(spec.n_mels + 2, fmax=spec.fmax_hz or rate / 2)[1:-1],
        "mfcc": librosa.feature.mfcc(S=mel_db, n_mfcc=_N_MFCC),
        "chroma": librosa.feature.chroma_stft(S=magnitude**2, sr=rate),
        "centroid_hz": audible(librosa.feature.spectral_centroid(S=magnitude, sr=rate)),
        "rolloff_hz": audible(librosa.feature.spectral_rolloff(S=magnitude, sr=rate)),
        "zero_crossings_hz": audible(crossings * rate),
    }
