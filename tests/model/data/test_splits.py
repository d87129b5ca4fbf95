"""Splits: who is in which list."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.model.data.clips import SPLITS
from genrebeam.model.data.splits import LEAST_ARTISTS, LEAST_TRACKS, random_split, split_by_artist
from genrebeam.pipeline.training.datasets.gtzan import load_gtzan_array
from tests.model.data.test_clips import GENRES, make_music

TRACKS = st.lists(
    st.tuples(st.sampled_from("abc"), st.text(min_size=1, max_size=2)), min_size=1, max_size=120
)


@given(TRACKS)
def test_no_artist_is_in_two_lists_and_every_label_is_in_all(tracks):
    labels, artists = zip(*tracks, strict=True)
    lists, small = split_by_artist(labels, artists)
    of_artist, of_label = defaultdict(set), defaultdict(set)
    for label, artist, split in zip(labels, artists, lists, strict=True):
        assert (split is None) == (label in small)
        if split:
            of_artist[artist.casefold()].add(split)
            of_label[label].add(split)
    assert all(len(found) == 1 for found in of_artist.values())
    assert all(found == set(SPLITS) for found in of_label.values())


@given(TRACKS, st.randoms())
def test_order_of_the_tracks_does_not_matter(tracks, random):
    lists, _ = split_by_artist(*zip(*tracks, strict=True))
    shuffled = random.sample(range(len(tracks)), len(tracks))
    again, _ = split_by_artist(*zip(*(tracks[n] for n in shuffled), strict=True))
    assert [lists[n] for n in shuffled] == again


def test_lists_have_their_shares_of_each_label():
    labels = [label for label in "ab" for _ in range(300)]
    artists = [f"{label}{number // 3}" for label in "ab" for number in range(300)]
    lists, small = split_by_artist(labels, artists)
    assert not small
    for label in "ab":
        found = [at for at, of in zip(lists, labels, strict=True) if of == label]
        assert found.count("test") == pytest.approx(60, abs=3)
        assert found.count("valid") == pytest.approx(30, abs=3)


def test_an_artist_with_much_music_is_learned_from():
    artists = ["Bach"] * 50 + [f"artist {number}" for number in range(30)]
    lists, _ = split_by_artist(["Classical"] * 80, artists)
    assert lists[0] == "train"


def test_spellings_of_an_artist_are_one():
    artists = ["AC/DC", "ac dc", "AcDc", *(f"artist {number}" for number in range(9))]
    lists, _ = split_by_artist(["Rock"] * 12, artists)
    assert len(set(lists[:3])) == 1


@pytest.mark.parametrize(("n_tracks", "n_artists"), [(9, 9), (30, 2)])
def test_a_label_with_too_little_music_is_left_out_with_the_reason(n_tracks, n_artists):
    labels = ["Folk"] * n_tracks + ["Rock"] * 20
    artists = [f"folk {n % n_artists}" for n in range(n_tracks)] + [f"{n}" for n in range(20)]
    lists, small = split_by_artist(labels, artists)
    assert set(small) == {"Folk"}
    assert f"has {n_tracks} of {n_artists}" in small["Folk"]
    assert f"needs {LEAST_TRACKS} tracks of {LEAST_ARTISTS} artists" in small["Folk"]
    assert set(lists[:n_tracks]) == {None}


@pytest.mark.parametrize(
    "tracks",
    [{"Bach": 60, "Haydn": 5, "Mozart": 4, "Liszt": 3}, {"a": 8, "b": 1, "c": 1}],
    ids=["four", "three"],
)
def test_a_label_with_one_dominant_artist_is_kept(tracks):
    artists = [artist for artist, count in tracks.items() for _ in range(count)]
    lists, small = split_by_artist(["Classical"] * len(artists), artists)
    assert not small
    assert set(lists) == {"train", "valid", "test"}


def test_random_split_is_70_to_30_over_all_clips():
    music = make_music("x", GENRES, n=100)
    divided = random_split(music, 1)
    assert {split: len(clips) for split, clips in divided.splits.items()} == {
        "train": 189,
        "valid": 21,
        "test": 90,
    }
    names = [name for clips in divided.splits.values() for name in clips.names]
    assert sorted(names) == sorted(n for clips in music.splits.values() for n in clips.names)
    assert divided.splits["test"].names == random_split(music, 1).splits["test"].names
    assert divided.splits["test"].names != random_split(music, 2).splits["test"].names


def test_random_split_keeps_pictures_and_targets_with_their_names():
    music = make_music("x", GENRES)
    before = {
        name: (clips.values[n], clips.targets[n])
        for clips in music.splits.values()
        for n, name in enumerate(clips.names)
    }
    for clips in random_split(music, 0).splits.values():
        for number, name in enumerate(clips.names):
            log_mel, target = before[name]
            np.testing.assert_array_equal(clips.values[number], log_mel)
            assert clips.targets[number] == target


def test_random_split_of_the_gtzan_array_reaches_all_clips(shared_data):
    music = load_gtzan_array(shared_data / "gtzan")
    assert len(music.unlisted) == 999 - 929
    divided = random_split(music, 0)
    assert sum(len(clips) for clips in divided.splits.values()) == 999
    assert len(divided.splits["test"]) == 300
