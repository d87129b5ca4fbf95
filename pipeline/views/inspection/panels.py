"""What an inspection shows over time: described once, drawn on the page and in the picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genrebeam.pipeline.views.inspection.inspection import Inspection

# Columns of what changes with every frame: fewer than measured, so that its course shows.
_PICTURE_COLUMNS, _LINE_POINTS = 800, 400
_MEL_COLUMNS = 4000


@dataclass(frozen=True)
class Picture:
    """A panel of pixels over time.

    Parameters
    ----------
    height : float
        In lines of text, about.
    values : np.ndarray
        ``(n_rows, n_columns) uint8``, lowest row first.
    shades : str
        matplotlib's name of the colours.
    share : float
        How much of the track it covers, from the start.
    ticks : list of (float, str)
        Places from 0 (bottom) to 1, and what stands there.
    """

    title: str
    note: str
    height: float
    values: np.ndarray
    shades: str
    share: float
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Lines:
    """A panel of lines over time.

    Parameters
    ----------
    height : float
        As in `Picture`.
    lines : list of (str, np.ndarray)
        Name and ``(n_columns,) float`` in 0..1, NaN where there is nothing to tell.
    ticks : list of (float, str)
        As in `Picture`.
    """

    title: str
    note: str
    height: float
    lines: list[tuple[str, np.ndarray]]
    ticks: list[tuple[float, str]]


def panels(inspection: Inspection) -> list[Picture | Lines]:
    """What is shown under the genres."""
    sound = inspection.sound
    timbre = sound.mfcc[1:]  # the first is the level, as the waveform shows it
    timbre = timbre - timbre.mean(axis=1, keepdims=True)
    timbre /= np.maximum(timbre.std(axis=1, keepdims=True), 1e-9)
    n_timbre = len(timbre)
    frequencies, frequency_ticks = _scaled([sound.rolloff_hz, sound.centroid_hz], _kilohertz)
    crossings, crossing_ticks = _scaled([sound.zero_crossings_hz], "{:,}".format)
    return [
        _spectrogram(inspection),
        Picture(
            "MFCC",
            "The spectrum's shape as 19 coefficients, slow ripples at the bottom, each against "
            "its own mean.",
            7.0,
            to_bytes(_columns(timbre, _PICTURE_COLUMNS) / 5 + 0.5),
            "viridis",
            1.0,
            [((n - 0.5) / n_timbre, str(n)) for n in (1, 5, 10, 15)],
        ),
        Picture(
            "Chroma",
            "How strong each pitch class is, whatever its octave.",
            7.0,
            to_bytes(_columns(sound.chroma, _PICTURE_COLUMNS)),
            "magma",
            1.0,
            [((row + 0.5) / 12, name) for row, name in ((0, "C"), (4, "E"), (7, "G"), (11, "B"))],
        ),
        Lines(
            "Spectral rolloff and centroid",
            "85 % of the spectrum lies below the rolloff; the centroid is its centre.",
            6.5,
            list(zip(("rolloff", "centroid"), frequencies, strict=True)),
            frequency_ticks,
        ),
        Lines(
            "Zero crossings",
            "Changes of sign per second: many in noise and cymbals, few in low tones.",
            5.0,
            [("zero crossings", crossings[0])],
            crossing_ticks,
        ),
    ]


def _spectrogram(inspection: Inspection) -> Picture:
    sound, spec = inspection.sound, inspection.drawn
    mel, share = sound.mel_db / spec.top_db + 1, 1.0
    if inspection.bundle.features.backbone:
        note = "Not the input of the network, which has mel bands of its own. Shown"
    elif spec.kind == "log_mel":
        mel = np.concatenate(sound.segments, axis=1).astype(np.float32)
        mel = mel[:, : max(1, round(inspection.duration_s / spec.frame_seconds))]
        share = min(1.0, mel.shape[1] * spec.frame_seconds / inspection.duration_s)
        note = "What the network is fed, number for number"
    else:
        note = "The network is fed numbers drawn from it"
    rows = np.arange(spec.n_mels)
    ticks = [
        (float(np.interp(hz, sound.band_hz, rows) + 0.5) / spec.n_mels, _kilohertz(hz))
        for hz in (250, 1000, 2000, 4000, 8000, 16000)
        if hz < sound.band_hz[-1]
    ]
    return Picture(
        "Mel spectrogram",
        f"{note}: {spec.n_mels} mel bands, brighter is louder.",
        10.0,
        to_bytes(_columns(mel, _MEL_COLUMNS)),
        "magma",
        share,
        ticks,
    )


def _kilohertz(hz: float) -> str:
    return f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz"


def to_bytes(values: np.ndarray) -> np.ndarray:
    """0..1 as bytes, 0 to 255."""
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)


def _columns(values: np.ndarray, most: int) -> np.ndarray:
    """At most this many columns, each the mean of those that it stands for."""
    n = values.shape[-1]
    if n <= most:
        return values
    starts = np.arange(most) * n // most
    return np.add.reduceat(values, starts, axis=-1) / np.diff(starts, append=n)


def _scaled(
    courses: list[np.ndarray], name: Callable[[float], str]
) -> tuple[list[np.ndarray], list[tuple[float, str]]]:
    """Courses as parts of a little more than their highest value, and round ticks for it."""
    courses = [_columns(course, _LINE_POINTS) for course in courses]
    top = 1.05 * max(float(np.max(course, initial=1, where=course > 0)) for course in courses)
    step = next(s for s in (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000) if top / s <= 5)
    ticks = [(value / top, name(value)) for value in range(step, math.ceil(top), step)]
    return [course / top for course in courses], ticks


def envelope(wave: np.ndarray) -> np.ndarray:
    """The waveform as loud as it can be, and never thinner than a hair."""
    loudest = float(np.abs(wave).max()) or 1.0
    return np.stack([np.minimum(wave[0] / loudest, -0.005), np.maximum(wave[1] / loudest, 0.005)])


def shades_of(cells: list[tuple[str, float]]) -> np.ndarray:
    """``(n, 4) float`` of red, green, blue and opacity."""
    rows = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour, _ in cells]
    # Not linear: one of ten genres has 0.1 by chance, which shall show.
    return np.column_stack([rows, [probability**0.7 for _, probability in cells]])
