"""Map: tracks that sound alike are near each other, and nothing depends on chance."""

import numpy as np
import pytest

from genrebeam.pipeline.by_ear.analysed import analysed_tracks
from genrebeam.pipeline.by_ear.map import MORE_FACTS, NO_GENRE, family, map_of_library
from tests.pipeline.by_ear import track, write_run


@pytest.fixture
def music(tmp_path):
    """A report of tracks that are there."""

    def music(embeddings, genres=None):
        names = [f"{number:03}.mp3" for number in range(len(embeddings))]
        (tmp_path / "m").mkdir()
        for name in names:
            (tmp_path / "m" / name).touch()
        rows = [
            track(
                str(tmp_path / "m" / name),
                embedding,
                genres_after=[] if genres is None else genres[number],
            )
            for number, (name, embedding) in enumerate(zip(names, embeddings, strict=True))
        ]
        write_run(tmp_path / "reports", *rows[::-1], library=str(tmp_path / "m"))
        return tmp_path / "m"

    return music


def mapped(tmp_path, missing=None):
    analysed = analysed_tracks(str(tmp_path / "reports"), MORE_FACTS)
    return map_of_library(analysed, [] if missing is None else missing)


def test_tracks_that_sound_alike_are_near_each_other(tmp_path, music):
    chance = np.random.default_rng(0)
    kinds = np.repeat(np.eye(3, 20), 20, axis=0)
    music(kinds + 0.1 * chance.standard_normal(kinds.shape))
    places = mapped(tmp_path).places
    middles = places.reshape(3, 20, 2).mean(axis=1)
    distances = np.linalg.norm(places[:, None] - middles, axis=2)
    np.testing.assert_array_equal(distances.argmin(axis=1), np.repeat(np.arange(3), 20))
    assert (places.min(), places.max()) == pytest.approx((0, 1), abs=1e-5)


def test_the_same_reports_give_the_same_map(tmp_path, music):
    music(np.random.default_rng(0).standard_normal((40, 8)))
    np.testing.assert_array_equal(mapped(tmp_path).places, mapped(tmp_path).places)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_tracks", [1, 2, 3, 5, 10, 11])
@pytest.mark.parametrize("n_dimensions", [1, 2, 60])
def test_a_few_tracks_have_a_map(tmp_path, music, n_tracks, n_dimensions):
    music(np.random.default_rng(0).standard_normal((n_tracks, n_dimensions)))
    places = mapped(tmp_path).places
    assert places.shape == (n_tracks, 2)
    assert ((places >= 0) & (places <= 1)).all()


@pytest.mark.filterwarnings("error")
def test_copies_of_one_recording_are_all_in_one_place(tmp_path, music):
    music(np.ones((12, 4)))
    np.testing.assert_array_equal(mapped(tmp_path).places, np.full((12, 2), 0.5))


def test_files_that_are_gone_are_left_out_and_reported(tmp_path, music):
    folder = music(np.eye(3))
    (folder / "001.mp3").unlink()
    missing = []
    found = mapped(tmp_path, missing)
    assert missing == [str(folder / "001.mp3")]
    assert found.tracks["title"].to_pylist() == ["000", "002"]


def test_where_nothing_is_there_any_more_the_map_is_empty(tmp_path, music):
    folder = music(np.eye(2))
    for path in folder.iterdir():
        path.unlink()
    assert mapped(tmp_path).places.shape == (0, 2)


def test_tracks_are_ordered_by_path_and_coloured_by_the_family_of_the_first_genre(tmp_path, music):
    music(np.eye(4), [["Punk", "Jazz"], ["Hip Hop"], ["Polka"], []])
    found = mapped(tmp_path)
    assert found.tracks["title"].to_pylist() == ["000", "001", "002", "003"]
    assert found.families == ["Rock", "Hip-Hop", "Polka", NO_GENRE]
    assert family(None) == NO_GENRE
