"""Training: a recipe learns what can be learned, calibrated, the same with the same seed."""

import dataclasses

import numpy as np
import pytest

from genrebeam.model.bundle import load_bundle
from genrebeam.model.data.clips import Clips, LabelledMusic
from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.evaluation.metrics import evaluate_logits
from genrebeam.model.evaluation.predict import predict
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes import Recipe
from genrebeam.model.training.batches import RandomSegments, augment
from genrebeam.model.training.train import train
from genrebeam.pipeline.training.datasets.gtzan import load_gtzan_array
from genrebeam.transforms.genre.vote import vote

FEATURES = FeatureSpec(n_mels=16, segment_frames=8)


def build(features: FeatureSpec, n_classes: int):
    import keras

    segments = keras.Input((features.n_mels, features.segment_frames))
    return keras.Model(segments, keras.layers.Dense(n_classes)(keras.layers.Flatten()(segments)))


RECIPE = Recipe("dense", FEATURES, build, epochs=15, learning_rate=0.01, batch_size=8)


@pytest.fixture(scope="module")
def music() -> LabelledMusic:
    """Two classes: sound in the lower bands, and in the upper ones."""
    rng = np.random.default_rng(0)
    splits = {}
    for split, n in (("train", 24), ("valid", 12), ("test", 12)):
        targets = np.arange(n) % 2
        clips = rng.random((n, 16, 40)) * 0.5
        for clip, target in zip(clips, targets, strict=True):
            clip[8 * target : 8 * target + 8] += 0.3
        names = tuple(f"{split}{i}" for i in range(n))
        splits[split] = Clips(names, tuple(clips.astype(np.float16)), targets)
    return LabelledMusic("bands", ("low", "high"), ("Low", "High"), splits, FEATURES)


@pytest.fixture(scope="module")
def trained(music, tmp_path_factory):
    return train(
        RECIPE, music, tmp_path_factory.mktemp("trained"), name="bands", vote=vote, log=_nowhere
    )


def _nowhere(line: str) -> None:
    pass


def test_learns_what_can_be_learned(trained):
    assert trained.metrics["test"]["track_accuracy"] == 1.0
    assert trained.metrics["test"]["confusion"] == [[6, 0], [0, 6]]


def test_bundle_says_what_it_was_trained_on(trained):
    assert trained.training["clips"] == {"train": 24, "valid": 12, "test": 12}
    assert trained.training["dataset"] == "bands"
    assert load_bundle(trained.path) == trained


def test_saved_network_gives_the_measured_figures(trained, music):
    clips = music.splits["test"]
    logits = predict(trained.load_network(), trained.features, clips).logits
    figures = evaluate_logits(
        logits, clips.targets, temperature=trained.temperature, vote=vote, genres=trained.genres
    )
    assert figures == trained.metrics["test"]


def test_each_list_goes_through_the_network_once(music, tmp_path, monkeypatch):
    import keras

    analysed, predict = [], keras.Model.predict
    monkeypatch.setattr(
        keras.Model,
        "predict",
        lambda self, segments, **options: (
            analysed.append(segments) or predict(self, segments, **options)
        ),
    )
    recipe = dataclasses.replace(RECIPE, epochs=1)
    other = dataclasses.replace(
        music, splits={split: clips[[0, 1]] for split, clips in music.splits.items()}
    )
    bundle = train(recipe, music, tmp_path, name="x", vote=vote, beside=[other], log=_nowhere)
    # Twelve clips of five segments in each of two lists, two of them beside in both again.
    assert sum(map(len, analysed)) == 2 * 14 * 5
    assert bundle.metrics["valid"]["n_tracks"] == bundle.metrics["test"]["n_tracks"] == 12
    assert bundle.metrics["beside"]["n_tracks"] == 2


def test_same_seed_same_network(music, tmp_path):
    recipe = dataclasses.replace(
        RECIPE, epochs=2, mixup=0.3, mask_bands=4, tilt_db=6.0, shift_bands=1, stretch=0.1
    )
    weights = []
    for seed in (1, 1, 2):
        bundle = train(recipe, music, tmp_path, name="x", vote=vote, seed=seed, log=_nowhere)
        weights.append(bundle.load_network().get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0] - weights[2]).max() > 0


def test_augmentation_keeps_shape_and_sum_of_targets():
    rng = np.random.default_rng(0)
    segments = rng.random((8, 16, 8)).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 8)]
    recipe = dataclasses.replace(
        RECIPE, mixup=0.5, mask_bands=6, mask_frames=4, tilt_db=12.0, shift_bands=2
    )
    changed, mixed = augment(segments, targets, recipe, FEATURES, rng)
    assert changed.shape == segments.shape
    assert np.isfinite(changed).all()
    np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-6)


def test_companions_are_averaged_into_one_network(music, tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=2, companions=(build,))
    bundle = train(recipe, music, tmp_path, name="two", vote=vote, log=_nowhere)
    assert bundle.training["epochs_run"] == [2, 2]
    network = load_bundle(tmp_path).load_network()
    members = [layer for layer in network.layers if layer.name.startswith("member")]
    assert len(members) == 2
    segments = np.random.default_rng(0).random((3, 16, 8)).astype(np.float32)
    mean = sum(np.asarray(member(segments)) for member in members) / 2
    np.testing.assert_allclose(np.asarray(network(segments)), mean, atol=1e-5)


def test_logs_can_be_watched_with_tensorboard(music, tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=1)
    logs = tmp_path / "logs"
    train(recipe, music, tmp_path / "bundle", name="x", vote=vote, logs=logs, log=_nowhere)
    assert list(logs.glob("member_1/train/events.out.tfevents.*"))


def test_rare_classes_are_analysed_as_often_as_common_ones(music):
    clips = music.splits["train"]
    few = clips[[0, 1, 3, 5, 7, 9, 11, 13]]  # one low clip, seven high ones
    batches = RandomSegments(RECIPE, FEATURES, few, 2, seed=0)
    targets = np.concatenate([batches[i][1] for i in range(len(batches))])
    np.testing.assert_array_equal(targets.sum(axis=0), len(targets) / 2)


def test_an_empty_list_is_said_before_any_training(music, tmp_path):
    lacking = {**music.splits, "test": music.splits["test"][[]]}
    with pytest.raises(DatasetError, match="no tracks for test"):
        train(RECIPE, dataclasses.replace(music, splits=lacking), tmp_path, name="x", vote=vote)


def test_what_is_saved_computes_in_single_precision(music, tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=1, precision="mixed_bfloat16")
    bundle = train(recipe, music, tmp_path, name="x", vote=vote, log=_nowhere)
    assert {layer.compute_dtype for layer in bundle.load_network().layers} == {"float32"}


def test_no_augmentation_changes_nothing():
    segments, targets = np.ones((2, 16, 8), np.float32), np.eye(2, dtype=np.float32)
    changed, same = augment(segments, targets, RECIPE, FEATURES, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, segments)
    np.testing.assert_array_equal(same, targets)


def test_gtzan_array_has_the_fault_filtered_split(shared_data):
    music = load_gtzan_array(shared_data / "gtzan")
    assert {split: len(clips) for split, clips in music.splits.items()} == {
        "train": 442,
        "valid": 197,
        "test": 290,
    }
    assert music.left_out == ("jazz.00054",)
    names = [name for clips in music.splits.values() for name in clips.names]
    assert len(names) == len(set(names))


def test_a_folder_without_the_array_is_said_to_lack_it(tmp_path):
    with pytest.raises(DatasetError, match=r"logmel\.npz is missing"):
        load_gtzan_array(tmp_path)
