"""Clips: cut into segments, several data sets as one."""

import dataclasses

import numpy as np
import pytest

from genrebeam.model.data.clips import SPLITS, Clips, LabelledMusic, join
from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.genres import spell

GENRES = ("Electronic", "Rock")


def make_music(name: str, labels: tuple[str, ...], n: int = 6) -> LabelledMusic:
    rng = np.random.default_rng(0)
    splits = {
        split: Clips(
            names=tuple(f"{name} {split} {number}" for number in range(n)),
            values=tuple(rng.random((n, 4, 20)).astype(np.float16)),
            targets=np.arange(n) % len(labels),
        )
        for split in SPLITS
    }
    spec = FeatureSpec(n_mels=4, segment_frames=8)
    return LabelledMusic(name, labels, tuple(spell(label) for label in labels), splits, spec)


def test_joined_sets_have_the_union_of_their_genres():
    both = join([make_music("a", ("rock", "jazz")), make_music("b", ("electronic", "Rock"))])
    assert both.labels == ("rock", "jazz", "electronic")
    assert both.genres == ("Rock", "Jazz", "Electronic")
    assert both.name == "a + b"
    train = both.splits["train"]
    assert [both.genres[target] for target in train.targets] == ["Rock", "Jazz"] * 3 + [
        "Electronic",
        "Rock",
    ] * 3
    assert len(train) == len(train.values) == len(train.names) == 12


def test_sets_of_other_segments_can_be_joined_but_not_of_other_frames():
    music = make_music("a", GENRES)
    longer = dataclasses.replace(music.features, segment_frames=9)
    assert join([music, dataclasses.replace(music, features=longer)]).features == music.features
    other = dataclasses.replace(music.features, hop_length=256)
    with pytest.raises(DatasetError, match="same frames"):
        join([music, dataclasses.replace(music, features=other)])


def test_a_clip_shorter_than_a_segment_is_analysed_in_a_loop():
    clips = Clips(("short",), (np.arange(6, dtype=np.float16).reshape(2, 3),), np.array([0]))
    np.testing.assert_array_equal(clips.cut(0, [0], 5), [[[0, 1, 2, 0, 1], [3, 4, 5, 3, 4]]])
