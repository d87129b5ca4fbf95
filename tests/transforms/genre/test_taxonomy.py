"""Taxonomy: the user's names, checked at the start."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.pipeline.cli import main
from genrebeam.transforms.genre.taxonomy import Taxonomy, TaxonomyError, load_taxonomy
from genrebeam.transforms.genre.vote import VotePolicy, decide
from genrebeam.transforms.records import Prediction, Track
from tests.conftest import GENRES


def decided(taxonomy: Taxonomy, *rows, **policy):
    prediction = Prediction(Track("/a.mp3", "mp3"), np.array(rows, np.float32), 0.1, 0.1)
    return decide(prediction, GENRES, VotePolicy(**policy), taxonomy)


def test_renamed_genre_is_written_by_its_new_name():
    decision = decided(Taxonomy(rename={"Jazz": "Swing"}), [0.2, 0.7, 0.1])
    assert decision.genres == ("Swing",)
    assert set(decision.probabilities) == {"Blues", "Swing", "Rock"}


def test_children_add_up_to_their_parent():
    taxonomy = Taxonomy(parent={"Blues": "Rock"})
    decision = decided(taxonomy, [0.3, 0.4, 0.3], [0.1, 0.7, 0.2], top_k=2)
    assert decision.genres == ("Jazz", "Rock")
    assert decision.probabilities == pytest.approx({"Rock": 0.45, "Jazz": 0.55})
    assert decision.votes == {"Rock": 1, "Jazz": 1}


def test_dropped_genre_is_refused_not_replaced_by_the_second_best():
    decision = decided(Taxonomy(drop=("Jazz",)), [0.2, 0.7, 0.1])
    assert decision.genres == ()
    assert decision.reason == "Jazz is dropped by the taxonomy"
    assert decided(Taxonomy(drop=("Jazz",)), [0.5, 0.3, 0.2], top_k=3).genres == ("Blues", "Rock")


def test_no_taxonomy_changes_nothing():
    assert decided(Taxonomy(), [0.2, 0.7, 0.1]).genres == ("Jazz",)


def test_reads_what_is_documented(tmp_path):
    path = tmp_path / "taxonomy.toml"
    path.write_text(
        '[rename]\n"Jazz" = "Swing"\n[parent]\n"Blues" = "Roots"\n[drop]\ngenres = ["Rock"]\n'
    )
    taxonomy = load_taxonomy(str(path))
    taxonomy.check(GENRES)
    assert taxonomy == Taxonomy({"Jazz": "Swing"}, {"Blues": "Roots"}, ("Rock",))


def test_what_is_not_on_the_whitelist_is_refused():
    assert decided(Taxonomy(whitelist=("rock",)), [0.2, 0.7, 0.1]).genres == ()
    assert decided(Taxonomy(whitelist=("JAZZ",)), [0.2, 0.7, 0.1]).genres == ("Jazz",)


@pytest.mark.parametrize(
    ("genres", "cleaned"),
    [
        (["hip hop"], ("Rap",)),  # alias, then name
        (["Death Metal", "Rock"], ("Rock",)),  # pattern, then parent, once
        (["Schlager", "Live "], ("Live ",)),  # what nothing names stays as it is
        (["Schlager"], ()),
        ([], ()),
    ],
)
def test_genres_of_files_get_the_names_of_the_taxonomy(genres, cleaned):
    taxonomy = Taxonomy(
        rename={"Hip-Hop": "Rap"},
        parent={"Metal": "Rock"},
        drop=("schlager",),
        alias={"Hip Hop": "Hip-Hop"},
        pattern={".*metal": "Metal"},
    )
    assert taxonomy.clean(genres) == cleaned


def test_a_whitelist_is_all_that_stays():
    taxonomy = Taxonomy(rename={"Hip-Hop": "Rap"}, whitelist=("Rap", "Rock"))
    assert taxonomy.clean(["Hip-hop", "Live", "rock"]) == ("Rap", "rock")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Death Metal; Hip Hop; Foo", ("Metal", "Hip-Hop", "Foo")),
        ("Foo; Death Metal", ("Foo", "Metal")),
        ("Foo; Bar", ("Foo; Bar",)),
        ("Rock; Roll", ("Rock & Roll",)),
        (";", (";",)),
    ],
)
def test_of_several_genres_in_one_text_each_gets_its_name(text, cleaned):
    alias = {"Hip Hop": "Hip-Hop", "Rock; Roll": "Rock & Roll"}
    assert Taxonomy(alias=alias, pattern={".*metal": "Metal"}).clean([text]) == cleaned


@given(st.lists(st.text(max_size=20), max_size=5))
def test_an_empty_taxonomy_loses_no_genre(genres):
    cleaned = Taxonomy().clean(genres)
    assert {genre.casefold() for genre in cleaned} == {genre.casefold() for genre in genres}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[rename", "not TOML"),
        ('[pattern]\n"(" = "Rock"\n', "no pattern"),
        ("[whitelist]\nnames = []\n", "must have one list"),
        ("[names]\n", "unknown table names"),
        ('[rename]\n"Jaz" = "Swing"\n', "Jaz: not a genre of the model"),
        ('[rename]\n"Jazz" = 3\n', "must map genres to names"),
        ('[drop]\n"Jazz" = true\n', "must have one list"),
        ('[rename]\n"Jazz" = "Rock"\n', "Rock: several genres get this name"),
        ('[parent]\n"Blues" = "Jazz"\n"Jazz" = "Rock"\n', "has a parent itself"),
        ('[rename]\n"Jazz" = "17"\n', "is another genre's number in ID3"),
        ('[rename]\n"Jazz" = " Rap "\n', "has spaces at an end"),
        ('[rename]\n"Jazz" = "ROCK"\n', "several genres get this name"),
        ('[parent]\n"Blues" = "Jazz"\n[drop]\ngenres = ["Blues"]\n', "becomes its parent"),
        (None, "No such file"),
    ],
)
def test_a_taxonomy_that_does_not_fit_is_wrong_usage(tmp_path, tiny_bundle, capsys, text, reason):
    path = tmp_path / "taxonomy.toml"
    if text is not None:
        path.write_text(text)
    library = tmp_path / "library"
    library.mkdir()
    arguments = ["--bundle", tiny_bundle.path, "--taxonomy", str(path)]
    assert main(["tag", str(library), *arguments]) == 2
    shown = capsys.readouterr().err
    assert reason in shown
    assert len(shown.splitlines()) == 1


def test_error_names_the_file(tmp_path):
    with pytest.raises(TaxonomyError, match=r"none\.toml"):
        load_taxonomy(str(tmp_path / "none.toml"))
