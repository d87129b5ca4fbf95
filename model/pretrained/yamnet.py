"""YAMNet: MobileNet v1 that knows the 521 sounds of AudioSet.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications" (2017); Hershey et al., "CNN Architectures for Large-Scale Audio Classification"
(2017); Gemmeke et al., "Audio Set" (2017). Weights by Plakal and Ellis (Google), Apache 2.0,
their batch normalisation folded into the convolutions.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from genrebeam.model.ear_sizes import EAR_SIZES
from genrebeam.model.feature_spec import FeatureSpec

if TYPE_CHECKING:
    import keras

# Frames of 25 ms every 10 ms; a patch is 0.96 s of them.
FRAMES = FeatureSpec(
    sample_rate_hz=16000,
    n_fft=512,
    window_length=400,
    hop_length=160,
    centred=False,
    n_mels=64,
    mel_scale="htk",
    fmin_hz=125.0,
    fmax_hz=7500.0,
    power=1,
    scaling="ln",
    log_offset=0.001,
    segment_frames=96,
)
N_CLASSES, N_EMBEDDING = EAR_SIZES["yamnet"]
_CLASS_MAP = Path(__file__).parent / "weights" / "yamnet_class_map.csv"

# Stride and filters of the depthwise separable layers, which are numbered from 2.
_LAYERS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (2, 1024),
    (1, 1024),
)


def build() -> keras.Model:
    """Build the network, without its weights.

    Returns
    -------
    keras.Model
        From ``(n, 64, 96)`` log-mel patches to scores ``(n, 521)`` in 0..1 and embeddings
        ``(n, 1024)``.
    """
    from keras import Input, Model, layers

    patches = Input(FRAMES.shape, name="log_mel")
    x = layers.Permute((2, 1))(patches)
    x = layers.Reshape((*FRAMES.shape[::-1], 1))(x)
    x = layers.Conv2D(32, 3, 2, padding="same", activation="relu", name="layer1")(x)
    for number, (stride, filters) in enumerate(_LAYERS, start=2):
        depthwise = layers.DepthwiseConv2D(
            3, stride, padding="same", activation="relu", name=f"layer{number}_depthwise"
        )
        pointwise = layers.Conv2D(filters, 1, activation="relu", name=f"layer{number}_pointwise")
        x = pointwise(depthwise(x))
    embedding = layers.GlobalAveragePooling2D(name="embedding")(x)
    scores = layers.Dense(N_CLASSES, activation="sigmoid", name="scores")(embedding)
    return Model(patches, [scores, embedding], name="yamnet")


@functools.cache
def read_words() -> tuple[str, ...]:
    """Names of the classes, in the order of the scores."""
    with open(_CLASS_MAP, encoding="utf-8", newline="") as stream:
        return tuple(row["display_name"] for row in csv.DictReader(stream))


def layer_tensors() -> dict[str, str]:
    """Where ``yamnet.tflite`` keeps the weights of `build`'s layers.

    Returns
    -------
    dict
        Layer and weight, such as ``layer1/kernel``, to the beginning of the tensor's name.
        Kernels have the filters first there, and last in Keras.
    """
    prefix, norm = "yamnet_frames/", "bn/FusedBatchNormV3"
    found = {
        "layer1/kernel": f"{prefix}layer1/conv/Conv2D",
        "layer1/bias": f"{prefix}layer1/conv/{norm}",
        "scores/kernel": f"{prefix}dense/MatMul",
        "scores/bias": f"{prefix}dense/BiasAdd/ReadVariableOp",
    }
    for number in range(2, 2 + len(_LAYERS)):
        place = f"{prefix}layer{number}"
        found |= {
            # The filters are named after what they were joined with, the bias is not.
            f"layer{number}_depthwise/kernel": f"{place}/depthwise_conv/{norm};",
            f"layer{number}_depthwise/bias": f"{place}/depthwise_conv/{norm}",
            f"layer{number}_pointwise/kernel": f"{place}/pointwise_conv/Conv2D",
            f"layer{number}_pointwise/bias": f"{place}/pointwise_conv/{norm}",
        }
    return found
