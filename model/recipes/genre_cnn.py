"""GenreBeam's own recipe: a small residual CNN and a linear classifier of statistics.

They hear the same log-mel segments of about five seconds and are averaged into one network.

The features are those of the GTZAN array (one kept frame every 77.5 ms), so that the
array and real audio give the same numbers. Each segment is standardised inside the
network, so that neither gain nor the track's dynamic range matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import dct

from model.bundle import FeatureSpec
from model.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

# The frames of the GTZAN array, see `model.datasets.GTZAN_ARRAY`.
FEATURES = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=64)

# Logarithms and sums over time need more than 16 bits.
_EXACT = "float32"
_N_CEPSTRAL = 24
_N_GROUPS = 16


def build(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the CNN.

    Pairs of bands are averaged first, which halves the cost. Four blocks of two 3 x 3
    convolutions with a shortcut, halving both axes in between; mean and maximum over time
    keep what is there and how strong it gets; the bands are averaged in four groups,
    because where energy sits on the frequency axis matters.

    Parameters
    ----------
    features : FeatureSpec
    n_classes : int

    Returns
    -------
    keras.Model
        ``(n, n_mels, segment_frames)`` to ``(n, n_classes)`` logits.
    """
    from keras import Input, Model, layers

    segments = Input((features.n_mels, features.segment_frames), name="log_mel")
    x = layers.LayerNormalization(axis=[1, 2], center=False, scale=False, name="standardise")(
        segments
    )
    x = layers.Reshape((features.n_mels, features.segment_frames, 1))(x)
    x = layers.AveragePooling2D((2, 1))(x)
    for block, filters in enumerate((24, 48, 80, 112)):
        shortcut = layers.Conv2D(filters, 1, use_bias=False)(x)
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.Activation("relu")(x)
        x = layers.Add()([x, shortcut])
        x = layers.MaxPooling2D(2)(x)
        if block:
            x = layers.SpatialDropout2D(0.1)(x)
    # (bands / 32, frames / 16, filters): bands in four groups, all frames pooled.
    groups = layers.AveragePooling2D((x.shape[1] // 4, 1))(x)
    mean = layers.Flatten()(layers.AveragePooling2D((1, groups.shape[2]))(groups))
    peak = layers.Flatten()(layers.MaxPooling2D((1, groups.shape[2]))(groups))
    x = layers.Concatenate(name="pooled")([mean, peak])
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(128, activation="relu", name="embedding")(x)
    x = layers.Dropout(0.3)(x)
    logits = layers.Dense(n_classes, dtype=_EXACT, name="logits")(x)
    return Model(segments, logits, name="genre_cnn")


def build_statistics(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build a linear classifier of a segment's statistics, which errs otherwise than the CNN.

    Timbre: how high, how varied and how lively the cepstral coefficients are, and which of
    them move together. Dynamics: how suddenly each band rises and falls, and how far its
    extremes lie from its mean. Rhythm: the spectrum, over the segment's time, of the level
    of groups of bands, of their onsets and of the cepstral coefficients.

    Parameters
    ----------
    features : FeatureSpec
    n_classes : int

    Returns
    -------
    keras.Model
        ``(n, n_mels, segment_frames)`` to ``(n, n_classes)`` logits.
    """
    from keras import Input, Model, layers, ops

    def project(x: keras.KerasTensor, kernel: np.ndarray, name: str) -> keras.KerasTensor:
        """The last axis times a kernel that is not trained."""
        layer = layers.Dense(
            kernel.shape[1], use_bias=False, trainable=False, dtype=_EXACT, name=name
        )
        projected = layer(x)
        layer.set_weights([kernel])
        return projected

    def modulation(rows: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Log power of each row's changes, by how fast they are."""
        kernel = waves[-rows.shape[2] :]
        cosines = project(rows, kernel.real, f"{name}_cosines")
        sines = project(rows, kernel.imag, f"{name}_sines")
        power = ops.square(cosines) + ops.square(sines)
        return layers.Flatten(dtype=_EXACT)(ops.log(power + 0.1))

    n_frames = features.segment_frames
    turns = np.outer(np.arange(n_frames), np.arange(1, n_frames // 2 + 1)) / n_frames
    waves = np.exp(2j * np.pi * turns) * np.hanning(n_frames)[:, None]
    cosine_transform = dct(np.eye(features.n_mels), norm="ortho")[:, :_N_CEPSTRAL]

    segments = Input((features.n_mels, n_frames), name="log_mel")
    levels = layers.LayerNormalization(axis=[1, 2], center=False, scale=False, dtype=_EXACT)(
        segments
    )
    frames = layers.Permute((2, 1), dtype=_EXACT)(levels)
    cepstrum = project(frames, cosine_transform, "cepstrum")
    moves = layers.LayerNormalization(axis=1, center=False, scale=False, dtype=_EXACT)(cepstrum)
    together = layers.Dot(axes=1, dtype=_EXACT)([moves, moves])
    groups = layers.AveragePooling1D(features.n_mels // _N_GROUPS, dtype=_EXACT)(levels)
    onsets = ops.relu(ops.diff(groups, axis=2))
    steps = ops.diff(levels, axis=2)
    steps = steps / (ops.std(steps, axis=2, keepdims=True) + 0.01)
    mean = ops.mean(levels, axis=2)
    statistics = [
        ops.mean(cepstrum, axis=1),
        ops.log(ops.var(cepstrum, axis=1) + 1e-4),
        ops.log(ops.mean(ops.square(ops.diff(cepstrum, axis=1)), axis=1) + 1e-4),
        layers.Flatten(dtype=_EXACT)(together),
        ops.mean(steps * ops.square(steps), axis=2),
        ops.max(levels, axis=2) - mean,
        ops.min(levels, axis=2) - mean,
        modulation(groups, "bands"),
        modulation(onsets, "onsets"),
        modulation(ops.transpose(cepstrum, (0, 2, 1)), "cepstral"),
    ]
    x = layers.Concatenate(dtype=_EXACT)(statistics)
    x = layers.BatchNormalization(momentum=0.9, dtype=_EXACT)(x)
    x = layers.Dropout(0.5, dtype=_EXACT)(x)
    logits = layers.Dense(n_classes, dtype=_EXACT, name="logits")(x)
    return Model(segments, logits, name="statistics")


RECIPE = Recipe(
    name="genre-cnn",
    features=FEATURES,
    build=build,
    companions=(build_statistics,),
    epochs=50,
    patience=25,
    mixup=0.3,
    mask_bands=16,
    mask_frames=12,
    tilt_db=12.0,
    shift_bands=2,
    stretch=0.1,
    label_smoothing=0.05,
    precision="mixed_bfloat16",
)
