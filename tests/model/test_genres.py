"""Genre names: spelled one way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.model.genres import spell


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
