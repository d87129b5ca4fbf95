"""A CNN on 5 s of 40 MFCC: three convolutional and two dense layers.

Source: "Using Deep Convolutional Neural Networks to Classify Music (TensorFlow)" (2017), on
three genres of the Homburg set (Homburg et al., "A Benchmark Dataset for Audio
Classification and Clustering", 2005), after Choi, Fazekas and Sandler, "Automatic Tagging
Using Deep Convolutional Neural Networks" (2016).

As published: 22050 Hz, 5 s segments of 40 x 217 MFCC that overlap (here: cut at random),
three convolutions, a normalisation step before two dense layers.

Chosen, because the source is silent: 32, 64 and 128 filters of 3 x 3 (Choi's FCN-3 has 128
to 2048, for a hundred times the data), pooling of 2 x 4 as Choi pools time faster than
frequency, batch normalisation as the normalisation step, a dense layer of 128, dropout,
Adam. The variants with two convolutions and without normalisation are left out: the source
found them worse.

On the GTZAN array a segment is 65 columns 77.5 ms apart instead of 217 frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.parts import EXACT, mfcc_image
from genrebeam.model.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

FEATURES = FeatureSpec(segment_frames=217)
_N_COEFFICIENTS = 40


def build(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the network."""
    from keras import Input, Model, layers

    segments = Input(features.shape, name="log_mel")
    x = mfcc_image(segments, features, _N_COEFFICIENTS)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D((2, 4), padding="same")(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.BatchNormalization(momentum=0.9, dtype=EXACT)(x)
    x = layers.Dense(128, activation="relu", name="embedding")(x)
    x = layers.Dropout(0.5)(x)
    logits = layers.Dense(n_classes, dtype=EXACT, name="logits")(x)
    return Model(segments, logits, name="homburg_mfcc_cnn")


RECIPE = Recipe(
    name="homburg-mfcc-cnn",
    features=FEATURES,
    build=build,
    epochs=40,
    patience=12,
    weight_decay=0.0,
    precision="mixed_bfloat16",
)
