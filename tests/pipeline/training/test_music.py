"""Data sets: what a folder is, and whether it can be read."""

import pytest

from genrebeam.model.data.training_set import DatasetError
from genrebeam.pipeline.training.datasets.gtzan import GTZAN_ARRAY
from genrebeam.pipeline.training.music import load_music, recognise
from tests.pipeline.training.datasets.test_fma import write_fma_array


def test_a_broken_array_is_reported_in_one_line(tmp_path):
    (tmp_path / "logmel.npz").write_bytes(b"no array")
    with pytest.raises(DatasetError, match="not the array"):
        load_music(tmp_path)


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
    assert recognise(shared_data / "magnatune") == (None, "audio")


def test_audio_cannot_be_loaded_as_it_is(tmp_path):
    with pytest.raises(DatasetError, match="neither an array"):
        load_music(tmp_path)


def test_gtzan_array_is_loaded_as_what_it_is(shared_data):
    assert load_music(shared_data / "gtzan").features == GTZAN_ARRAY


def test_a_folder_of_gtzan_beside_the_tables_of_fma_is_gtzan(tmp_path):
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").touch()
    (tmp_path / "gtzan" / "blues").mkdir(parents=True)
    (tmp_path / "gtzan" / "blues" / "blues.00000.wav").touch()
    assert recognise(tmp_path / "gtzan") == ("gtzan", "audio")
