"""Data sets: what a folder is, who is in which list, several as one."""

import dataclasses
from collections import defaultdict
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.clips import SPLITS, Clips, LabelledMusic, join
from model.data.datasets import load_music, recognise
from model.data.fma import FMA_ARRAY, load_fma_array
from model.data.gtzan import GTZAN_ARRAY, load_gtzan_array
from model.data.splits import LEAST_ARTISTS, LEAST_TRACKS, random_split, split_by_artist
from model.data.training_set import DatasetError
from model.feature_spec import FeatureSpec
from model.genres import spell

GENRES = ("Electronic", "Rock")


def make_music(name: str, labels: tuple[str, ...], n: int = 6) -> LabelledMusic:
    rng = np.random.default_rng(0)
    splits = {
        split: Clips(
            names=tuple(f"{name} {split} {number}" for number in range(n)),
            log_mel=tuple(rng.random((n, 4, 20)).astype(np.float16)),
            targets=np.arange(n) % len(labels),
        )
        for split in SPLITS
    }
    spec = FeatureSpec(n_mels=4, segment_frames=8)
    return LabelledMusic(name, labels, tuple(spell(label) for label in labels), splits, spec)


def write_fma_array(folder: Path, n: int = 200) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    np.savez(
        folder / "logmel.npz",
        mel=rng.integers(0, 64, (n, 107, 128), dtype=np.uint8),
        track=np.arange(n),
        genre=np.array([GENRES[i % 2] for i in range(n)]),
        artist=np.array([str(i // 4) for i in range(n)]),
        split=np.array(["test" if i < 40 else "training" for i in range(n)]),
    )


# --- Lists by artist ------------------------------------------------------------------

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
    assert f"{n_tracks} tracks of {n_artists} artists" in small["Folk"]
    assert f"at least {LEAST_TRACKS} of {LEAST_ARTISTS} are needed" in small["Folk"]
    assert set(lists[:n_tracks]) == {None}


# --- Other lists ----------------------------------------------------------------------


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
        name: (clips.log_mel[n], clips.targets[n])
        for clips in music.splits.values()
        for n, name in enumerate(clips.names)
    }
    for clips in random_split(music, 0).splits.values():
        for number, name in enumerate(clips.names):
            log_mel, target = before[name]
            np.testing.assert_array_equal(clips.log_mel[number], log_mel)
            assert clips.targets[number] == target


def test_random_split_of_the_gtzan_array_reaches_all_clips(shared_data):
    music = load_gtzan_array(shared_data / "gtzan")
    assert len(music.unlisted) == 999 - 929
    divided = random_split(music, 0)
    assert sum(len(clips) for clips in divided.splits.values()) == 999
    assert len(divided.splits["test"]) == 300


# --- Several data sets ----------------------------------------------------------------


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
    assert len(train) == len(train.log_mel) == len(train.names) == 12


def test_sets_of_other_segments_can_be_joined_but_not_of_other_frames():
    music = make_music("a", GENRES)
    longer = dataclasses.replace(music.features, segment_frames=9)
    assert join([music, dataclasses.replace(music, features=longer)]).features == music.features
    other = dataclasses.replace(music.features, hop_length=256)
    with pytest.raises(DatasetError, match="same frames"):
        join([music, dataclasses.replace(music, features=other)])


# --- Arrays ---------------------------------------------------------------------------


def test_fma_bands_are_the_lowest_of_128():
    filters = librosa.filters.mel(sr=44100, n_fft=2048, n_mels=128)
    ours = librosa.filters.mel(
        sr=44100, n_fft=2048, n_mels=FMA_ARRAY.n_mels, fmax=FMA_ARRAY.fmax_hz
    )
    np.testing.assert_allclose(ours, filters[:107], atol=1e-7)


def test_fma_columns_are_30_s_over_128():
    assert FMA_ARRAY.frame_seconds == pytest.approx(30 / 128)


def test_fma_array_is_scaled_and_split_by_artist(tmp_path):
    write_fma_array(tmp_path)
    music = load_fma_array(tmp_path)
    assert music.genres == GENRES
    sizes = {split: len(clips) for split, clips in music.splits.items()}
    assert sizes == {"train": 144, "valid": 16, "test": 40}
    artists = {
        split: {int(name) // 4 for name in clips.names} for split, clips in music.splits.items()
    }
    assert not artists["train"] & artists["valid"]
    clip = music.splits["train"].log_mel[0]
    assert clip.shape == (107, 128)
    assert clip.dtype == np.float16
    assert max(clip.max() for clip in music.splits["train"].log_mel) == 1.0


def test_real_fma_array(shared_data):
    music = load_fma_array(shared_data / "fma_small")
    assert len(music.labels) == 8
    assert "Hip-Hop" in music.genres
    assert len(music.splits["test"]) == 789
    assert sum(len(clips) for clips in music.splits.values()) == 7904
    counts = np.bincount(music.splits["valid"].targets, minlength=8)
    assert counts.min() > 70


def test_a_broken_array_is_told_in_one_line(tmp_path):
    (tmp_path / "logmel.npz").write_bytes(b"no array")
    with pytest.raises(DatasetError, match="not the array"):
        load_music(tmp_path)


# --- What a folder is -----------------------------------------------------------------


def test_folders_are_recognised_by_what_is_in_them(tmp_path):
    for place in ("kaggle/Data/genres_original/blues", "genres/blues", "flat", "fma/000", "mine/b"):
        (tmp_path / place).mkdir(parents=True)
    for file in (
        "kaggle/Data/genres_original/blues/blues.00000.wav",
        "genres/blues/blues.00000.au",
        "flat/rock.00001.flac",
        "fma/000/000002.mp3",
        "mine/b/song.mp3",
    ):
        (tmp_path / file).touch()
    (tmp_path / "fma_metadata").mkdir()
    write_fma_array(tmp_path / "array")
    assert recognise(tmp_path / "array") == ("fma", "array")
    assert recognise(tmp_path / "kaggle") == ("gtzan", "audio")
    assert recognise(tmp_path / "genres") == ("gtzan", "audio")
    assert recognise(tmp_path / "flat") == ("gtzan", "audio")
    assert recognise(tmp_path / "mine") == (None, "audio")
    (tmp_path / "fma_metadata" / "tracks.csv").touch()
    assert recognise(tmp_path / "fma") == ("fma", "audio")


def test_shared_folders_are_recognised(shared_data):
    assert recognise(shared_data / "gtzan") == ("gtzan", "array")
    assert recognise(shared_data / "gtzan" / "audio") == ("gtzan", "audio")
    assert recognise(shared_data / "fma_small") == ("fma", "array")
    assert recognise(shared_data / "magnatune") == (None, "audio")


def test_audio_cannot_be_loaded_as_it_is(tmp_path):
    with pytest.raises(DatasetError, match="neither an array"):
        load_music(tmp_path)


def test_gtzan_array_is_loaded_as_what_it_is(shared_data):
    assert load_music(shared_data / "gtzan").features == GTZAN_ARRAY


# --- Genre names ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("hiphop", "Hip-Hop"),
        ("Hip Hop", "Hip-Hop"),
        ("HIP-HOP", "Hip-Hop"),
        ("r&b", "R&B"),
        ("drum and bass", "Drum & Bass"),
        ("rock", "Rock"),
        ("EDM", "EDM"),
        ("film_music", "Film Music"),
        ("pop funk", "Pop Funk"),
        ("Liedermacher", "Liedermacher"),
    ],
)
def test_genres_are_spelled_as_id3_does(name, spelled):
    assert spell(name) == spelled


@given(st.text())
def test_a_spelled_genre_stays_as_it_is(name):
    assert spell(spell(name)) == spell(name)


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


def test_a_clip_shorter_than_a_segment_is_heard_in_a_loop():
    clips = Clips(("short",), (np.arange(6, dtype=np.float16).reshape(2, 3),), np.array([0]))
    np.testing.assert_array_equal(clips.cut(0, [0], 5), [[[0, 1, 2, 0, 1], [3, 4, 5, 3, 4]]])


def test_a_folder_of_gtzan_beside_the_tables_of_fma_is_gtzan(tmp_path):
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").touch()
    (tmp_path / "gtzan" / "blues").mkdir(parents=True)
    (tmp_path / "gtzan" / "blues" / "blues.00000.wav").touch()
    assert recognise(tmp_path / "gtzan") == ("gtzan", "audio")
