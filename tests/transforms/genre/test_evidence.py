"""Evidence: what a library's tags say, and how much it counts against the sound."""

import dataclasses
import functools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.model.vocabulary import FAMILIES as FAMILY_OF
from genrebeam.transforms.genre.evidence import (
    LibraryGenres,
    ModelGenres,
    counts_of,
    decide_with_library,
    genres_named,
    key_by,
    keys_of,
    log_ratio,
    note_evidence,
    weighed,
)
from genrebeam.transforms.genre.vote import VotePolicy, decide
from genrebeam.transforms.records import (
    CATCH_ALL,
    DECIDED_BY,
    Evidence,
    FileTags,
    Outcome,
    Prediction,
    Stage,
    Status,
    Track,
)

KNOWN = ModelGenres(tuple(FAMILY_OF), tuple(FAMILY_OF.values()))
FEW = ModelGenres(("Rock", "Punk", "Jazz", "Blues"), ("Rock", "Rock", "Jazz", "Blues"))
DECIDE = functools.partial(
    decide, genres=FEW.names, policy=VotePolicy(level="family"), families=FEW.families
)


def analysed(probabilities, *evidence: Evidence, not_music=None) -> Prediction:
    track = Track("/m/a.mp3", "mp3", evidence=evidence)
    row = np.array(probabilities, np.float32)
    return Prediction(track, row[None], 0.1, 0.1, overall=row, not_music=not_music)


def says(kind: str, **files: float) -> Evidence:
    return Evidence(kind, tuple(files.items()))


def file(*genres: str, status=Status.KEPT, decided_by=None, uri="/m/x/1.mp3", **tags) -> Outcome:
    track = Track(uri, "mp3", tags=FileTags(genres=genres, **tags))
    stage = Stage.READ_TAGS
    return Outcome(track, status, stage, "", genres_after=genres, decided_by=decided_by)


@pytest.mark.parametrize(
    ("tag", "families"),
    [
        ("Punk Rock", {"Rock"}),
        ("drum and bass", {"Electronic"}),
        ("Hip Hop/Rap", {"Hip-Hop"}),
        ("Alternative & Punk", {"Rock"}),
        ("Rock; Jazz", {"Rock", "Jazz"}),
        ("Blues/Gezwitscher", {"Blues"}),
        ("R&B", {"R&B"}),
    ],
)
def test_a_tag_names_families(tag, families):
    printed = genres_named([tag], KNOWN)
    assert {FAMILY_OF[genre] for genre in printed} == families
    assert sum(printed.values()) == pytest.approx(1)


@pytest.mark.parametrize("tag", [*CATCH_ALL, "", " ", "/", "Gezwitscher", "(12)", "\udce9"])
def test_a_tag_that_is_no_genre_is_no_evidence(tag):
    assert genres_named([tag], KNOWN) == {}


def test_a_style_that_a_model_does_not_know_counts_as_its_family():
    assert genres_named(["Metal"], FEW) == {"Rock": 1}
    assert genres_named(["Metal"], ModelGenres(("Rock", "Metal"))) == {"Metal": 1}


@given(st.lists(st.text(st.characters(exclude_categories=[]), max_size=20), max_size=4))
def test_any_tags_are_one_file_or_none(tags):
    assert sum(genres_named(tags, KNOWN).values()) == pytest.approx(1) or not genres_named(
        tags, KNOWN
    )


def test_files_tell_what_they_share():
    one = file("Jazz", artist="Miles", album="Blue", uri="/m/Blue/CD1/1.mp3")
    other = Track("/m/Blue/CD 2/1.mp3", "mp3", tags=FileTags(artist="MILES ", album="Hits"))
    library = LibraryGenres(FEW)
    library.add(one)
    library.add(one)
    printed = dict(library.counts())
    assert set(printed) == set(keys_of(one.track).values())
    for kind in keys_of(other):
        key = key_by(other, kind)
        (other,) = note_evidence((key, {"tracks": [other], "counts": [printed.get(key, {})]}), kind)
    assert other.evidence == (says("artist", Jazz=2), says("folder", Jazz=2))
    assert pickle.loads(pickle.dumps(other)) == other


def test_various_artists_are_no_artist():
    track = Track("/m/a.mp3", "mp3", tags=FileTags(artist="Various Artists"))
    assert "artist" not in keys_of(track)


@pytest.mark.parametrize(
    "outcome",
    [
        file("Jazz", decided_by="audio"),
        file("Jazz", status=Status.TAGGED),
        file("Jazz", status=Status.WOULD_TAG),
        file("Jazz", custom=(("GENREBEAM_MODEL", "m 1"),)),
        file("Other"),
        file(),
    ],
)
def test_own_guesses_and_what_is_no_genre_are_no_evidence(outcome):
    assert list(counts_of(outcome, FEW)) == []


def test_without_evidence_the_sound_decides_bit_for_bit():
    track = analysed([0.3, 0.3, 0.2, 0.2])
    with_library = decide_with_library(track, DECIDE, FEW)
    assert with_library == DECIDE(track)
    assert with_library.decided_by == "audio"


def test_the_artists_files_decide_where_the_sound_is_unsure():
    decision = decide_with_library(
        analysed([0.2, 0.2, 0.3, 0.3], says("artist", Jazz=4)), DECIDE, FEW
    )
    assert (decision.genres, decision.decided_by) == (("Jazz",), "artist")
    assert decision.family_alone[0] == "Rock"
    assert "Jazz in 4 of 4 other tagged files of its artist; by its sound alone: Rock 0.40" in (
        decision.reason
    )


def test_weak_evidence_of_several_kinds_can_decide_together():
    unlike = analysed([0.8, 0.02, 0.16, 0.02], *(says(k, Jazz=1) for k in ("album", "folder")))
    decision = decide_with_library(unlike, DECIDE, FEW)
    assert (decision.genres, decision.decided_by) == (("Jazz",), "several")


def test_what_is_no_music_gets_no_genre_from_its_artist():
    spoken = analysed([0.2, 0.2, 0.3, 0.3], says("artist", Jazz=4), not_music="Speech (0.9)")
    assert decide_with_library(spoken, DECIDE, FEW) == DECIDE(spoken)


def test_a_style_in_the_tags_is_the_likelier_style():
    policy = VotePolicy(level="style", style_confidence=0.3)
    vote = functools.partial(decide, genres=FEW.names, policy=policy, families=FEW.families)
    unsure = analysed([0.5, 0.4, 0.05, 0.05], says("album", Punk=5))
    assert decide_with_library(unsure, vote, FEW).genres == ("Punk",)


probabilities = st.lists(st.floats(0.001, 1), min_size=4, max_size=4).map(
    lambda row: np.array(row, np.float32) / np.float32(sum(row))
)
kinds = st.lists(st.sampled_from(["artist", "album", "folder"]), min_size=1, unique=True)


@given(probabilities, kinds, st.floats(0.1, 1e4))
def test_agreeing_tags_never_lower_a_confidence(row, kinds, files):
    alone = DECIDE(analysed(row))
    family = alone.family[0]
    both = decide_with_library(
        analysed(row, *(says(k, **{family: files}) for k in kinds)), DECIDE, FEW
    )
    assert both.family[0] == family
    assert both.confidence >= alone.confidence - 1e-6
    assert both.decided_by == "audio"


counts = st.lists(st.floats(0, 1e3), min_size=4, max_size=4)


@given(probabilities, st.dictionaries(st.sampled_from(["artist", "album", "folder"]), counts))
def test_any_evidence_gives_probabilities(row, printed):
    evidence = [says(k, **dict(zip(FEW.names, n, strict=True))) for k, n in printed.items()]
    track = analysed(row, *evidence)
    decision = decide_with_library(track, DECIDE, FEW)
    assert sum(decision.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert all(0 <= value <= 1 for value in decision.probabilities.values())
    assert decision.decided_by in DECIDED_BY


def test_trust_grows_with_files_and_falls_with_disagreement():
    def odds(*files: float) -> float:
        ratios = log_ratio(np.array(files))
        return ratios[0] - ratios[2]

    assert 0 < odds(1, 0, 0) < odds(3, 0, 0) < odds(30, 0, 0) < 6
    assert odds(3, 3, 0) < odds(3, 0, 0)
    assert odds(1, 1, 1) == pytest.approx(0)


def test_a_heap_of_all_kinds_says_nothing():
    assert not log_ratio(np.array([9.0, 5, 5, 5, 5])).any()


def test_segments_that_vote_by_majority_count_evidence_too():
    track = dataclasses.replace(
        analysed([0.4, 0.0, 0.3, 0.3], says("artist", Jazz=9)),
        probabilities=np.full((3, 4), [0.4, 0.0, 0.3, 0.3], np.float32),
    )
    assert (
        weighed(track, track.track.evidence, FEW).probabilities.argmax(axis=1).tolist() == [2] * 3
    )
