"""Recording: whether two files hold the same one, by their waveforms.

What two encoders make of one recording differs in little but its place in time; two recordings
of one piece, a remix or another track of the album never move as one. So that a leading pause
does not matter, what is compared is searched for, and has to be at the same distance at both
places: two remixes share a loop here and there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrebeam.transforms.audio.decode import open_audio, read_stretch
from genrebeam.transforms.records import TrackError
from genrebeam.transforms.storage import storage_of

# Below it lies most of music's power, and what no encoder leaves out.
SAMPLE_RATE_HZ = 4000
# Shares of the track at which the excerpts are.
_PLACES = (0.25, 0.75)
# What is searched for, and how far before and after its place.
_LENGTH = 5 * SAMPLE_RATE_HZ
_MARGIN = 5 * SAMPLE_RATE_HZ // 2
# So much further apart may one recording's excerpts lie: clocks differ, and headers guess.
_MOST_STRAY = SAMPLE_RATE_HZ // 20
# Energy of a stretch beside the loudest below which it says nothing.
_LEAST_ENERGY = 1e-6


class NoSound(TrackError):
    """A file of which nothing can be compared."""


@dataclass(frozen=True)
class Excerpts:
    """Two short pieces of a track.

    Parameters
    ----------
    samples : np.ndarray
        ``(2, n) float16`` at `SAMPLE_RATE_HZ`, the loudest 1; zero outside the track.
    starts : np.ndarray
        ``(2,) int64``: where in the track they begin, in samples.
    """

    samples: np.ndarray
    starts: np.ndarray


def decode_excerpts(path: str, format: str, header_s: float | None = None) -> Excerpts:
    """Decode the excerpts of a file that `likeness` compares.

    Parameters
    ----------
    header_s : float, optional
        Duration by the file's header, in s (see `open_audio`).

    Raises
    ------
    DecodeError, OSError
        If there is no audio that can be decoded.
    NoSound
        If it is silent at both places.
    """
    with storage_of(path).localised(path) as local, open_audio(local, format, header_s) as reader:
        n_samples = reader.n_samples * SAMPLE_RATE_HZ / reader.sample_rate_hz
        starts = [round(place * n_samples - _LENGTH / 2) - _MARGIN for place in _PLACES]
        pieces = [
            read_stretch(reader, start, _LENGTH + 2 * _MARGIN, SAMPLE_RATE_HZ)[0]
            for start in starts
        ]
    samples = np.stack(pieces)
    loudest = float(np.abs(samples).max())
    if not loudest:
        raise NoSound(path, "silent where it would be compared")
    return Excerpts((samples / loudest).astype(np.float16), np.array(starts))


def likeness(one: Excerpts, other: Excerpts) -> float:
    """How much two tracks move as one.

    Returns
    -------
    float
        From 0 to 1: the mean of both excerpts' normalised cross-correlations where they are
        largest; 0 where these lie at different distances.
    """
    peaks, lags = _search(one.samples.astype(np.float32), other.samples.astype(np.float32))
    matching = peaks > 0
    if not matching.any():
        return 0.0
    apart = (lags + other.starts - one.starts)[matching]
    return float(peaks[matching].mean()) if np.ptp(apart) <= _MOST_STRAY else 0.0


def _search(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inner part of each of `one`'s excerpts in `other`'s: correlations and lags, ``(2,)``."""
    from scipy.fft import irfft, next_fast_len, rfft

    inner = one[:, _MARGIN : _MARGIN + _LENGTH]
    size = next_fast_len(other.shape[1] + _LENGTH, real=True)
    products = irfft(rfft(inner[:, ::-1], size) * rfft(other, size), size)
    products = products[:, _LENGTH - 1 : other.shape[1]]
    sums = np.cumsum(np.pad(other.astype(np.float64) ** 2, ((0, 0), (1, 0))), axis=1)
    energies = sums[:, _LENGTH:] - sums[:, :-_LENGTH]
    own = (inner.astype(np.float64) ** 2).sum(axis=1, keepdims=True)
    says = (energies > _LEAST_ENERGY * max(energies.max(), 1e-9)) & (
        own > _LEAST_ENERGY * max(own.max(), 1e-9)
    )
    # Of either sign: some encoders and players turn the wave over.
    found = np.where(says, np.abs(products) / np.sqrt(np.where(says, energies * own, 1)), 0)
    lags = found.argmax(axis=1)
    return found[np.arange(len(found)), lags], lags - _MARGIN
