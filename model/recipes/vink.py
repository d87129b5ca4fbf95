"""An MLP and a CNN on the MFCC image of half a minute.

Source: Ritchie Vink, "Deep learning music classifier part 2. Computer says no!" (2017).

As published: an image of 10 MFCC x 2548 frames of each song. The MLP sees every 20th column,
the 20 offsets multiply the training data (1274 inputs; whole columns give 1270); layers of
600, 400 and 100 with L2 and dropout (a first one had 600 alone). The CNN has three
convolutions of 16, 32 and 32 filters, half of everything dropped, and a dense layer of 250.

Chosen, because the source is silent: 22050 Hz and a hop of 256 samples, with which 30 s have
about this many frames; L2 of 0.001 and a dropout of one half; convolutions of 3 x 3; pooling of
2 x 4, because the image is far longer than high; Adam. Each MFCC is standard-scaled. The
MLP takes all offsets of a segment at once and takes their mean, in training as in use;
segments cut at random move the offsets too.

On the GTZAN array a segment is 382 columns 77.5 ms apart: the MLP sees every third of them
(published: one every 232 ms), with three offsets instead of 20.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.parts import EXACT, mfcc, mfcc_image
from genrebeam.model.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

FEATURES = FeatureSpec(hop_length=256, segment_frames=2548)
_N_COEFFICIENTS = 10
_COLUMN_SECONDS = 20 * FEATURES.frame_seconds


def build_mlp(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the MLP."""
    from keras import Input, Model, layers, regularizers

    step = max(1, round(_COLUMN_SECONDS / features.frame_seconds))
    columns = features.segment_frames // step
    segments = Input(features.shape, name="log_mel")
    x = mfcc(segments, features, _N_COEFFICIENTS)
    x = layers.Cropping1D((0, features.segment_frames - columns * step))(x)
    x = layers.Reshape((columns, step, _N_COEFFICIENTS))(x)
    x = layers.Permute((2, 1, 3))(x)
    # (offset, number): one row is every step-th column from one offset on.
    x = layers.Reshape((step, columns * _N_COEFFICIENTS))(x)
    for units in (600, 400, 100):
        x = layers.Dense(units, activation="relu", kernel_regularizer=regularizers.L2(1e-3))(x)
        x = layers.Dropout(0.5)(x)
    # The logits are linear: those of the mean are the mean of those of the offsets.
    x = layers.GlobalAveragePooling1D(name="embedding")(x)
    logits = layers.Dense(n_classes, dtype=EXACT, name="logits")(x)
    return Model(segments, logits, name="vink_mlp")


def build_cnn(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the CNN."""
    from keras import Input, Model, layers

    segments = Input(features.shape, name="log_mel")
    x = mfcc_image(segments, features, _N_COEFFICIENTS)
    for filters in (16, 32, 32):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D((2, 4), padding="same")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(250, activation="relu", name="embedding")(x)
    x = layers.Dropout(0.5)(x)
    logits = layers.Dense(n_classes, dtype=EXACT, name="logits")(x)
    return Model(segments, logits, name="vink_cnn")


MLP_RECIPE = Recipe(
    name="vink-mlp",
    features=FEATURES,
    build=build_mlp,
    epochs=60,
    patience=20,
    weight_decay=0.0,
    n_segments=3,
)
CNN_RECIPE = Recipe(
    name="vink-cnn",
    features=FEATURES,
    build=build_cnn,
    epochs=60,
    patience=20,
    weight_decay=0.0,
    precision="mixed_bfloat16",
    n_segments=3,
)
