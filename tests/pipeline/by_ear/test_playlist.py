"""Playlist: like one track, nothing twice, no artist for long; paths that players find."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.pipeline.by_ear.playlist import Entry, choose, m3u8


def entries(*artists: str | None) -> list[Entry]:
    return [Entry(f"/m/{i}.mp3", artist, f"title {i}", 200) for i, artist in enumerate(artists)]


def apart(n: int) -> np.ndarray:
    """Embeddings of tracks that are not alike."""
    return np.eye(n, dtype=np.float32)


def test_the_nearest_comes_first_where_artists_differ():
    assert choose(entries(*"ABCD"), apart(4), 3) == [0, 1, 2]


def test_two_others_are_between_tracks_of_one_artist():
    assert choose(entries(*"AAABCAD"), apart(7), 7) == [0, 3, 4, 1, 6, 2, 5]


def test_where_there_are_no_others_an_artist_goes_on():
    assert choose(entries(*"AAA"), apart(3), 3) == [0, 1, 2]


def test_tracks_without_an_artist_are_not_one_artist():
    assert choose(entries(None, None, None), apart(3), 3) == [0, 1, 2]


def test_there_are_fewer_where_there_are_fewer():
    assert choose(entries("A", "B"), apart(2), 40) == [0, 1]


def test_no_recording_is_in_it_twice():
    alike = np.array([[1, 0], [1, 0.1], [0, 1]], np.float32)
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    assert choose(entries(*"ABC"), alike, 3) == [0, 2]


def test_what_is_alike_but_not_as_long_is_another_recording():
    two = [Entry("/m/a.mp3", "A", "x", 200), Entry("/m/b.mp3", "B", "y", 300)]
    assert choose(two, np.ones((2, 1), np.float32), 2) == [0, 1]


def test_no_title_of_an_artist_is_in_it_twice():
    two = [
        Entry("/m/a.mp3", "Miles  Davis", "So What", 200),
        Entry("/m/b.mp3", "miles davis", "SO WHAT"),
    ]
    assert choose(two, apart(2), 2) == [0]


@given(st.lists(st.sampled_from("ABC"), max_size=12), st.integers(1, 12))
def test_every_track_is_chosen_once_and_no_more_than_asked_for(artists, length):
    chosen = choose(entries(*artists), apart(len(artists)), length)
    assert len(chosen) == len(set(chosen)) == min(length, len(artists))


def test_paths_are_relative_to_the_playlist():
    tracks = [Entry("/music/a/1.mp3", "Björk", "Jóga", 305.4), Entry("/music/2.mp3", duration_s=61)]
    text, left_out = m3u8(tracks, "/music/lists")
    assert text == ("#EXTM3U\n#EXTINF:305,Björk - Jóga\n../a/1.mp3\n#EXTINF:61,2\n../2.mp3\n")
    assert left_out == []


def test_music_in_a_bucket_has_its_whole_name():
    text, _ = m3u8([Entry("gs://music/a.mp3")], "/lists")
    assert text == "#EXTM3U\n#EXTINF:-1,a\ngs://music/a.mp3\n"


def test_a_path_is_no_comment():
    text, _ = m3u8([Entry("/m/#1.mp3", title="#1")], "/m")
    assert text.splitlines()[-1] == "./#1.mp3"


def test_a_title_is_one_line():
    text, _ = m3u8([Entry("/m/a.mp3", "A\n/etc/passwd", "B\rC", 1)], "/m")
    assert text.splitlines() == ["#EXTM3U", "#EXTINF:1,A /etc/passwd - B C", "a.mp3"]


@pytest.mark.parametrize("name", ["a\nb.mp3", "a\u2028b.mp3", "caf\udce9.mp3"])
def test_names_that_cannot_stand_in_it_are_left_out(tmp_path, name):
    open(os.path.join(tmp_path, name), "w").close()
    text, left_out = m3u8([Entry(os.path.join(tmp_path, name))], str(tmp_path))
    assert text == "#EXTM3U\n"
    assert len(left_out) == 1
