"""Recipes: each builds for any frames, saves and loads as plain Keras, and learns."""

import dataclasses

import keras
import librosa
import numpy as np
import pytest

from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.feature_spec import DESCRIPTORS, FeatureSpec
from genrebeam.model.recipes import RECIPES, chowdhry_feature_net, default_recipe
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES
from genrebeam.model.recipes.chowdhry_feature_net import descriptors
from genrebeam.model.recipes.parts import mfcc
from genrebeam.pipeline.training.datasets.fma import FMA_ARRAY
from genrebeam.pipeline.training.datasets.gtzan import GTZAN_ARRAY

CHEAP = ("homburg-mfcc-cnn", "vink-mlp", "vink-cnn", "lachmish-mfcc-cnn", "chowdhry-feature-net")
# Those that train a network of their own; the backbone has tests of its own.
NETWORKS = {name: recipe for name, recipe in RECIPES.items() if recipe.build}
by_name = pytest.mark.parametrize("recipe", NETWORKS.values(), ids=NETWORKS)


def segments_of(features, n=2, seed=0):
    return np.random.default_rng(seed).random((n, *features.shape)).astype(np.float32)


@by_name
@pytest.mark.parametrize("frames", [None, GTZAN_ARRAY, FMA_ARRAY], ids=["own", "GTZAN", "FMA"])
@pytest.mark.parametrize("n_classes", [10, 11])
def test_builds_a_network_from_segments_to_logits(recipe, frames, n_classes):
    features = recipe.features_on(frames) if frames else recipe.features
    for build in (recipe.build, *recipe.companions):
        network = build(features, n_classes)
        assert network.input_shape == (None, *features.shape)
        assert network.output_shape == (None, n_classes)
        if recipe.initialise:
            recipe.initialise(network, segments_of(features, 8), seed=0)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "genre-cnn"])
def test_the_last_layer_is_the_logits_and_what_feeds_it_the_embedding(name):
    network = RECIPES[name].build(RECIPES[name].features_on(GTZAN_ARRAY), 10)
    behind = [layer for layer in network.layers if not isinstance(layer, keras.layers.Dropout)]
    assert [layer.name for layer in behind[-2:]] == ["embedding", "logits"]
    assert network.get_layer("logits").compute_dtype == "float32"


def test_a_backbone_cannot_take_pictures():
    with pytest.raises(DatasetError, match="needs audio"):
        RECIPES["backbone"].features_on(GTZAN_ARRAY)
    assert RECIPES["backbone"].features_on(BACKBONE_FEATURES.outputs) == BACKBONE_FEATURES.outputs
    with pytest.raises(DatasetError, match="the outputs of a backbone"):
        RECIPES["wang-vote-cnn"].features_on(BACKBONE_FEATURES.outputs)


def test_a_head_is_trained_unless_there_are_only_pictures():
    for frames in (None, BACKBONE_FEATURES.outputs):
        assert default_recipe(frames).name == "backbone"
    assert default_recipe(GTZAN_ARRAY).name == "genre-cnn"


@by_name
def test_segments_on_other_frames_are_about_as_long(recipe):
    features = recipe.features_on(GTZAN_ARRAY)
    assert features.segment_seconds == pytest.approx(recipe.features.segment_seconds, abs=0.1)
    assert features.segment_frames < GTZAN_ARRAY.segment_frames


@pytest.mark.parametrize(
    ("recipe", "features"),
    [
        *((recipe, recipe.features_on(GTZAN_ARRAY)) for recipe in NETWORKS.values()),
        (chowdhry_feature_net.RECIPE, chowdhry_feature_net.FEATURES),
    ],
    ids=[*NETWORKS, "descriptors"],
)
def test_is_saved_and_loaded_without_custom_objects(recipe, features, tmp_path):
    network = recipe.build(features, 3)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    segments = segments_of(features)
    expected = np.asarray(network(segments))
    np.testing.assert_allclose(np.asarray(loaded(segments)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CHEAP)
def test_learns_high_from_low(name):
    """The loss falls on segments whose energy lies in the lower or in the upper bands."""
    keras.utils.set_random_seed(0)
    features = dataclasses.replace(RECIPES[name].features_on(GTZAN_ARRAY), segment_frames=40)
    targets = np.arange(32) % 2
    segments = segments_of(features, 32) * 0.3
    segments[targets == 1, 64:] += 0.5
    segments[targets == 0, :64] += 0.5
    network = RECIPES[name].build(features, 2)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = network.evaluate(segments, targets, verbose=0)
    network.fit(segments, targets, epochs=20, verbose=0)
    assert network.evaluate(segments, targets, verbose=0) < 0.9 * before


def test_mfcc_are_those_of_librosa():
    features = FeatureSpec(segment_frames=20)
    picture = segments_of(features, 1)
    inputs = keras.Input(features.shape)
    network = keras.Model(inputs, mfcc(inputs, features, 13))
    scaling = network.get_layer("standard_scaling")
    scaling.set_weights([np.zeros(13), np.ones(13)])
    expected = librosa.feature.mfcc(S=picture[0], n_mfcc=13)
    np.testing.assert_allclose(np.asarray(network(picture))[0].T, expected, rtol=1e-3, atol=1e-3)


def picture_of(samples):
    """A log-mel segment of 3 s and its spec."""
    spec = FeatureSpec(segment_frames=130)
    power = librosa.feature.melspectrogram(y=samples[: 129 * 512], sr=22050)
    return (librosa.power_to_db(power, ref=np.max, top_db=80) / 80 + 1)[None], spec


def described(samples):
    picture, spec = picture_of(samples)
    inputs = keras.Input(spec.shape)
    network = keras.Model(inputs, descriptors(inputs, spec))
    names = [name for name in DESCRIPTORS if not name.startswith("zero_crossing")]
    return dict(zip(names, _by_name(np.asarray(network(picture))[0]), strict=True))


def _by_name(values):
    """The network gives all means of MFCC, then all variances."""
    head, means, variances = values[:15], values[15:35], values[35:]
    return [*head, *np.stack([means, variances], axis=1).ravel()]


def test_descriptors_of_a_picture_tell_where_the_sound_is():
    times = np.arange(3 * 22050) / 22050
    low, high = (described(np.sin(2 * np.pi * hz * times)) for hz in (880, 3520))
    assert low["spectral_centroid_mean"] == pytest.approx(0.88, rel=0.15)
    assert high["spectral_centroid_mean"] == pytest.approx(3.52, rel=0.1)
    assert low["rolloff_mean"] < 1.1 < 3.3 < high["rolloff_mean"]
    assert low["spectral_bandwidth_mean"] < 1


def test_descriptors_of_a_picture_tell_a_tone_from_clicks_and_how_fast_they_are():
    times = np.arange(3 * 22050) / 22050
    clicks = np.zeros(3 * 22050)
    clicks[:: 22050 * 60 // 150] = 1
    click, tone = described(clicks), described(np.sin(2 * np.pi * 880 * times))
    assert click["tempo"] == pytest.approx(150, abs=5)
    assert click["percussive_mean"] > 2 * click["harmonic_mean"]
    assert tone["harmonic_mean"] > 2 * tone["percussive_mean"]
