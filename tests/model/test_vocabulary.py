"""Vocabulary: the genres that people use, and what others call them."""

import numpy as np
import pytest

from genrebeam.model.backbones.mn04 import read_labels
from genrebeam.model.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from genrebeam.model.data.clips import Clips, LabelledMusic
from genrebeam.model.evaluation.correspondence import OTHER, correspondences
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.genres import spell
from genrebeam.model.vocabulary import FAMILIES, GENRES, SYNONYMS, columns_of, family_of, meant_by
from genrebeam.pipeline.training.datasets.gtzan import GTZAN_GENRES
from genrebeam.pipeline.training.datasets.homburg import HOMBURG_GENRES

ASKED_FOR = """Rock, Alternative, Indie, Punk, Metal, Hard Rock, Progressive Rock, Pop, R&B, Soul,
Funk, Disco, Hip-Hop, Reggae, Ska, Blues, Country, Bluegrass, Folk, Jazz, Swing, Classical, Opera,
Electronic, House, Techno, Trance, Drum & Bass, Dubstep, Ambient, New Age, Latin, Flamenco, African,
Indian, Middle Eastern, Gospel, Soundtrack, Children's Music, Salsa"""
NAMES = tuple(FAMILIES)


def test_has_the_genres_that_people_use():
    assert set(NAMES) == {name.strip() for name in ASKED_FOR.replace("\n", " ").split(",")}
    assert len(NAMES) == len(GENRES)


def test_is_what_the_default_model_says():
    bundle = load_bundle(DEFAULT_BUNDLE)
    assert bundle.genres == NAMES
    assert bundle.families == tuple(FAMILIES.values())


def test_names_are_spelled_as_taggers_spell_them():
    # Neither is on ID3v1's list.
    for name in set(NAMES) - {"African", "Indian", "Middle Eastern"}:
        assert spell(name) == name


def test_a_family_is_the_style_of_what_is_nothing_more_special():
    for name, family in FAMILIES.items():
        assert FAMILIES.get(family, family) == family, name
    # World has no music of no narrower kind.
    assert set(FAMILIES.values()) - set(NAMES) == {"World"}


@pytest.mark.parametrize("genre", GENRES, ids=NAMES)
def test_every_sound_is_a_class_of_audioset(genre):
    assert set(genre.sounds) <= set(read_labels())
    assert genre.sounds


def test_synonyms_mean_genres_that_there_are():
    for name, meant in SYNONYMS.items():
        assert meant, name
        assert set(meant) <= set(NAMES), name
        assert meant_by(name) == meant, name


def test_a_family_is_found_by_any_name():
    assert family_of("alt. rock") == family_of("Rock") == "Rock"
    assert family_of("Bollywood") == family_of("World") == "World"
    assert family_of("Polka") is None


@pytest.mark.parametrize("names", [tuple(GTZAN_GENRES.values()), tuple(HOMBURG_GENRES.values())])
def test_data_sets_are_reported_in_our_genres(names):
    columns = columns_of(names, NAMES, tuple(FAMILIES.values()))
    assert set(columns) - {-1} == set(range(len(names)))  # each can be said


def test_the_nearest_name_counts():
    families = tuple(FAMILIES.values())
    columns = columns_of(["Metal", "Rock", "Alt. Rock"], NAMES, families)
    places = dict(zip(NAMES, columns, strict=True))
    assert [places[name] for name in ("Metal", "Punk", "Alternative", "Jazz")] == [0, 1, 2, -1]


def music(genres: tuple[str, ...], targets: list[int]) -> LabelledMusic:
    clips = Clips(
        tuple(f"{number}" for number in range(len(targets))),
        tuple(np.zeros((4, 8), np.float16) for _ in targets),
        np.array(targets, dtype=np.int64),
    )
    return LabelledMusic("m", genres, genres, {"test": clips}, FeatureSpec())


def bundle(genres: tuple[str, ...], families: tuple[str, ...] = ()) -> Bundle:
    return Bundle("", "b", "", genres, genres, FeatureSpec(), families=families)


def test_a_model_of_the_same_genres_is_measured_in_its_own_classes():
    found = correspondences(music(("Rock", "Blues"), [0, 1, 1]), "test", bundle(("Blues", "Rock")))
    assert list(found) == ["genres"]
    assert found["genres"].names == ("Blues", "Rock")
    assert found["genres"].targets.tolist() == [1, 0, 0]


def test_styles_are_joined_to_what_the_data_calls_them():
    genres, families = ("Metal", "Punk", "Jazz", "Swing"), ("Rock", "Rock", "Jazz", "Jazz")
    found = correspondences(
        music(("Polka", "Jazz", "Alternative", "Metal"), [0, 1, 3]),
        "test",
        bundle(genres, families),
    )
    exact = found["genres"]
    assert exact.names == ("Jazz", "Metal", OTHER)
    assert exact.clips.tolist() == [1, 2]  # it cannot say Polka
    assert exact.targets.tolist() == [0, 1]
    np.testing.assert_allclose(exact.join(np.array([[0.4, 0.3, 0.2, 0.1]])), [[0.3, 0.4, 0.3]])
    family = found["families"]
    assert family.names == ("Jazz", "Rock")
    np.testing.assert_allclose(family.join(np.array([[0.4, 0.3, 0.2, 0.1]])), [[0.3, 0.7]])


def test_a_model_that_knows_none_of_the_genres_cannot_be_measured():
    assert correspondences(music(("Polka",), [0]), "test", bundle(("Metal",), ("Rock",))) == {}
