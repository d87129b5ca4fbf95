"""The tracks of a run as lines on a terminal."""

import pyarrow as pa
import pytest

from genrebeam.pipeline.views.listing import every_track, some_tracks

COLUMNS = ("uri", "status", "reason", "title", "artist", "genres_after", "confidence")
CLEANED = {"uri": "/m/c.mp3", "status": "would_tag", "genres_before": ["C&W"]}


def rows(*found):
    schema = pa.schema(
        [
            *((name, pa.string()) for name in COLUMNS[:5]),
            *((name, pa.list_(pa.string())) for name in ("genres_before", "genres_after")),
            ("confidence", pa.float32()),
            *((name, pa.string()) for name in ("mood_before", "mood_after")),
        ]
    )
    plain = [
        row if isinstance(row, dict) else dict(zip(COLUMNS, row, strict=True)) for row in found
    ]
    return pa.Table.from_pylist(plain, schema)


def would_tag(number, confidence):
    return (f"/m/{number:03d}.mp3", "would_tag", "", None, None, ["Rock"], confidence)


KEPT = ("/m/z.mp3", "kept", "has a genre already", None, None, ["Rock"], None)


def test_a_track_is_named_by_its_tags_and_else_by_its_path():
    tagged = ("/m/b.mp3", "tagged", "", "Song\x1b[31m", "Ween", ["Rock", "Punk"], 0.834)
    piece = rows(tagged, would_tag(1, 0.5), KEPT)
    assert list(some_tracks([piece], "/m", named=False)) == [
        "001.mp3: Rock (50 %)",
        "Ween – Song\\u001b[31m: Rock, Punk (83 %)",
    ]


@pytest.mark.parametrize("listed", [some_tracks, every_track])
def test_a_genre_that_is_cleaned_is_listed_with_what_it_was(listed):
    options = {"named": False} if listed is some_tracks else {}
    piece = rows({**CLEANED, "genres_after": ["Country"]})
    assert list(listed([piece], "/m", **options)) == ["c.mp3: C&W → Country"]


@pytest.mark.parametrize("listed", [some_tracks, every_track])
def test_who_names_a_file_or_wants_them_all_is_reported_why_it_gets_nothing(listed):
    options = {"named": True} if listed is some_tracks else {}
    assert list(listed([rows(KEPT)], "/m", **options)) == ["z.mp3: kept, has a genre already"]


def test_of_many_the_least_sure_come_first_and_the_others_are_counted():
    pieces = [rows(*(would_tag(n, 1 - n / 1000) for n in range(at, at + 50))) for at in (0, 50)]
    first, *lines, last = some_tracks(pieces, "/m", named=False)
    assert first == "the 20 least sure of 100 tracks:"
    assert [line[:3] for line in lines] == [f"{n:03d}" for n in range(99, 79, -1)]
    assert last == "and 80 more; --verbose lists every file"
    assert len(list(every_track(pieces, "/m"))) == 100


def test_forty_are_all_listed():
    assert (
        len(list(some_tracks([rows(*map(would_tag, range(40), [0.5] * 40))], "/m", named=False)))
        == 40
    )
