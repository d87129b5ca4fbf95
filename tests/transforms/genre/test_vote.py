"""Vote: two rules, and what is given or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genrebeam.transforms.genre.taxonomy import Taxonomy
from genrebeam.transforms.genre.vote import VotePolicy, decide, vote
from genrebeam.transforms.records import Prediction, Track
from tests.conftest import GENRES

TRACK = Track("/a.mp3", "mp3")


def prediction(*rows):
    return Prediction(TRACK, np.array(rows, dtype=np.float32), 0.1, 0.2)


def test_mean_takes_the_most_probable():
    decision = decide(prediction([0.6, 0.4, 0.0], [0.1, 0.7, 0.2]), GENRES, VotePolicy())
    assert decision.genres == ("Jazz",)
    assert decision.confidence == pytest.approx(0.55)
    assert decision.votes == {"Blues": 1, "Jazz": 1, "Rock": 0}
    assert decision.probabilities == pytest.approx({"Blues": 0.35, "Jazz": 0.55, "Rock": 0.1})
    assert decision.segments_analysed == 2


def test_majority_needs_more_than_half_of_all_votes():
    half = prediction([0.9, 0.1, 0.0], [0.1, 0.9, 0.0])
    refused = decide(half, GENRES, VotePolicy("majority"))
    assert refused.genres == ()
    assert refused.unsure
    assert refused.reason == "no majority: Blues leads with 1 of 2 segments"
    more = prediction([0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.2, 0.5, 0.3])
    assert decide(more, GENRES, VotePolicy("majority")).genres == ("Jazz",)


def test_below_the_minimum_confidence_it_is_unsure_and_names_the_two_likeliest():
    decision = decide(prediction([0.5, 0.2, 0.3]), GENRES, VotePolicy(min_confidence=0.51))
    assert decision.genres == ()
    assert decision.unsure
    assert decision.reason == "Blues 0.50 or Rock 0.30: below the minimum confidence of 0.51"


def test_at_the_minimum_confidence_is_given():
    decision = decide(prediction([0.5, 0.25, 0.25]), GENRES, VotePolicy(min_confidence=0.5))
    assert decision.genres == ("Blues",)
    assert not decision.unsure


def test_top_k_gives_more_genres_most_probable_first():
    decision = decide(prediction([0.2, 0.3, 0.5]), GENRES, VotePolicy(top_k=2))
    assert decision.genres == ("Rock", "Jazz")


def test_top_k_leaves_out_what_is_below_the_minimum_confidence():
    policy = VotePolicy(top_k=3, min_confidence=0.25)
    assert decide(prediction([0.2, 0.3, 0.5]), GENRES, policy).genres == ("Rock", "Jazz")


def test_unknown_rule_is_an_error():
    with pytest.raises(ValueError, match="loudest"):
        vote(np.ones((1, 3)), "loudest")


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(0, 1)))
def test_a_majority_is_never_shared(probabilities):
    winner, confidence = vote(probabilities, "majority")
    ballots = probabilities.argmax(axis=1)
    if winner is None:
        assert max((ballots == k).sum() for k in range(3)) * 2 <= len(ballots)
    else:
        assert (ballots == winner).sum() * 2 > len(ballots)
    assert 0 <= confidence <= 1


STYLES = ("Rock", "Punk", "Metal", "Jazz", "Swing")
OF = ("Rock", "Rock", "Rock", "Jazz", "Jazz")


def styled(*overall, level="style", least=0.3, top_k=1, minimum=0.0, unchecked=(), **options):
    rows = np.array([overall], dtype=np.float32)
    judged = Prediction(TRACK, rows, 0.1, 0.2, overall=rows[0], **options)
    policy = VotePolicy("mean", top_k, minimum, level, least, unchecked)
    return decide(judged, STYLES, policy, families=OF)


def test_families_are_voted_on_not_styles():
    decision = styled(0.2, 0.2, 0.15, 0.44, 0.01)
    assert decision.genres == ("Rock",)
    assert decision.confidence == pytest.approx(0.55)
    assert decision.family == ("Rock", pytest.approx(0.55))
    assert decision.style == ("Rock", pytest.approx(0.2))
    assert decision.votes == {"Rock": 1, "Jazz": 0}
    assert decision.probabilities["Jazz"] == pytest.approx(0.44)


def test_a_sure_style_is_written_and_an_unsure_one_backs_off_to_its_family():
    assert styled(0.1, 0.6, 0.1, 0.1, 0.1).genres == ("Punk",)
    unsure = styled(0.1, 0.6, 0.1, 0.1, 0.1, least=0.7)
    assert unsure.genres == ("Rock",)
    assert unsure.confidence == pytest.approx(0.8)
    assert unsure.style == ("Punk", pytest.approx(0.6))


def test_what_is_written_is_at_least_as_likely_as_asked_for():
    family = styled(0.1, 0.6, 0.1, 0.1, 0.1, minimum=0.7)
    assert (family.genres, family.unsure) == (("Rock",), False)
    assert styled(0.1, 0.6, 0.1, 0.1, 0.1, minimum=0.5).genres == ("Punk",)
    assert styled(0.1, 0.6, 0.1, 0.1, 0.1, minimum=0.85).unsure


def test_a_style_that_nobody_checked_is_written_as_its_family():
    decision = styled(0.1, 0.6, 0.1, 0.1, 0.1, unchecked=("Punk",))
    assert decision.genres == ("Rock",)
    assert decision.style == ("Punk", pytest.approx(0.6))


def test_a_style_that_nobody_checked_stays_unchecked_under_another_name():
    rows = np.array([[0.1, 0.6, 0.1, 0.1, 0.1]], dtype=np.float32)
    taxonomy = Taxonomy(rename={"Punk": "Punk Rock"})
    policy = VotePolicy(unchecked=("Punk",))
    judged = Prediction(TRACK, rows, 0.1, 0.2)
    assert decide(judged, STYLES, policy, taxonomy, OF).genres == ("Rock",)


def test_both_levels_are_two_genres_the_family_first():
    assert styled(0.1, 0.6, 0.1, 0.1, 0.1, level="both").genres == ("Rock", "Punk")
    assert styled(0.1, 0.6, 0.1, 0.1, 0.1, level="both", least=0.7).genres == ("Rock",)
    assert styled(0.5, 0.2, 0.1, 0.1, 0.1, level="both").genres == ("Rock",)
    two = styled(0.1, 0.5, 0.0, 0.4, 0.0, level="both", top_k=2)
    assert two.genres == ("Rock", "Punk", "Jazz")


def test_of_both_levels_the_one_that_the_taxonomy_drops_is_left_out():
    rows = np.array([[0.1, 0.6, 0.1, 0.1, 0.1]], dtype=np.float32)
    policy, judged = VotePolicy(level="both"), Prediction(TRACK, rows, 0.1, 0.2)
    without_rock = decide(judged, STYLES, policy, Taxonomy(drop=("Rock",)), OF)
    assert without_rock.genres == ("Punk",)


def test_the_level_of_families_never_writes_a_style():
    assert styled(0.0, 0.9, 0.1, 0.0, 0.0, level="family").genres == ("Rock",)


def test_a_familys_own_name_is_as_sure_as_the_family():
    decision = styled(0.5, 0.2, 0.1, 0.1, 0.1)
    assert (decision.genres, decision.confidence) == (("Rock",), pytest.approx(0.8))


def test_second_genres_are_of_other_families_and_likely_themselves():
    assert styled(0.1, 0.4, 0.1, 0.05, 0.35, top_k=3).genres == ("Punk", "Swing")
    assert styled(0.1, 0.6, 0.2, 0.05, 0.05, top_k=3).genres == ("Punk",)


def test_all_segments_together_decide_not_their_mean():
    rows = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]], np.float32)
    judged = Prediction(TRACK, rows, 0.1, 0.2, overall=np.array([0.2, 0.7, 0.1], np.float32))
    decision = decide(judged, GENRES, VotePolicy())
    assert (decision.genres, decision.confidence) == (("Jazz",), pytest.approx(0.7))
    assert decision.votes == {"Blues": 2, "Jazz": 0, "Rock": 0}
    assert decide(judged, GENRES, VotePolicy("majority")).genres == ("Blues",)


def test_what_is_no_music_gets_no_genre():
    decision = styled(0.1, 0.6, 0.1, 0.1, 0.1, not_music="Speech (0.90), music 0.01")
    assert decision.genres == ()
    assert decision.reason == "not music: Speech (0.90), music 0.01"
