"""Descriptors: a few dozen numbers that describe a piece of sound, instead of a picture.

Mean and variance of what `librosa` measures frame by frame, and a tempo: the columns of GTZAN's
``features_3_sec.csv``, by name in `model.feature_spec.DESCRIPTORS`. Each piece is brought to full
scale first, so that neither gain nor a fade matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec


@dataclass(frozen=True)
class Described:
    """Descriptors of one piece.

    Parameters
    ----------
    values : np.ndarray
        ``(n_rows, 1) float32``, in the order of `model.feature_spec.DESCRIPTORS`: levels as parts
        of full scale, frequencies in Hz, the tempo in beats per minute.
    peak : float
        Largest mel power before the piece was brought to full scale.
    """

    values: np.ndarray
    peak: float


def describe(samples: np.ndarray, spec: FeatureSpec) -> Described:
    """Descriptors of one piece of sound.

    Parameters
    ----------
    samples : np.ndarray
        ``(n,) float32`` at the spec's rate, some windows long.

    Notes
    -----
    Chroma are taken at concert pitch: their mean and variance over all pitch classes hardly
    depend on the tuning, and it cannot be estimated in silence.
    """
    import librosa

    loudest = float(np.abs(samples).max()) or 1.0
    samples = samples / loudest
    rate, hop = spec.sample_rate_hz, spec.hop_length
    magnitude = np.abs(librosa.stft(samples, n_fft=spec.n_fft, hop_length=hop))
    mel = librosa.feature.melspectrogram(
        S=magnitude**2, sr=rate, n_mels=spec.n_mels, fmax=spec.fmax_hz
    )
    level = librosa.power_to_db(mel, top_db=spec.top_db)
    onsets = librosa.onset.onset_strength(S=level, sr=rate, hop_length=hop)
    courses = [
        librosa.feature.chroma_stft(S=magnitude**2, sr=rate, tuning=0.0),
        librosa.feature.rms(y=samples, frame_length=spec.n_fft, hop_length=hop),
        librosa.feature.spectral_centroid(S=magnitude, sr=rate),
        librosa.feature.spectral_bandwidth(S=magnitude, sr=rate),
        librosa.feature.spectral_rolloff(S=magnitude, sr=rate),
        librosa.feature.zero_crossing_rate(samples, frame_length=spec.n_fft, hop_length=hop),
        *librosa.effects.hpss(samples, n_fft=spec.n_fft, hop_length=hop),
    ]
    tempo = librosa.feature.tempo(onset_envelope=onsets, sr=rate, hop_length=hop)
    courses_of_timbre = librosa.feature.mfcc(S=level, n_mfcc=20)
    values = [moment for course in courses for moment in (course.mean(), course.var())]
    values.append(tempo[0])
    values += [moment for course in courses_of_timbre for moment in (course.mean(), course.var())]
    peak = float(mel.max()) * loudest**2
    return Described(np.array(values, dtype=np.float32)[:, None], peak)
