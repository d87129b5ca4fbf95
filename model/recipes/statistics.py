"""Statistics of a segment, each family through a kernel: a classifier beside the CNN.

Timbre, dynamics, patterns and rhythm are measured, not looked at. Little is learned by gradient, so
its errors differ from a CNN's, and it costs a fraction of one.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import dct

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.parts import EXACT, project

if TYPE_CHECKING:
    import keras

_N_CEPSTRAL = 24
_N_GROUPS = 16
_SHORT_FRAMES = 32
# Waves of random Fourier features of each family, and how fast its kernel falls with distance.
_N_WAVES = 96
_KERNEL = 0.05
# Codebooks: the ending of their layers' names, the patches they are learned from, and how
# many standard deviations a pattern must match by to count (a fifth of the places do).
_CODEBOOK = "_codebook"
_N_PATCHES = 20000
_LEAST_MATCH = 0.85


def build_statistics(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build a kernel classifier of a segment's statistics, whose errors differ from the CNN's.

    Timbre: how high, how varied and how lively the cepstral coefficients are, which of them
    move together, and what is left of the spectrum without them (partials, noise).
    Dynamics: how suddenly each band rises and falls, how far its extremes lie from its
    mean, and the steps between its quantiles. Patterns: how much is found of codebooks of
    single frames, of a third of a second and of small patches. Rhythm: the spectrum, over
    time, of the level of groups of bands, of their onsets and of the cepstral coefficients.

    Each family of statistics goes through a Gaussian kernel of its own, approximated by
    random Fourier features (Rahimi and Recht, 2007), and a linear classifier takes the
    kernels' sum: families count alike, however many numbers they hold.
    """
    from keras import Input, Model, layers, ops

    n_frames = features.segment_frames
    cosine_transform = dct(np.eye(features.n_mels), norm="ortho")[:, :_N_CEPSTRAL]
    remainder = np.eye(features.n_mels) - cosine_transform @ cosine_transform.T

    segments = Input((features.n_mels, n_frames), name="log_mel")
    levels = layers.LayerNormalization(axis=[1, 2], center=False, scale=False, dtype=EXACT)(
        segments
    )
    frames = layers.Permute((2, 1), dtype=EXACT)(levels)
    cepstrum = project(frames, cosine_transform, "cepstrum")
    changes = ops.diff(cepstrum, axis=1)
    moves, turns = _standardised(cepstrum, 1), _standardised(changes, 1)
    mean = ops.mean(levels, axis=2)
    steps = ops.diff(levels, axis=2)
    steps = steps / (ops.std(steps, axis=2, keepdims=True) + 0.01)
    groups = _grouped(levels)
    balance = _standardised(groups, 2)
    rest = layers.Permute((2, 1), dtype=EXACT)(project(frames, remainder, "partials"))
    rest_power = _grouped(ops.square(rest))
    ordered = ops.sort(layers.AveragePooling1D(2, dtype=EXACT)(levels), axis=2)
    quantiles = [ordered[:, :, int(q * (n_frames - 1))] for q in (0.1, 0.25, 0.5, 0.75, 0.9)]
    tempi, shape = _tempi(groups, n_frames)
    families = {
        "timbre": [
            ops.mean(cepstrum, axis=1),
            ops.log(ops.var(cepstrum, axis=1) + 1e-4),
            ops.log(ops.mean(ops.square(changes), axis=1) + 1e-4),
        ],
        "together": [_together(moves, moves, 1)],
        "dynamics": [
            ops.mean(steps * ops.square(steps), axis=2),
            ops.max(levels, axis=2) - mean,
            ops.min(levels, axis=2) - mean,
        ],
        "bands": [_modulation(groups, n_frames, "bands")],
        "onsets": [_modulation(ops.relu(ops.diff(groups, axis=2)), n_frames, "onsets")],
        "cepstral": [_modulation(ops.transpose(cepstrum, (0, 2, 1)), n_frames, "cepstral")],
        "turns": [_together(turns, turns, 1)],
        "follow": [_together(turns[:, :-1, :12], turns[:, 1:, :12], 1)],
        "quantiles": [high - low for low, high in itertools.pairwise(quantiles)],
        "partials": [
            ops.log(ops.mean(rest_power, axis=2) + 1e-3),
            ops.log(ops.var(rest_power, axis=2) + 1e-4),
            ops.log(ops.mean(_grouped(ops.abs(ops.diff(rest, axis=2))), axis=2) + 1e-3),
        ],
        "tempi": [_flat(tempi)],
        "shape": [_flat(shape)],
        "balance": [_together(balance, balance, 2)],
    }
    pairs = layers.AveragePooling1D(2, dtype=EXACT)(levels)
    for name, (source, shape, strides, count) in {
        "chords": (pairs, (pairs.shape[1], 1), (1, 1), 192),
        "phrases": (pairs, (pairs.shape[1], 4), (1, 1), 320),
        "patches": (levels, (12, 6), (4, 2), 96),
    }.items():
        families[name] = _found(source, shape, strides, count, name)
    x = layers.Concatenate(dtype=EXACT)(_through_kernels(families))
    x = layers.BatchNormalization(momentum=0.95, center=False, scale=False, dtype=EXACT)(x)
    x = layers.Dropout(0.3, dtype=EXACT)(x)
    logits = layers.Dense(n_classes, dtype=EXACT, name="logits")(x)
    return Model(segments, logits, name="statistics")


def _flat(x: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers

    return layers.Flatten(dtype=EXACT)(x)


def _standardised(x: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    from keras import layers

    return layers.LayerNormalization(axis=axis, center=False, scale=False, dtype=EXACT)(x)


def _grouped(x: keras.KerasTensor) -> keras.KerasTensor:
    """Means of groups of neighbouring bands."""
    from keras import layers

    size = x.shape[1] // _N_GROUPS
    return layers.AveragePooling1D(size, dtype=EXACT)(x)[:, :_N_GROUPS]


def _together(a: keras.KerasTensor, b: keras.KerasTensor, axis: int) -> keras.KerasTensor:
    """Products of all pairs of rows, summed over the axis of time."""
    from keras import layers

    return _flat(layers.Dot(axes=axis, dtype=EXACT)([a, b]))


def _power(rows: keras.KerasTensor, waves: np.ndarray, name: str) -> keras.KerasTensor:
    """Power of each row's changes, by how fast they are."""
    from keras import ops

    kernel = waves[-rows.shape[2] :]
    cosines = project(rows, kernel.real, f"{name}_cosines")
    sines = project(rows, kernel.imag, f"{name}_sines")
    return ops.square(cosines) + ops.square(sines)


def _modulation(rows: keras.KerasTensor, n_frames: int, name: str) -> keras.KerasTensor:
    """Logarithm of `_power` over a whole segment."""
    from keras import ops

    return _flat(ops.log(_power(rows, _waves(n_frames), name) + 0.1))


def _found(
    source: keras.KerasTensor,
    shape: tuple[int, int],
    strides: tuple[int, int],
    count: int,
    name: str,
) -> list[keras.KerasTensor]:
    """How much, and how strongly at most, each pattern of a codebook is found."""
    from keras import layers, ops

    x = layers.Reshape((*source.shape[1:], 1), dtype=EXACT)(source)
    x = layers.Conv2D(
        count,
        shape,
        strides,
        use_bias=False,
        trainable=False,
        dtype=EXACT,
        name=f"{name}{_CODEBOOK}",
    )(x)
    x = layers.BatchNormalization(momentum=0.9, center=False, scale=False, dtype=EXACT)(x)
    x = ops.relu(x - _LEAST_MATCH)
    # Patches differ by register: low, middle or high.
    regions = [x] if x.shape[1] == 1 else ops.split(x, 3, axis=1)
    pooled = []
    for region in regions:
        frames = ops.mean(region, axis=1)
        pooled += [ops.mean(frames, axis=1), ops.max(frames, axis=1)]
    return [ops.log(x + 0.02) for x in pooled]


def _tempi(groups: keras.KerasTensor, n_frames: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Power of fast changes of each group of bands, and the shape of it over tempo and bands."""
    from keras import ops

    # Fast changes, averaged over shorter windows: they need not keep their time.
    n_short = min(_SHORT_FRAMES, n_frames)
    short = _waves(n_short)
    starts = range(0, n_frames - n_short + 1, max(1, n_short // 2))
    windows = [
        _power(groups[:, :, first : first + n_short], short, f"short_{first}") for first in starts
    ]
    tempi = ops.log(sum(windows) / len(windows) + 0.1)
    shape = project(tempi, dct(np.eye(tempi.shape[2]), norm="ortho")[:, :10], "tempi_shape")
    shape = ops.transpose(shape, (0, 2, 1))
    shape = project(shape, dct(np.eye(_N_GROUPS), norm="ortho")[:, :12], "bands_shape")
    return tempi, shape


def _through_kernels(families: dict[str, list[keras.KerasTensor]]) -> list[keras.KerasTensor]:
    """Random Fourier features of each family of statistics."""
    from keras import layers, ops

    kernels = []
    for name, statistics in families.items():
        x = layers.Concatenate(dtype=EXACT)(statistics) if len(statistics) > 1 else statistics[0]
        x = layers.BatchNormalization(momentum=0.9, center=False, scale=False, dtype=EXACT)(x)
        x = ops.clip(x, -6, 6)
        # Drawn as Keras draws initial weights: from the seed of the training.
        spread = np.sqrt(2 * _KERNEL / x.shape[1])
        waves = project(x, np.random.normal(0, spread, (x.shape[1], _N_WAVES)), f"{name}_kernel")
        kernels += [ops.cos(waves), ops.sin(waves)]
    return kernels


def learn_codebooks(network: keras.Model, segments: np.ndarray, seed: int) -> None:
    """Set the patterns that `build_statistics` looks for, from music without labels.

    Patches of the segments are whitened and clustered by direction (spherical k-means:
    Coates and Ng, "Learning feature representations with k-means", 2012).

    Parameters
    ----------
    network : keras.Model
        Other networks than that of `build_statistics` are left as they are.
    segments : np.ndarray
        ``(n, n_mels, segment_frames) float32``.
    """
    rng = np.random.default_rng(seed)
    mean = segments.mean(axis=(1, 2), keepdims=True)
    levels = (segments - mean) / (segments.std(axis=(1, 2), keepdims=True) + 1e-3)
    n, n_mels, _ = levels.shape
    for layer in network.layers:
        if not layer.name.endswith(_CODEBOOK):
            continue
        height, width, _, count = layer.kernel.shape
        bands = layer.input.shape[1]
        size = n_mels // bands
        source = levels[:, : bands * size].reshape(n, bands, size, -1).mean(axis=2)
        whole = height == bands
        windows = np.lib.stride_tricks.sliding_window_view(source, (height, width), axis=(1, 2))
        chosen = tuple(rng.integers(0, size, _N_PATCHES) for size in windows.shape[:3])
        patches = windows[chosen].reshape(_N_PATCHES, -1)
        if not whole:
            # Its own level is not what a patch is about.
            patches = patches - patches.mean(axis=1, keepdims=True)
        kernel = _cluster(patches, count, rng).reshape(height, width, 1, count)
        if not whole:
            kernel = kernel - kernel.mean(axis=(0, 1))
        layer.set_weights([kernel])


def _cluster(patches: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Filters that whiten patches and compare them with each cluster's direction."""
    centred = patches - patches.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = min(80, max(40, len(variances) // 3))
    variances, axes = variances[-kept:], axes[:, -kept:]
    whiten = axes / np.sqrt(variances + 0.1 * variances.mean())
    points = centred @ whiten
    points /= np.linalg.norm(points, axis=1, keepdims=True) + 1e-6
    centres = points[rng.choice(len(points), count, replace=False)]
    for _ in range(8):
        nearest = (points @ centres.T).argmax(axis=1)
        # An empty cluster keeps its centre.
        centres = 1e-3 * centres
        np.add.at(centres, nearest, points)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return (whiten @ centres.T).astype(np.float32)


def _waves(n_frames: int) -> np.ndarray:
    """Windowed complex waves of 1 to ``n_frames / 2`` turns, one per column."""
    turns = np.outer(np.arange(n_frames), np.arange(1, n_frames // 2 + 1)) / n_frames
    return np.exp(2j * np.pi * turns) * np.hanning(n_frames)[:, None]
