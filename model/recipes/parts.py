"""Fixed layers that several recipes share: they compute, they are not trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import dct

from genrebeam.model.feature_spec import FeatureSpec

if TYPE_CHECKING:
    import keras

# What is fixed computes exactly, whatever precision the rest is trained in.
EXACT = "float32"


def project(x: keras.KerasTensor, kernel: np.ndarray, name: str) -> keras.KerasTensor:
    """The last axis times a kernel that is not trained.

    Parameters
    ----------
    x : keras.KerasTensor
        ``(..., n)``.
    kernel : np.ndarray
        ``(n, m)``.
    name : str
        Of the layer.

    Returns
    -------
    keras.KerasTensor
        ``(..., m) float32``.
    """
    from keras import layers

    layer = layers.Dense(kernel.shape[1], use_bias=False, trainable=False, dtype=EXACT, name=name)
    projected = layer(x)
    layer.set_weights([kernel])
    return projected


def mfcc(
    segments: keras.KerasTensor, features: FeatureSpec, n_coefficients: int
) -> keras.KerasTensor:
    """Mel-frequency cepstral coefficients, each standard-scaled over the training data.

    The discrete cosine transform of the log-mel frames, as `librosa.feature.mfcc` computes
    it. That log-mel is scaled to 0..1 makes no difference after standard scaling.

    Parameters
    ----------
    segments : keras.KerasTensor
        ``(n, n_mels, segment_frames)`` log-mel.

    Returns
    -------
    keras.KerasTensor
        ``(n, segment_frames, n_coefficients) float32``.
    """
    from keras import layers

    kernel = dct(np.eye(features.n_mels), norm="ortho")[:, :n_coefficients]
    frames = layers.Permute((2, 1), dtype=EXACT)(segments)
    coefficients = project(frames, kernel, "mfcc")
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, center=False, scale=False, dtype=EXACT, name="standard_scaling"
    )(coefficients)


def mfcc_image(
    segments: keras.KerasTensor, features: FeatureSpec, n_coefficients: int
) -> keras.KerasTensor:
    """`mfcc` as a picture for convolutions: ``(n, n_coefficients, segment_frames, 1)``."""
    from keras import layers

    image = layers.Permute((2, 1))(mfcc(segments, features, n_coefficients))
    return layers.Reshape((n_coefficients, features.segment_frames, 1))(image)
