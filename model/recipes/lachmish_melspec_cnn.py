"""CNNs on 24 s of mel bands, and of 13 MFCC.

Source: Matan Lachmish, "MusicGenreClassification" (Tel Aviv University, 2016).

As published: 22050 Hz, 599 frames of 100 ms, 40 ms apart (the text speaks of 30 s, the
published code stops after 599 frames, which is 24 s), 128 mel bands; three convolutions of
4 x 4 with 149, 73 and 35 filters, max pooling by 4, 2 and 2, dropout 0.25 throughout, one
dense layer, softmax over 10; Adam, rate 0.001, batches of 64. The MFCC variant has two
convolutions and a dense layer of 1024.

Chosen: the dense layer has 1024 units with mel bands too (published: 8192, which would be a
model of hundreds of megabytes); a window is one spectrum, not the two to five that
librosa's default hop makes of 100 ms; weights start as Keras starts them, not from a
standard normal distribution. The 125 epochs of 800 clips are cut to 60 (MFCC) and 40 (mel
bands), with early stopping; with mel bands in batches of 16, which makes about as many steps.

On the GTZAN array a segment is 309 columns 77.5 ms apart, each a window of 93 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.parts import EXACT, mfcc_image
from genrebeam.model.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

# 100 ms is 2205 samples: an even window has a middle.
FEATURES = FeatureSpec(n_fft=2204, hop_length=882, segment_frames=599)
_N_COEFFICIENTS = 13


def build(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the network on mel bands."""
    from keras import Input, layers

    segments = Input(features.shape, name="log_mel")
    image = layers.Reshape((*features.shape, 1))(segments)
    stages = ((149, 4), (73, 2), (35, 2))
    return _network(segments, image, stages, n_classes, "lachmish_melspec_cnn")


def build_mfcc(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the network on MFCC."""
    from keras import Input

    segments = Input(features.shape, name="log_mel")
    image = mfcc_image(segments, features, _N_COEFFICIENTS)
    return _network(segments, image, ((149, 4), (73, 2)), n_classes, "lachmish_mfcc_cnn")


def _network(
    segments: keras.KerasTensor,
    image: keras.KerasTensor,
    stages: tuple[tuple[int, int], ...],
    n_classes: int,
    name: str,
) -> keras.Model:
    """The network behind a picture; stages are filters and pooling."""
    from keras import Model, layers

    x = image
    for filters, pooling in stages:
        x = layers.Conv2D(filters, 4, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(pooling, padding="same")(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(1024, activation="relu", name="embedding")(x)
    x = layers.Dropout(0.25)(x)
    logits = layers.Dense(n_classes, dtype=EXACT, name="logits")(x)
    return Model(segments, logits, name=name)


RECIPE = Recipe(
    name="lachmish-melspec-cnn",
    features=FEATURES,
    build=build,
    epochs=40,
    patience=12,
    batch_size=16,
    weight_decay=0.0,
    precision="mixed_bfloat16",
    n_segments=3,
)
MFCC_RECIPE = Recipe(
    name="lachmish-mfcc-cnn",
    features=FEATURES,
    build=build_mfcc,
    epochs=60,
    patience=15,
    batch_size=64,
    weight_decay=0.0,
    precision="mixed_bfloat16",
    n_segments=3,
)
