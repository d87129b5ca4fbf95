"""Labelled audio becomes a training set, through the same graph and features as tagging."""

import csv
import dataclasses
import os
import shutil
from pathlib import Path

import mutagen
import numpy as np
import pyarrow as pa
import pytest
import soundfile

from genrebeam.model.data.clips import SPLITS
from genrebeam.model.data.training_set import (
    DatasetError,
    LabelledClip,
    read_clips,
    read_facts,
    write_clips,
)
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.pipeline.graphs import prepare as preparing
from genrebeam.pipeline.graphs.prepare import clip_of, prepare
from genrebeam.pipeline.runs import interruption
from genrebeam.pipeline.training.datasets import dataset_named
from genrebeam.pipeline.training.datasets.dataset import Label, with_header
from genrebeam.pipeline.training.datasets.gtzan import GTZAN_ARRAY, load_gtzan_array
from genrebeam.pipeline.training.music import load_training_set
from genrebeam.transforms.audio.extract import extract_contiguous
from genrebeam.transforms.audio.features import extract
from genrebeam.transforms.records import Features, FileTags, Track
from genrebeam.transforms.tags.header import read_headers
from tests.conftest import tone

SPEC = FeatureSpec(sample_rate_hz=8000, n_fft=512, hop_length=256, n_mels=16, segment_frames=20)


def write_song(path: Path, seconds: float = 1.5, seed: int = 0, **tags: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, 8000, seed=seed), 8000)
    if tags:
        file = mutagen.File(path, easy=True)
        file.update(tags)
        file.save()


def write_damaged(path: Path) -> None:
    """The first bytes of its format, and noise."""
    path.write_bytes(b"RIFF" + np.random.default_rng(0).bytes(4000))


def names_of(music, split: str) -> tuple[str, ...]:
    return music.splits[split].names


def label(dataset: str, root: Path, file: str, **tags) -> Label | None:
    track = Track(str(root / file), file.rpartition(".")[2], tags=FileTags(**tags))
    return dataset_named(dataset).labelling(str(root))(track)


# --- Labels ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        "genres/blues/blues.00012.wav",
        "blues.00012.au",
        "Data/genres_original/blues/blues.00012.wav",
    ],
)
def test_gtzan_is_known_by_its_file_names(tmp_path, file):
    found = label("gtzan", tmp_path, file)
    assert (found.name, found.label, found.split) == ("blues.00012", "blues", None)


def test_gtzan_renamed_is_known_by_its_folders(tmp_path):
    assert label("gtzan", tmp_path, "genres/hiphop/My Song.mp3").label == "hiphop"
    assert label("gtzan", tmp_path, "genres/polka/My Song.mp3") is None


@pytest.mark.parametrize("place", [".", "..", "lists"])
def test_gtzan_lists_are_found_beside_and_above_the_audio(tmp_path, place):
    root = tmp_path / "audio"
    (root / place).mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        (root / place / f"{split}_filtered.txt").write_text(
            f"rock/rock.0000{SPLITS.index(split)}.wav"
        )
    found = [label("gtzan", root, f"rock/rock.0000{number}.au").split for number in range(4)]
    assert found == ["train", "valid", "test", None]


def test_homburg_folders_may_lie_anywhere(tmp_path):
    assert label("homburg", tmp_path, "audio/folkcountry/x.mp3", artist="Baez") == Label(
        "audio/folkcountry/x.mp3", "folkcountry", "Baez"
    )
    assert label("homburg", tmp_path, "docs/x.mp3") is None


def test_first_folder_is_the_genre_and_the_next_stands_for_the_artist(tmp_path):
    nested = label("folders", tmp_path, "hip hop/Some One/An Album/x.mp3")
    assert (nested.label, nested.artist) == ("Hip-Hop", "hip hop/Some One")
    assert label("folders", tmp_path, "jazz/x.mp3").artist == "jazz/x.mp3"
    assert label("folders", tmp_path, "jazz/x.mp3", artist="Evans").artist == "Evans"
    assert label("folders", tmp_path, "x.mp3") is None


def test_one_genre_is_named_by_its_own_folder(tmp_path):
    found = label("one-genre", tmp_path / "electronic", "Some One/x.mp3")
    assert found == Label("electronic/Some One/x.mp3", "Electronic", "Some One")


def test_tags_that_say_nothing_are_no_label(tmp_path):
    assert label("tags", tmp_path, "a/x.mp3", genres=("hip hop", "Rock")).label == "Hip-Hop"
    assert label("tags", tmp_path, "a/x.mp3", genres=("other", "Rock")).label == "Rock"
    assert label("tags", tmp_path, "a/x.mp3", shadow=("Rock",)).label == "Rock"
    assert label("tags", tmp_path, "a/x.mp3", genres=("Unknown",)) is None
    assert label("tags", tmp_path, "a/x.mp3") is None


def test_real_songs_are_labelled_by_their_tags(shared_data):
    root = shared_data / "songs"
    labelling = dataset_named("tags").labelling(str(root))
    files = [p for p in sorted(root.iterdir()) if p.suffix in (".mp3", ".ogg", ".m4a", ".flac")]
    tracks = [
        with_header(Track(str(path), path.suffix[1:]), found)
        for path, found in zip(files, read_headers([*map(str, files)]).result(), strict=True)
    ]
    labels = [labelling(track) for track in tracks]
    assert len(labels) == 5
    assert any(labels)
    assert None in labels
    for found, track in zip(labels, tracks, strict=True):
        assert found is None or found.artist == track.tags.artist


# --- FMA ------------------------------------------------------------------------------


def write_fma(root: Path) -> None:
    """Audio of twelve tracks and their table, whose last track has no top genre."""
    (root / "fma_metadata").mkdir(parents=True)
    splits = ["training"] * 6 + ["validation"] * 2 + ["test"] * 4
    with open(root / "fma_metadata" / "tracks.csv", "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["", "artist", "artist", "set", "track", "track"])
        rows.writerow(["", "bio", "id", "split", "genre_top", "title"])
        rows.writerow(["track_id", "", "", "", "", ""])
        for number, split in enumerate(splits, start=130998):
            genre = "" if number == 131009 else ("Hip-Hop", "Folk")[number % 2]
            rows.writerow([number, "long\n" * 40_000, number % 5, split, genre, "a, b"])
            write_song(root / "fma_small" / str(number)[:3] / f"{number}.mp3", seed=number)
    write_song(root / "fma_small" / "000" / "000002.mp3")


def test_fma_audio_has_labels_and_splits_of_its_table(tmp_path):
    write_fma(tmp_path)
    music = prepare(tmp_path / "fma_small", "fma", SPEC, tmp_path / "set", processes=1)
    assert music.labels == ("Folk", "Hip-Hop")
    assert names_of(music, "train") == tuple(str(n) for n in range(130998, 131004))
    assert names_of(music, "valid") == ("131004", "131005")
    assert names_of(music, "test") == ("131006", "131007", "131008")
    assert list(music.splits["valid"].targets) == [1, 0]
    assert {clip.artist for clip in read_clips(tmp_path / "set")} == set("01234")
    assert read_facts(tmp_path / "set").n_unlabelled == 2


@pytest.mark.parametrize("text", ["", "a,b\nc,d\n", "x\n\xff"])
def test_a_strange_table_of_fma_is_reported_in_one_line(tmp_path, text):
    (tmp_path / "tracks.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match="not FMA's table"):
        dataset_named("fma").labelling(str(tmp_path))


def test_fma_without_its_table_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"tracks\.csv"):
        prepare(tmp_path, "fma", SPEC, tmp_path / "set")


# --- The graph ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """Two genres of twelve artists, one with too few, and what cannot be analysed."""
    root = tmp_path_factory.mktemp("library")
    for number in range(24):
        genre, artist = ("hiphop", "jazz")[number % 2], f"artist {number // 2}"
        path = root / genre / artist / f"{number}.flac"
        write_song(path, 1.5 + number / 10, number, artist=artist, genre="Other")
    write_song(root / "polka" / "x" / "x.wav")
    write_song(root / "no genre.wav")
    write_song(root / "jazz" / "short.wav", 0.05)
    write_damaged(root / "jazz" / "damaged.wav")
    (root / "jazz" / "empty.mp3").touch()
    return root


@pytest.fixture(scope="module")
def prepared(library, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("set") / "new"
    prepare(library, "folders", SPEC, out, processes=1, log=lambda line: None)
    return out


def test_a_library_of_folders_is_split_by_artist(prepared):
    music = load_training_set(prepared)
    assert music.labels == music.genres == ("Hip-Hop", "Jazz")
    assert sum(len(clips) for clips in music.splits.values()) == 24
    assert min(len(clips) for clips in music.splits.values()) >= 2
    artists = [{Path(n).parent.name for n in names_of(music, split)} for split in SPLITS]
    assert sum(map(len, artists)) == len(set().union(*artists)) == 12
    assert names_of(music, "train") == tuple(sorted(names_of(music, "train")))


def test_what_is_left_out_is_counted_with_stage_and_reason(prepared):
    facts = read_facts(prepared)
    assert facts.counts == {"Hip-Hop": 12, "Jazz": 12, "Polka": 1}
    assert facts.n_unlabelled == 1
    left_out = {os.path.basename(file.path): file for file in facts.left_out}
    assert set(left_out) == {"short.wav", "damaged.wav", "empty.mp3"}
    assert (left_out["empty.mp3"].stage, left_out["empty.mp3"].error_type) == (
        "read_tags",
        "TagReadError",
    )
    assert left_out["damaged.wav"].error_type in ("TagReadError", "DecodeError")
    assert (left_out["short.wav"].stage, left_out["short.wav"].error_type) == ("decode", None)
    assert all(file.reason for file in left_out.values())
    music = load_training_set(prepared)
    (small,) = music.too_small
    assert small.startswith("Polka: needs 10 tracks of 3 artists, has 1 of 1")
    printed = music.left_out
    assert any("empty.mp3 (read_tags: TagReadError: empty file;" in line for line in printed)


def test_features_are_those_of_the_tagger(prepared, library):
    clips = {clip.name: clip for clip in read_clips(prepared)}
    for name in ("jazz/artist 0/1.flac", "hiphop/artist 11/22.flac"):
        clip = clips[name]
        whole = dataclasses.replace(SPEC, segment_frames=clip.features.shape[1])
        analysed = extract(clip.path, "flac", whole).values[0]
        np.testing.assert_array_equal(clip.features, analysed)
        seconds = soundfile.info(library / name).duration
        assert clip.features.shape[1] == SPEC.count_frames(int(seconds * 8000))


def test_a_loaded_set_is_a_view_of_its_files(prepared):
    before, open_files = pa.total_allocated_bytes(), len(os.listdir("/proc/self/fd"))
    music = load_training_set(prepared)
    clips = [clip for split in music.splits.values() for clip in split.values]
    assert pa.total_allocated_bytes() - before < sum(clip.nbytes for clip in clips) / 4
    for clip in clips:
        assert clip.dtype == np.float16
        owner = clip
        while isinstance(owner, np.ndarray):
            assert not owner.flags.owndata
            owner = owner.base
        assert isinstance(owner, pa.Buffer | memoryview)
    assert len(os.listdir("/proc/self/fd")) == open_files


@pytest.fixture
def analysed_again(monkeypatch) -> list[str]:
    """Which sets were made anew; nothing is made."""
    made = []

    def refuse(folder):
        made.append(folder)
        raise DatasetError(folder, "made anew")

    monkeypatch.setattr(preparing, "start_set", refuse)
    return made


def test_a_complete_set_is_taken_again(library, prepared, analysed_again):
    music = prepare(library, "folders", SPEC, prepared)
    assert not analysed_again
    assert len(music.splits["train"]) > 10


def test_another_question_makes_it_anew(library, prepared, analysed_again, tmp_path):
    other = dataclasses.replace(SPEC, n_mels=17)
    changed = tmp_path / "library"
    shutil.copytree(library, changed)
    for arguments in (
        (library, "folders", other, prepared),
        (library, "tags", SPEC, prepared),
        (changed, "folders", SPEC, prepared),
    ):
        with pytest.raises(DatasetError, match="made anew"):
            prepare(*arguments)
    assert len(analysed_again) == 3


def test_a_new_file_or_list_is_another_library(tmp_path):
    write_song(tmp_path / "rock.00000.wav")
    prints = [preparing.fingerprint_of(str(tmp_path), "gtzan", SPEC)]
    write_song(tmp_path / "rock.00001.wav")
    prints.append(preparing.fingerprint_of(str(tmp_path), "gtzan", SPEC))
    for split in SPLITS:
        (tmp_path / f"{split}_filtered.txt").write_text("rock/rock.00000.wav\n")
    prints.append(preparing.fingerprint_of(str(tmp_path), "gtzan", SPEC))
    assert len(set(prints)) == 3


def test_a_run_that_is_ended_early_leaves_no_complete_set(library, tmp_path):
    interruption._requested.set()
    try:
        with pytest.raises(KeyboardInterrupt):
            prepare(library, "folders", SPEC, tmp_path, processes=1)
    finally:
        interruption._requested.clear()
    with pytest.raises(DatasetError, match="no complete training set"):
        load_training_set(tmp_path)


def test_a_set_that_is_not_complete_is_not_loaded(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "set")
    (tmp_path / "set" / "training_set.json").unlink()
    with pytest.raises(DatasetError, match="no complete training set"):
        load_training_set(tmp_path / "set")


def test_a_damaged_part_is_reported_in_one_line(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "set")
    next((tmp_path / "set").glob("part-*.arrow")).write_bytes(b"ARROW1")
    with pytest.raises(DatasetError, match="not a part of a training set"):
        load_training_set(tmp_path / "set")


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "part-of-my-life.mp3").touch()
    (tmp_path / "part-1.arrow").touch()
    (tmp_path / "part-0123456789ab.arrow").touch()
    preparing.start_set(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "part-1.arrow",
        "part-of-my-life.mp3",
    ]


def test_a_library_without_music_is_refused(tmp_path):
    (tmp_path / "library").mkdir()
    with pytest.raises(DatasetError, match="no audio files"):
        prepare(tmp_path / "library", "tags", SPEC, tmp_path / "set", processes=1)
    with pytest.raises(DatasetError, match="no such folder"):
        prepare(tmp_path / "nowhere", "tags", SPEC, tmp_path / "set")


def test_gtzan_audio_of_both_formats_with_its_damaged_file(tmp_path):
    root = tmp_path / "genres"
    for number, (genre, suffix) in enumerate([("blues", "au"), ("jazz", "wav")] * 2):
        write_song(root / genre / f"{genre}.0000{number}.{suffix}", seed=number)
    write_damaged(root / "jazz" / "jazz.00054.wav")
    lists = {"train": "blues.00000", "valid": "jazz.00001", "test": "blues.00002"}
    for split, name in lists.items():
        (root / f"{split}_filtered.txt").write_text(f"{name.split('.')[0]}/{name}.wav\n")
    music = prepare(root, "gtzan", SPEC, tmp_path / "set", processes=1)
    assert len(music.labels) == 10
    assert {split: clips.names for split, clips in music.splits.items()} == {
        split: (name,) for split, name in lists.items()
    }
    assert music.unlisted.names == ("jazz.00003",)
    assert len(music.left_out) == 1
    assert "jazz.00054.wav" in music.left_out[0]
    au = {clip.name: clip.features for clip in read_clips(tmp_path / "set")}["blues.00000"]
    soundfile.write(tmp_path / "same.wav", *soundfile.read(root / "blues" / "blues.00000.au"))
    analysed = extract(
        str(tmp_path / "same.wav"), "wav", dataclasses.replace(SPEC, segment_frames=47)
    )
    np.testing.assert_allclose(au, analysed.values[0], atol=2e-3)


def test_real_gtzan_audio_equals_the_array(shared_data, tmp_path):
    music = prepare(shared_data / "gtzan" / "audio", "gtzan", GTZAN_ARRAY, tmp_path, processes=1)
    array = load_gtzan_array(shared_data / "gtzan")
    assert {split: len(clips) for split, clips in music.splits.items()} == {
        "train": 3,
        "valid": 5,
        "test": 2,
    }
    for split, clips in music.splits.items():
        pictures = dict(zip(names_of(array, split), array.splits[split].values, strict=True))
        for name, log_mel, target in zip(clips.names, clips.values, clips.targets, strict=True):
            assert name.split(".")[0] == music.labels[target]
            # Two clips have a few more frames, and were squeezed into the array's columns.
            if name not in ("country.00000", "disco.00000"):
                difference = log_mel[:, :387].astype(float) - pictures[name].astype(float)
                assert np.abs(difference).mean() * GTZAN_ARRAY.top_db < 0.15


def test_real_mp3_of_one_genre_is_split_by_artist(shared_data, tmp_path):
    library = tmp_path / "electronic"
    library.mkdir()
    for path in sorted((shared_data / "magnatune" / "electronic").glob("*.mp3"))[:24]:
        shutil.copy(path, library)
    music = prepare(library, "one-genre", GTZAN_ARRAY, tmp_path / "set", processes=1)
    assert (music.name, music.genres) == ("electronic", ("Electronic",))
    assert not music.left_out
    artist = {clip.name: clip.artist for clip in read_clips(tmp_path / "set")}
    artists = [{artist[name] for name in names_of(music, split)} for split in SPLITS]
    assert all(artists)
    assert sum(map(len, artists)) == len(set().union(*artists))


# --- Clips ----------------------------------------------------------------------------


def test_a_long_track_is_analysed_in_its_middle(tmp_path):
    path = tmp_path / "x.wav"
    samples = np.concatenate([tone(6, 8000), tone(6, 8000, seed=1) / 100])[:, 0]
    soundfile.write(path, samples, 8000)
    clip = extract_contiguous(str(path), "wav", SPEC, 4).values
    assert clip.shape == (1, 16, 80)
    level = clip[0].astype(float).mean(axis=0)
    assert level[:38].min() > level[42:].max()


def test_a_track_is_analysed_to_its_last_frame(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, tone(1.5, 8000), 8000)
    assert extract_contiguous(str(path), "wav", SPEC, 10).values.shape == (1, 16, 47)


def test_a_file_that_promises_more_than_it_holds_has_no_repetition(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, tone(8, 8000), 8000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 5 // 8])
    n_segments, _, width = extract_contiguous(str(path), "flac", SPEC, 100).values.shape
    assert width == SPEC.segment_frames
    assert 4 < n_segments * width / SPEC.count_frames(8000) < 5.5


def test_descriptors_stay_as_exact_as_they_are(tmp_path):
    values = np.random.default_rng(0).random((3, 57, 1), dtype=np.float32) * 1e6
    track = Track(str(tmp_path / "rock" / "x.mp3"), "mp3")
    clip = clip_of(Features(track, values, 0.0), dataset_named("folders").labelling(str(tmp_path)))
    write_clips([clip], tmp_path)
    (read,) = read_clips(tmp_path)
    assert read.features.dtype == np.float32
    np.testing.assert_array_equal(read.features, values[:, :, 0].T)


def test_a_part_written_twice_counts_once(tmp_path):
    clip = LabelledClip("a", "a.mp3", "rock", "x", None, np.zeros((2, 3), np.float16))
    write_clips([clip, dataclasses.replace(clip, name="b", path="b.mp3")], tmp_path)
    write_clips([clip], tmp_path)
    assert [clip.name for clip in read_clips(tmp_path)] == ["a", "b"]
