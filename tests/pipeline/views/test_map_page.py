"""The page of a map: what is in its data, and that any name stays text."""

import base64
import json
import re

import numpy as np
import pyarrow as pa
import pytest

from genrebeam.model.colours import FAMILY_COLOURS, GREY
from genrebeam.pipeline.by_ear.map import NO_GENRE, LibraryMap
from genrebeam.pipeline.by_ear.playlist import Entry, m3u8
from genrebeam.pipeline.views.map_page import write_map_page
from tests.pipeline.views.test_report_page import HOSTILE

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("uri", "title", "artist", "album")),
        ("genres_after", pa.list_(pa.string())),
        ("duration_s", pa.float64()),
    ]
)


def song(uri, family="Jazz", **facts):
    """A track of a map, and its family."""
    known = {"title": None, "artist": None, "album": None, "genres_after": [family]}
    return {"uri": uri, "duration_s": 200.4, **known, **facts}, family


def write_map(songs, path, places=None):
    """A page with these tracks, by default along a diagonal."""
    rows, families = zip(*songs, strict=True)
    if places is None:
        places = np.linspace(0, 1, len(rows), dtype=np.float32)[:, None].repeat(2, axis=1)
    tracks = pa.Table.from_pylist([*rows], schema=SCHEMA)
    write_map_page(LibraryMap(tracks, places, families), "backbone 1", str(path))


def playlist_of(songs, folder):
    """What `genrebeam playlist` would write of them."""
    names = ("uri", "artist", "title", "duration_s")
    return m3u8([Entry(**{name: row[name] for name in names}) for row, _ in songs], str(folder))[0]


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.DOTALL)[1])


def numbers_of(packed, dtype="<i4"):
    return np.frombuffer(base64.b64decode(packed), dtype).tolist()


def texts_of(column):
    return [
        None if number < 0 else column["values"][number] for number in numbers_of(column["numbers"])
    ]


def test_every_track_is_in_the_data(tmp_path):
    songs = [
        song("/m/a/1.mp3", title="One", artist="Somebody", album="First"),
        song("/m/a/2.mp3", "Rock", artist="Somebody", genres_after=["Punk", "Ska"]),
        song("/m/b/3.flac", duration_s=None),
    ]
    write_map(songs, tmp_path / "map.html")
    data = data_of(tmp_path / "map.html")
    assert data["rows"] == 3
    assert data["title"] == ["One", "2", "3"]
    assert data["file"] == ["1.mp3", "2.mp3", "3.flac"]
    assert numbers_of(data["places"], "<u2") == [0, 0, 32768, 32768, 65535, 65535]
    assert numbers_of(data["seconds"]) == [200, 200, -1]
    columns = data["columns"]
    assert texts_of(columns["artist"]) == ["Somebody", "Somebody", None]
    assert columns["artist"]["values"] == ["Somebody"]
    assert texts_of(columns["genre"]) == ["Jazz", "Punk, Ska", "Jazz"]
    assert texts_of(columns["folder"]) == ["/m/a/", "/m/a/", "/m/b/"]
    families = [data["groups"][number]["name"] for number in numbers_of(data["group"], "<u2")]
    assert families == ["Jazz", "Rock", "Jazz"]


def test_a_family_has_its_colour_and_other_genres_those_that_are_left(tmp_path):
    songs = [song(f"/m/{n}-{i}.mp3", f"Genre {n:02}") for n in range(18) for i in range(20 - n)]
    songs += [song(f"/m/rock {i}.mp3", "Rock") for i in range(30)]
    write_map([*songs, *(song(f"/m/{i}.mp3", NO_GENRE) for i in range(50))], tmp_path / "map.html")
    groups = data_of(tmp_path / "map.html")["groups"]
    assert (groups[0]["name"], groups[0]["colour"]) == (NO_GENRE, GREY)
    assert (groups[1]["name"], groups[1]["colour"]) == ("Rock", FAMILY_COLOURS["Rock"])
    assert [group["tracks"] for group in groups] == [50, 30, *range(20, 2, -1)]
    coloured = [group["colour"] for group in groups[1:18]]
    assert sorted(coloured) == sorted(FAMILY_COLOURS.values())
    assert {group["colour"] for group in groups[18:]} == {GREY}


@pytest.mark.parametrize(
    ("uri", "relative"),
    [
        ("/m/a/1.mp3", "../m/a/"),
        ("/p/1.mp3", ""),
        ("/p/#1.mp3", "./"),
        ("/p/sub/1.mp3", "sub/"),
        ("gs://bucket/a/1.mp3", "gs://bucket/a/"),
        ("/m/two\nlines.mp3", None),
        ("/m/\\udce9.mp3", None),
    ],
)
def test_paths_for_playlists_start_in_the_folder_of_the_page(tmp_path, uri, relative):
    page = tmp_path / "p" / "map.html"
    page.parent.mkdir()
    if uri.startswith("/"):
        uri = str(tmp_path) + uri
    write_map([song(uri)], page)
    assert texts_of(data_of(page)["columns"]["relative"]) == [relative]


def test_no_name_can_leave_its_place(tmp_path):
    write_map(
        [song(f"/m/{HOSTILE}.mp3", HOSTILE, title=HOSTILE, artist=HOSTILE)], tmp_path / "map.html"
    )
    text = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert text.count("<script") == 2
    assert "<img" not in text
    assert data_of(tmp_path / "map.html")["title"] == [HOSTILE]
