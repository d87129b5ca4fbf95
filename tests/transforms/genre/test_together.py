"""Together: what belongs to one album, what sounds alike, and what they decide."""

import dataclasses
import functools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genrebeam.transforms.genre.ptransforms import _MOST_WAITING, VoteTogether
from genrebeam.transforms.genre.together import (
    MOST_TOGETHER,
    album_of,
    alike,
    artist_of,
    group_key,
    vote_together,
    with_group,
)
from genrebeam.transforms.genre.vote import VotePolicy, decide
from genrebeam.transforms.in_flight import never
from genrebeam.transforms.records import FileTags, Group, Prediction, Track
from tests.conftest import GENRES

VOTE = functools.partial(decide, genres=GENRES, policy=VotePolicy())


def track(uri="/music/a/1.mp3", **tags) -> Track:
    return Track(uri, "mp3", tags=FileTags(**tags))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            track(album="Blue", album_artist="Joni"),
            track("/b/2.mp3", album="BLUE ", album_artist="joni"),
        ),
        (
            track(album="Wall (Disc 1)", album_artist="P"),
            track(album="Wall [CD2: Live]", album_artist="P"),
        ),
        (track(album="Wall - CD 1", artist="P"), track(album="Wall, disc 2", artist="Q")),
        (track("/a/CD1/1.mp3"), track("/a/CD 2/1.mp3")),
        (track("/a/Disc 1 - Live/1.mp3", album="X"), track("/a/disc2/1.mp3", album="x")),
        (track("gs://music/a/1.mp3"), track("gs://music/a/2.mp3")),
        (track("/a/1.mp3", artist="A "), track("/a/2.mp3", artist="a")),
    ],
)
def test_one_album(one, other):
    assert album_of(one) == album_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (track(album="Hits", album_artist="A"), track(album="Hits", album_artist="B")),
        (track("/a/1.mp3", album="Hits"), track("/b/1.mp3", album="Hits")),
        (
            track("/a/1.mp3", album="Hits", album_artist="Various Artists"),
            track("/b/1.mp3", album="Hits", album_artist="Various Artists"),
        ),
        (track("/a/1.mp3"), track("/b/1.mp3")),
        (track("/a/1.mp3", album="One"), track("/a/2.mp3", album="Two")),
        (track(album="Disc 1", album_artist="A"), track(album="Disc 2", album_artist="A")),
        (track("/cd1x/1.mp3"), track("/cd2x/1.mp3")),
        (track("/heap/1.mp3", artist="A"), track("/heap/2.mp3", artist="B")),
        (track("/heap/1.mp3", artist="A"), track("/heap/2.mp3")),
    ],
)
def test_different_albums(one, other):
    assert album_of(one) != album_of(other)


def test_an_artist_is_the_albums_or_else_the_tracks():
    assert artist_of(track(artist="A feat. B", album_artist="A")) == artist_of(track(artist="a"))
    various = track(artist="A", album_artist="Various Artists")
    assert artist_of(various) == artist_of(track(artist="A"))
    assert artist_of(track()) is None


def test_tracks_without_an_artist_are_alone():
    assert group_key(track("/a.mp3"), "artist") != group_key(track("/b.mp3"), "artist")


@given(st.text(st.characters(exclude_categories=[])), st.text(st.characters(exclude_categories=[])))
def test_any_name_makes_a_key_that_can_be_written(uri, album):
    one = track(uri, album=album)
    for by in ("album", "artist"):
        group_key(one, by).encode()


def test_a_group_is_noted_in_its_tracks():
    grouped = list(with_group("album\0x", [track("/b"), track("/a")]))
    assert [one.uri for one in grouped] == ["/a", "/b"]
    assert {one.group for one in grouped} == {Group("album\0x", 2)}
    assert pickle.loads(pickle.dumps(grouped)) == grouped


@pytest.mark.parametrize("n", [1, MOST_TOGETHER["album"] + 1])
def test_one_track_is_no_group_nor_is_a_heap(n):
    alone = list(with_group("album\0x", iter([track(f"/{number}") for number in range(n)])))
    assert len(alone) == n
    assert {one.group for one in alone} == {None}


def near(direction: int, n: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.1, (n, 8))
    return (np.eye(8)[direction] + noise).astype(np.float32)


def test_what_sounds_different_is_left_out():
    assert alike(np.concatenate([near(0, 5), near(1, 1)])).tolist() == [True] * 5 + [False]


def test_a_compilation_is_not_alike():
    assert not alike(np.eye(8, dtype=np.float32)).any()
    assert not alike(np.concatenate([near(kind, 2) for kind in range(5)])).any()


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 12), st.integers(1, 4)),
        elements=st.floats(-1, 1, width=32),
    )
)
def test_those_alike_are_at_least_two_and_two_thirds(embeddings):
    inside = alike(embeddings)
    assert inside.shape == (len(embeddings),)
    assert not inside.any() or inside.sum() >= max(2, len(embeddings) * 2 / 3)


def album(*members, n_tracks=None) -> list[Prediction]:
    """Tracks of one album, each a row of probabilities and a direction of its embedding."""
    group = Group("album\0x", n_tracks or len(members))
    return [
        Prediction(
            dataclasses.replace(track(f"/{number}.mp3"), group=group),
            np.array([probabilities], np.float32),
            0.1,
            0.2,
            embedding=near(direction, 1, number)[0],
        )
        for number, (probabilities, direction) in enumerate(members)
    ]


BLUES, UNSURE, ROCK = [0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]


@pytest.mark.parametrize("key", ["album\0/music\0", "album\0/music\0\0miles davis"])
def test_files_that_name_no_album_are_those_of_a_folder(key):
    tracks = album((BLUES, 0), (BLUES, 0), (BLUES, 0))
    named = [
        dataclasses.replace(one, track=dataclasses.replace(one.track, group=Group(key, 3)))
        for one in tracks
    ]
    decisions = vote_together(named, VOTE)
    assert decisions[0].reason == "vote of 3 tracks of its folder"


def test_an_album_has_one_genre_and_says_what_each_track_is_alone():
    decisions = vote_together(album((BLUES, 0), (UNSURE, 0), (BLUES, 0)), VOTE)
    assert [one.genres for one in decisions] == [("Blues",)] * 3
    assert [one.genres_alone for one in decisions] == [("Blues",), ("Jazz",), ("Blues",)]
    assert [one.tracks_voted for one in decisions] == [3] * 3
    assert len({one.confidence for one in decisions}) == 1
    assert decisions[0].reason == "vote of 3 tracks of its album"
    assert decisions[1].reason == "vote of 3 tracks of its album; alone: Jazz"
    assert decisions[1].probabilities["Jazz"] == pytest.approx(0.4)


def test_a_track_far_from_its_album_keeps_its_own_genre():
    decisions = vote_together(album((BLUES, 0), (BLUES, 0), (BLUES, 0), (ROCK, 3)), VOTE)
    assert decisions[3].genres == decisions[3].genres_alone == ("Rock",)
    assert decisions[3].tracks_voted == 1
    assert decisions[3].reason == "mean of 1 segment; sounds unlike its album"


@pytest.mark.parametrize(("key", "voted"), [("album\0artist\0title", 4), ("album\0/heap\0", 1)])
def test_files_that_name_no_album_have_to_be_more_alike(key, voted):
    shared, own = np.eye(8)[0] * 0.5, np.eye(8)[1:5] * np.sqrt(0.75)  # cosines of 0.25
    tracks = [
        dataclasses.replace(
            one,
            track=dataclasses.replace(one.track, group=Group(key, 4)),
            embedding=(shared + own[number]).astype(np.float32),
        )
        for number, one in enumerate(album(*[(BLUES, 0)] * 4))
    ]
    assert {one.tracks_voted for one in vote_together(tracks, VOTE)} == {voted}


def test_a_far_track_of_the_same_family_has_the_albums_style():
    styles = functools.partial(
        decide,
        genres=("Rock", "Punk", "Jazz"),
        policy=VotePolicy(),
        families=("Rock", "Rock", "Jazz"),
    )
    punk, rock = [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]
    decisions = vote_together(album((punk, 0), (punk, 0), (punk, 0), (rock, 3)), styles)
    assert [one.genres for one in decisions] == [("Punk",)] * 4
    assert decisions[3].genres_alone == ("Rock",)
    assert decisions[3].tracks_voted == 3


def test_a_compilation_keeps_the_genres_of_its_tracks():
    decisions = vote_together(album((BLUES, 0), (ROCK, 1), (UNSURE, 2)), VOTE)
    assert [one.genres for one in decisions] == [("Blues",), ("Rock",), ("Jazz",)]


def test_what_is_no_music_neither_votes_nor_gets_a_genre():
    spoken, *music = album((ROCK, 0), (BLUES, 0), (BLUES, 0))
    spoken = dataclasses.replace(spoken, not_music="Speech (0.9)")
    decisions = vote_together([spoken, *music], VOTE)
    assert [one.genres for one in decisions] == [(), ("Blues",), ("Blues",)]
    assert decisions[0].reason == "not music: Speech (0.9)"


def test_an_unsure_album_leaves_each_track_its_own_genre():
    sure = functools.partial(decide, genres=GENRES, policy=VotePolicy(min_confidence=0.6))
    decisions = vote_together(album((BLUES, 0), (ROCK, 0)), sure)
    assert [one.genres for one in decisions] == [("Blues",), ("Rock",)]


def test_a_track_that_would_be_unsure_alone_gets_its_albums_genre():
    sure = functools.partial(decide, genres=GENRES, policy=VotePolicy(min_confidence=0.5))
    decisions = vote_together(album((BLUES, 0), (UNSURE, 0), (BLUES, 0)), sure)
    assert decisions[1].genres == ("Blues",)
    assert decisions[1].genres_alone == ()
    assert (
        "alone: Jazz 0.40 or Blues 0.30: below the minimum confidence of 0.50"
        in decisions[1].reason
    )


def bundle_of(step: VoteTogether, predictions: list[Prediction]) -> tuple[list, list]:
    """What a step says to a bundle of elements as they come, and at its end."""
    step.start_bundle()
    said = [windowed.value for one in predictions for windowed in step.process(one)]
    return said, [windowed.value for windowed in step.finish_bundle()]


def test_a_complete_album_does_not_wait_for_others():
    complete = album((BLUES, 0), (BLUES, 0))
    first, last = bundle_of(VoteTogether(VOTE, never), complete)
    assert ([one.tracks_voted for one in first], last) == ([2, 2], [])
    assert [one.embedding for one in first] == [None, None]


def test_a_track_that_cannot_be_analysed_is_not_waited_for_forever():
    rest = album((BLUES, 0), (BLUES, 0), n_tracks=3)
    first, last = bundle_of(VoteTogether(VOTE, never), rest)
    assert (first, [one.tracks_voted for one in last]) == ([], [2, 2])


def test_few_albums_wait_at_a_time():
    waiting = [
        dataclasses.replace(
            one, track=dataclasses.replace(one.track, group=Group(f"album\0{number}", 3))
        )
        for number in range(_MOST_WAITING + 5)
        for one in album((BLUES, 0), (BLUES, 0))
    ]
    first, last = bundle_of(VoteTogether(VOTE, never), waiting)
    assert (len(first), len(last)) == (10, 2 * _MOST_WAITING)
    assert {one.tracks_voted for one in (*first, *last)} <= {1, 2}


def test_half_an_album_decides_nothing_when_the_run_is_stopped():
    step = VoteTogether(VOTE, lambda: True)
    assert bundle_of(step, album((BLUES, 0), (BLUES, 0), n_tracks=3)) == ([], [])


def test_embeddings_stay_where_they_are_asked_for():
    first, _ = bundle_of(VoteTogether(VOTE, never, embeddings=True), album((BLUES, 0), (BLUES, 0)))
    assert all(one.embedding is not None for one in first)
