"""GenreBeam's own recipe: a small residual CNN and two classifiers of statistics.

They take the same log-mel segments of about five seconds and are averaged into one network.
The classifiers of statistics differ in their random kernels and codebooks.

The features are those of the GTZAN array (one kept frame every 77.5 ms), so that the
array and real audio give the same numbers. Each segment is standardised inside the
network, so that neither gain nor the track's dynamic range matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.parts import EXACT
from genrebeam.model.recipes.recipe import Recipe
from genrebeam.model.recipes.statistics import build_statistics, learn_codebooks

if TYPE_CHECKING:
    import keras

# The frames of the GTZAN array, see `genrebeam.pipeline.training.datasets.gtzan.GTZAN_ARRAY`.
FEATURES = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=64)


def build(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the CNN.

    Pairs of bands are averaged first, which halves the cost. Four blocks of two 3 x 3
    convolutions with a shortcut, halving both axes in between; mean and maximum over time
    keep what is there and how strong it gets; the bands are averaged in four groups,
    because where energy sits on the frequency axis matters.
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
        x = layers.MaxPooling2D(2, padding="same")(x)
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
    logits = layers.Dense(n_classes, dtype=EXACT, name="logits")(x)
    return Model(segments, logits, name="genre_cnn")


RECIPE = Recipe(
    name="genre-cnn",
    features=FEATURES,
    build=build,
    companions=(build_statistics, build_statistics),
    initialise=learn_codebooks,
    epochs=50,
    patience=25,
    mixup=0.3,
    mask_bands=16,
    mask_frames=12,
    tilt_db=6.0,
    equalise_db=6.0,
    shift_bands=2,
    stretch=0.1,
    label_smoothing=0.05,
    precision="mixed_bfloat16",
)
