"""GenreBeam's own recipe: a small residual CNN on log-mel segments of about five seconds.

The features are those of the GTZAN array (one kept frame every 77.5 ms), so that the
array and real audio give the same numbers. Each segment is standardised inside the
network, so that neither gain nor the track's dynamic range matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.bundle import FeatureSpec
from model.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

# The array's frames: floor(3.3366 k + 1.7), see the data's description in the model card.
FEATURES = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=64)


def build(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the network.

    Four blocks of two 3 x 3 convolutions with a shortcut, halving both axes in between;
    mean and maximum over time keep what is there and how strong it gets; the bands are
    averaged in four groups, because where energy sits on the frequency axis matters.

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
    # (bands / 16, frames / 16, filters): bands in four groups, all frames pooled.
    groups = layers.AveragePooling2D((x.shape[1] // 4, 1))(x)
    mean = layers.Flatten()(layers.AveragePooling2D((1, groups.shape[2]))(groups))
    peak = layers.Flatten()(layers.MaxPooling2D((1, groups.shape[2]))(groups))
    x = layers.Concatenate(name="pooled")([mean, peak])
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(128, activation="relu", name="embedding")(x)
    x = layers.Dropout(0.3)(x)
    logits = layers.Dense(n_classes, name="logits")(x)
    return Model(segments, logits, name="genre_cnn")


RECIPE = Recipe(
    name="genre-cnn",
    features=FEATURES,
    build=build,
    epochs=60,
    patience=25,
    mixup=0.3,
    mask_bands=16,
    mask_frames=12,
    tilt_db=12.0,
    label_smoothing=0.05,
)
