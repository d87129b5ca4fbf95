"""A training that was stopped goes on as if it had not been."""

import dataclasses

import numpy as np
import pytest

from genrebeam.model.data.clips import Clips, LabelledMusic
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes import Recipe
from genrebeam.model.training.train import train
from genrebeam.transforms.genre.vote import vote

FEATURES = FeatureSpec(n_mels=8, segment_frames=4)


def build(features: FeatureSpec, n_classes: int):
    import keras

    segments = keras.Input((features.n_mels, features.segment_frames))
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(segments))
    return keras.Model(segments, keras.layers.Dense(n_classes, name="logits")(x), name="dense")


RECIPE = Recipe("dense", FEATURES, build, epochs=6, batch_size=8, mixup=0.3)


class Stopped(Exception):
    """What the power cut would have done."""


@pytest.fixture
def music() -> LabelledMusic:
    """Noise that is louder for the second class."""
    rng = np.random.default_rng(0)
    splits = {}
    for split in ("train", "valid", "test"):
        targets = np.arange(16) % 2
        clips = rng.random((16, 8, 16)) + targets[:, None, None] * 0.2
        names = tuple(f"{split}{number}" for number in range(16))
        splits[split] = Clips(names, tuple(clips.astype(np.float16)), targets)
    return LabelledMusic("noise", ("low", "high"), ("Low", "High"), splits, FEATURES)


@pytest.fixture(autouse=True)
def checkpoint_each_epoch(monkeypatch):
    monkeypatch.setattr("genrebeam.model.training.checkpoint._EVERY_S", -1.0)


def _train(music, folder, log=lambda line: None, **settings):
    recipe = dataclasses.replace(RECIPE, **settings)
    return train(recipe, music, folder, name="x", vote=vote, log=log)


def _stopped_after(music, folder, line_with, **settings):
    def log(line):
        if line_with in line:
            raise Stopped

    with pytest.raises(Stopped):
        _train(music, folder, log, **settings)


@pytest.mark.parametrize("members", [(), (build,)], ids=["one", "two"])
def test_resumed_training_gives_the_same_network(music, tmp_path, members):
    whole = _train(music, tmp_path / "whole", companions=members)
    _stopped_after(music, tmp_path / "parts", "epoch 3/6", companions=members)
    lines = []
    parts = _train(music, tmp_path / "parts", lines.append, companions=members)
    assert "goes on after epoch 3/6" in lines[0]
    assert sum("epoch 4/6" in line for line in lines) == 1 + len(members)
    assert parts.training == whole.training
    assert parts.metrics == whole.metrics
    for one, other in zip(
        whole.load_network().get_weights(), parts.load_network().get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_finished_member_is_not_trained_again(music, tmp_path):
    calls = []

    def log(line):
        calls.append(line)
        if len(calls) == 8:
            raise Stopped

    with pytest.raises(Stopped):
        _train(music, tmp_path, log, companions=(build,))
    lines = []
    _train(music, tmp_path, lines.append, companions=(build,))
    assert next(line for line in lines if "accuracy" in line).startswith("dense: epoch 3/6")


def test_a_checkpoint_of_other_settings_is_thrown_away(music, tmp_path):
    _stopped_after(music, tmp_path, "epoch 3/6")
    lines = []
    _train(music, tmp_path, lines.append, mixup=0.0)
    assert lines[0].startswith("dense: epoch 1/6")


def test_a_damaged_checkpoint_is_thrown_away(music, tmp_path):
    _stopped_after(music, tmp_path, "epoch 3/6")
    (tmp_path / "checkpoint" / "member_1" / "state.json").write_text("{")
    lines = []
    _train(music, tmp_path, lines.append)
    assert lines[0].startswith("dense: epoch 1/6")


def test_nothing_is_left_of_the_checkpoint_beside_the_bundle(music, tmp_path):
    _train(music, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "bundle.json",
        "model.keras",
    ]


def test_a_checkpoint_cut_off_by_a_power_cut_is_thrown_away(music, tmp_path):
    _stopped_after(music, tmp_path, "epoch 3/6")
    for file in (tmp_path / "checkpoint" / "member_1").glob("best-*.npz"):
        file.write_bytes(b"")
    lines = []
    _train(music, tmp_path, lines.append)
    assert lines[0].startswith("dense: epoch 1/6")


def test_other_labels_of_the_same_clips_are_another_training(music, tmp_path):
    _stopped_after(music, tmp_path, "epoch 3/6")
    clips = music.splits["train"]
    turned = dataclasses.replace(clips, targets=1 - clips.targets)
    corrected = dataclasses.replace(music, splits={**music.splits, "train": turned})
    lines = []
    _train(corrected, tmp_path, lines.append)
    assert lines[0].startswith("dense: epoch 1/6")
