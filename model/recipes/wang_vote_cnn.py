"""A CNN on 7.7 s of mel bands whose segments vote.

Source: Wang et al., "Efficient Music Genre Classification with Convolutional Neural
Networks". The vote itself (equation 2) is the rule ``majority`` of the tagger.

As published: a mel spectrogram of 128 x 660 in 0..1 (FFT 1024, hop 256), five 3 x 3
convolutions of 128, 64, 32, 16 and 8 filters, ReLU, 2 x 2 max pooling, dropout 0.2, a dense
layer and softmax; Adam, batches of 32, 100 epochs.

Chosen, because the source is silent: 22050 Hz, dropout after each pooling, a dense layer of
64, same padding. Epochs are cut to 45, with early stopping: 128 filters at full resolution
are the most costly layer of all recipes.

On the GTZAN array a segment is 99 columns 77.5 ms apart, of an FFT of 2048.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.parts import EXACT
from genrebeam.model.recipes.recipe import Recipe

if TYPE_CHECKING:
    import keras

FEATURES = FeatureSpec(n_fft=1024, hop_length=256, segment_frames=660)


def build(features: FeatureSpec, n_classes: int) -> keras.Model:
    """Build the network."""
    from keras import Input, Model, layers

    segments = Input(features.shape, name="log_mel")
    x = layers.Reshape((*features.shape, 1))(segments)
    for filters in (128, 64, 32, 16, 8):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
        x = layers.Dropout(0.2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(64, activation="relu", name="embedding")(x)
    logits = layers.Dense(n_classes, dtype=EXACT, name="logits")(x)
    return Model(segments, logits, name="wang_vote_cnn")


RECIPE = Recipe(
    name="wang-vote-cnn",
    features=FEATURES,
    build=build,
    epochs=45,
    patience=12,
    weight_decay=0.0,
    precision="mixed_bfloat16",
)
