"""What the model said: numbers of one level are never beside genres of the other."""

import pytest

from tests.pipeline.views.test_report_page import Page, page_of, row  # noqa: F401

SAID = [("Rock", 0.28), ("Indie", 0.33), ("Punk", 0.34), ("Jazz", 0.03), ("Swing", 0.02)]
LEVELS = {
    "probabilities": SAID,
    "family": "Rock",
    "family_confidence": 0.95,
    "style": "Punk",
    "style_confidence": 0.34,
}


def shown(page):
    """Of the first row: the likeliest, and what is said of the other level."""

    def pairs(values):
        return [(page.data["genres"][n], p) for n, p in zip(values[::2], values[1::2], strict=True)]

    return pairs(page.data["best"][0]), pairs(page.data["other"][0])


def test_a_family_stands_beside_families_and_its_style_apart(page_of):  # noqa: F811
    page = page_of(row(genres_after=["Rock"], confidence=0.95, **LEVELS))
    best, other = shown(page)
    assert best == [("Rock", 950), ("Jazz", 50)]
    assert other == [("Punk", 340)]


def test_a_style_stands_beside_styles_and_its_family_apart(page_of):  # noqa: F811
    page = page_of(row(genres_after=["Punk"], confidence=0.34, **LEVELS))
    best, other = shown(page)
    assert best == [("Punk", 340), ("Indie", 330), ("Rock", 280)]
    assert other == [("Rock", 950)]
    assert page.data["families"] == ["Rock"]


def test_a_family_of_no_narrower_style_has_no_style(page_of):  # noqa: F811
    levels = {**LEVELS, "style": "Rock", "style_confidence": 0.95}
    assert shown(page_of(row(confidence=0.95, **levels)))[1] == []


def test_unsure_shows_its_two_likeliest_families(page_of):  # noqa: F811
    page = page_of(row(status="unsure", genres_after=[], confidence=0.34, **LEVELS))
    best, other = shown(page)
    assert best[:2] == [("Rock", 950), ("Jazz", 50)]
    assert other == []
    assert page.data["tones"] == {"unsure": "asked"}
    assert "unsure 1 two families are likely: nothing written" in page.text


def test_names_of_the_users_own_are_in_the_family_that_a_row_says(page_of):  # noqa: F811
    said = [("Zeuhl", 0.6), ("Rock", 0.2), ("Jazz", 0.2)]
    levels = {"family": "Rock", "family_confidence": 0.8, "style": "Zeuhl", "style_confidence": 0.6}
    page = page_of(
        row("/m/a.mp3", genres_after=["Rock"], confidence=0.8, probabilities=said, **levels),
        row(
            "/m/b.mp3",
            genres_after=["Jazz"],
            confidence=0.9,
            probabilities=[("Zeuhl", 0.07), ("Rock", 0.03), ("Jazz", 0.9)],
            **{**levels, "family": "Jazz", "family_confidence": 0.9, "style": "Jazz"},
        ),
    )
    best = page.data["best"][1]
    assert [page.data["genres"][n] for n in best[::2]] == ["Jazz", "Rock"]
    assert best[1::2] == [900, 100]


def test_what_an_album_decided_has_its_own_number(page_of):  # noqa: F811
    page = page_of(row(genres_after=["Jazz"], confidence=0.8, **LEVELS))
    best, other = shown(page)
    assert page.data["genres"][page.data["decided"][0]] == "Jazz"
    assert page.data["confidence"] == [800]
    assert best == [("Rock", 950), ("Jazz", 50)]
    assert other == []


def test_an_albums_number_is_never_beside_the_tracks_own(page_of):  # noqa: F811
    """Of three tracks together Jazz is likelier, so the row has their family and its number."""
    together = {**LEVELS, "family": "Jazz", "family_confidence": 0.6, "style": "Jazz"}
    page = page_of(row(genres_after=["Jazz"], confidence=0.6, tracks_voted=3, **together))
    best, other = shown(page)
    assert page.data["genres"][page.data["decided"][0]] == "Jazz"
    assert best == [("Rock", 950), ("Jazz", 50)]
    assert other == []
    assert page.data["together"] == [3]


def test_an_albums_style_stands_beside_its_family(page_of):  # noqa: F811
    own = {**LEVELS, "family": "Rock", "family_confidence": 0.9, "style": "Indie"}
    album = {"style_confidence": 0.6, "genres_after": ["Indie"], "confidence": 0.6}
    page = page_of(row(**{**own, **album, "tracks_voted": 3}))
    assert shown(page)[1] == [("Rock", 900)]
    assert page.data["together"] == [3]


def test_a_track_that_voted_alone_has_its_own_number(page_of):  # noqa: F811
    page = page_of(row(genres_after=["Rock"], confidence=0.95, tracks_voted=1, **LEVELS))
    assert shown(page)[0] == [("Rock", 950), ("Jazz", 50)]
    assert page.data["together"] == [0]


def test_a_style_that_an_album_decided_stands_beside_styles(page_of):  # noqa: F811
    page = page_of(row(genres_after=["Punk"], confidence=0.8, **LEVELS))
    assert shown(page)[0] == [("Punk", 340), ("Indie", 330), ("Rock", 280)]


def test_a_majority_may_decide_what_is_not_the_likeliest(page_of):  # noqa: F811
    best, _ = shown(page_of(row(confidence=0.3)))
    assert [name for name, _ in best] == ["Rock", "Jazz", "Pop"]


@pytest.mark.parametrize("status", ["from_the_future", "unsure"])
def test_a_status_that_other_versions_write_has_a_page(page_of, status):  # noqa: F811
    page = page_of(row(status=status, genres_after=[]), row("/m/b.mp3"))
    assert page.text.startswith("1 of 2 files tagged")
    assert f"{status.replace('_', ' ')} 1" in page.text
