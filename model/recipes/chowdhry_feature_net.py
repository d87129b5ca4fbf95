"""A dense network on descriptors of 3 s.

Source: Chowdhry, "Music Genre Classification Using CNN" (2021), on the table of features
that goes with GTZAN: mean and variance, per 3 s, of chroma, RMS, spectral centroid,
bandwidth and rolloff, zero crossings, harmonic and percussive part and 20 MFCC, and a tempo.

As published: these 57 numbers, standard-scaled; dense ReLU layers with dropout, softmax,
Adam, cross-entropy. Real audio gives just these numbers (``transforms/audio/descriptors.py``).

Chosen, because the source is silent: layers of 512, 256, 128 and 64, dropout 0.2, batches of
128, a rate of 0.0003 (with Adam's usual 0.001 the second epoch is the best, and worse). The
600 epochs are cut to 40 with early stopping, which comes long before. Scaled numbers are cut
off at 5 standard deviations, so that one odd number does not decide alone.

The GTZAN array has no samples: there the network itself computes from 3 s of log-mel (39
columns) what this allows. Zero crossings are missing; chroma fold the bands, which are wider
than a semitone below 440 Hz; harmonic and percussive are levels of what is steady in time
and of what is broad in frequency; the tempo is the strongest of the onsets' spectrum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import dct

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.parts import EXACT, project
from genrebeam.model.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

# Pieces of 3 s, one after the other: a piece counts where its middle lies in the track.
FEATURES = FeatureSpec(kind="descriptors", frame_step=129, frame_offset=65, segment_frames=1)

_N_COEFFICIENTS = 20
# The median filters of `librosa.decompose.hpss` are so long.
_STEADY_SECONDS = 0.72
_BROAD_BANDS = 9
_ROLLOFF = 0.85
_TEMPI_BPM = np.arange(60, 201, 5)


def build(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    features : FeatureSpec
        Of either kind.

    Returns
    -------
    keras.Model
        ``(n, *features.shape)`` to ``(n, n_classes)`` logits.
    """
    from keras import Input, Model, layers, ops

    segments = Input(features.shape, name=features.kind)
    x = descriptors(segments, features)
    # Some descriptors vary by a millionth, others by thousands.
    x = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-12, center=False, scale=False, dtype=EXACT, name="standard_scaling"
    )(x)
    x = ops.clip(x, -5.0, 5.0)
    for units in (512, 256, 128):
        x = layers.Dense(units, activation="relu")(x)
        x = layers.Dropout(0.2)(x)
    x = layers.Dense(64, activation="relu", name="embedding")(x)
    x = layers.Dropout(0.2)(x)
    logits = layers.Dense(n_classes, dtype=EXACT, name="logits")(x)
    return Model(segments, logits, name="chowdhry_feature_net")


def descriptors(segments: keras.KerasTensor, features: FeatureSpec) -> keras.KerasTensor:
    """Descriptors of segments, computed by layers that are not trained.

    Parameters
    ----------
    segments : keras.KerasTensor
        ``(n, *features.shape)``.
    features : FeatureSpec
        Of kind ``descriptors``: there is nothing to compute. Of kind ``log_mel``: what it
        allows, see above.

    Returns
    -------
    keras.KerasTensor
        ``(n, n_descriptors) float32``.
    """
    from keras import layers, ops

    if features.kind == "descriptors":
        return layers.Flatten(dtype=EXACT)(segments)

    edges_khz = _mel_edges_hz(features) / 1000
    centres_khz = edges_khz[1:-1]
    # The Slaney norm divided each band's power by its width.
    widths = (edges_khz[2:] - edges_khz[:-2]) / 2

    frames = layers.Permute((2, 1), dtype=EXACT)(segments)
    level = frames * features.top_db
    power = ops.exp((level - features.top_db) * (np.log(10) / 10))
    magnitude = ops.sqrt(power)

    moments = np.stack([widths, widths * centres_khz, widths * centres_khz**2], axis=1)
    total, first, second = ops.split(project(magnitude, moments, "spectral_moments"), 3, axis=2)
    centroid = first / total
    bandwidth = ops.sqrt(ops.relu(second / total - ops.square(centroid)))

    up_to = np.triu(np.ones((features.n_mels, features.n_mels)))
    below = project(magnitude, up_to * widths[:, None], "below")
    spacing = np.diff(edges_khz)[:-1, None]
    rolloff = project(ops.cast(below < _ROLLOFF * total, EXACT), spacing, "rolloff")

    chroma = project(power, _pitch_classes(centres_khz * 1000) * widths[:, None], "chroma")
    chroma = chroma / ops.max(chroma, axis=2, keepdims=True)

    steady_frames = max(1, round(_STEADY_SECONDS / features.frame_seconds))
    image = layers.Reshape((features.segment_frames, features.n_mels, 1), dtype=EXACT)(level)
    steady = layers.AveragePooling2D((steady_frames, 1), 1, padding="same", dtype=EXACT)(image)
    broad = layers.AveragePooling2D((1, _BROAD_BANDS), 1, padding="same", dtype=EXACT)(image)
    share = ops.squeeze(ops.sigmoid((steady - broad) * (np.log(10) / 10)), axis=3)

    def loudness(power: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return ops.sqrt(project(power, widths[:, None], name))

    courses = [
        chroma,
        loudness(power, "rms"),
        centroid,
        bandwidth,
        rolloff,
        loudness(power * share, "harmonic"),
        loudness(power * (1 - share), "percussive"),
    ]
    over_all = [
        moment(course, axis=(1, 2), keepdims=True)[:, :, 0]
        for course in courses
        for moment in (ops.mean, ops.var)
    ]
    cosine_transform = dct(np.eye(features.n_mels), norm="ortho")[:, :_N_COEFFICIENTS]
    mfcc = project(level, cosine_transform, "mfcc")
    return layers.Concatenate(dtype=EXACT)(
        [*over_all, _tempo(level, features), ops.mean(mfcc, axis=1), ops.var(mfcc, axis=1)]
    )


def _tempo(level: keras.KerasTensor, features: FeatureSpec) -> keras.KerasTensor:
    """``(n, 1)`` beats per minute: where the spectrum of the onsets is strongest."""
    from keras import ops

    onsets = ops.mean(ops.relu(ops.diff(level, axis=1)), axis=2)
    onsets = onsets - ops.mean(onsets, axis=1, keepdims=True)
    seconds = np.arange(features.segment_frames - 1) * features.frame_seconds
    waves = np.exp(2j * np.pi * np.outer(seconds, _TEMPI_BPM / 60))
    waves *= np.hanning(len(seconds))[:, None]
    # As librosa expects tempi: around 120, an octave away is half as likely as not.
    waves *= np.exp(-0.25 * np.log2(_TEMPI_BPM / 120) ** 2)
    power = ops.square(project(onsets, waves.real, "onset_cosines")) + ops.square(
        project(onsets, waves.imag, "onset_sines")
    )
    strongest = ops.one_hot(ops.argmax(power, axis=1), len(_TEMPI_BPM), dtype=EXACT)
    return project(strongest, _TEMPI_BPM[:, None], "tempo")


def _mel_edges_hz(features: FeatureSpec) -> np.ndarray:
    """``(n_mels + 2,)``: the lower edge, the centres of the bands and the upper edge."""
    import librosa

    highest = features.fmax_hz or features.sample_rate_hz / 2
    return librosa.mel_frequencies(features.n_mels + 2, fmin=0.0, fmax=highest)


def _pitch_classes(centres_hz: np.ndarray) -> np.ndarray:
    """``(n_bands, 12)``: each band shared between the two pitch classes next to it."""
    import librosa

    pitches = librosa.hz_to_midi(centres_hz)
    away = np.abs((pitches[:, None] - np.arange(12) + 6) % 12 - 6)
    return np.clip(1 - away, 0, None)


RECIPE = Recipe(
    name="chowdhry-feature-net",
    features=FEATURES,
    build=build,
    epochs=40,
    patience=12,
    batch_size=128,
    learning_rate=3e-4,
    weight_decay=0.0,
)
