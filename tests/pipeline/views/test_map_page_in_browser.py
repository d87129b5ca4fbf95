"""The map in a real browser: hover, click, search, legend, lasso, playlists, a phone."""

from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.views import DESK, PHONE
from tests.pipeline.views.test_map_page import playlist_of, song, write_map
from tests.pipeline.views.test_report_page import HOSTILE

LONG = "x" * 300
# Ten columns of six tracks: four of Rock, three of Jazz, three of Pop.
SONGS = [
    song(
        f"/music/album {i // 6}/{i:02}.mp3",
        "Rock" if i < 24 else "Jazz" if i < 42 else "Pop",
        title=f"Song {i:02}",
        artist=f"Artist {i % 7}",
        album=f"Album {i // 6}",
    )
    for i in range(60)
]
PLACES = np.stack([np.arange(60) // 6 / 9, np.arange(60) % 6 / 9 + 0.2], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "map.html"
    write_map(SONGS, path, PLACES)
    return path.as_uri()


def at(page, row):
    """Where a track is on the screen."""
    box = page.locator("#canvas").bounding_box()
    x, y = page.evaluate(f"[screenX({row}), screenY({row})]")
    return box["x"] + x, box["y"] + y


def colour_at(page, row):
    """The colour of the picture where a track is."""
    return page.evaluate(
        f"""() => {{ paint(); const ratio = view.ratio; return [...context.getImageData(
            Math.round(screenX({row}) * ratio), Math.round(screenY({row}) * ratio), 1, 1
        ).data].slice(0, 3); }}"""
    )


def draw_around(page, first, last, shift=False):
    """A lasso around the tracks between two corners."""
    (left, top), (right, bottom) = at(page, first), at(page, last)
    left, top, right, bottom = left - 12, top - 12, right + 12, bottom + 12
    page.mouse.move(left, top)
    if shift:
        page.keyboard.down("Shift")
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 8)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    if shift:
        page.keyboard.up("Shift")


def saved(page):
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "map.m3u8"
    return Path(download.value.path()).read_text(encoding="utf-8")


def titles(page, of="#rows"):
    return page.locator(f"{of} bdi").all_inner_texts()


def test_each_track_is_a_point_in_the_colour_of_its_family(opened):
    page = opened()
    assert colour_at(page, 0) == [0, 0x72, 0xB2]
    assert colour_at(page, 25) == [0xD5, 0x5E, 0]
    assert colour_at(page, 59) == [0, 0x9E, 0x73]


def test_the_mouse_over_a_point_tells_the_track(opened):
    page = opened()
    assert not page.is_visible("#tip")
    page.mouse.move(*at(page, 25))
    lines = page.inner_text("#tip").splitlines()
    assert lines == ["Song 25", "Artist 4", "Jazz", "/music/album 4/25.mp3"]
    x, y = at(page, 25)
    page.mouse.move(x + 30, y + 30)
    assert not page.is_visible("#tip")


def test_a_click_keeps_the_track_and_shows_its_row(opened):
    page = opened()
    page.mouse.click(*at(page, 25))
    kept = page.inner_text("#kept")
    for text in ("Song 25", "Artist 4", "Album 4", "Jazz", "3:20", "/music/album 4/25.mp3"):
        assert text in kept
    assert {"Song 19", "Song 24", "Song 26", "Song 31"} < set(titles(page, "#nearest"))
    page.mouse.click(*(np.add(at(page, 25), (30, 30))))
    assert not page.is_visible("#kept")


def test_the_search_leaves_the_others_faint(opened):
    page = opened()
    page.fill("#search", "album 4/")
    assert page.inner_text("#found") == "6 of 60 tracks"
    assert titles(page) == [f"Song {i}" for i in range(24, 30)]
    assert colour_at(page, 25) == [0xD5, 0x5E, 0]
    assert min(colour_at(page, 0)) > 200
    page.fill("#search", "no such track")
    assert page.is_disabled("#select")
    page.fill("#search", "")
    assert page.inner_text("#found") == "60 tracks"


def test_the_legend_hides_genres(opened):
    page = opened()
    page.click("[data-group='1']")
    assert page.get_attribute("[data-group='1']", "aria-pressed") == "false"
    assert page.inner_text("#found") == "42 of 60 tracks"
    assert colour_at(page, 25) == [255, 255, 255]
    page.mouse.move(*at(page, 25))
    assert not page.is_visible("#tip")
    page.click("#all")
    assert page.inner_text("#found") == "60 tracks"
    page.click("[data-only='2']")
    assert page.inner_text("#found") == "18 of 60 tracks"


@pytest.mark.parametrize("shift", [False, True], ids=["button", "shift"])
def test_a_lasso_gives_a_playlist(opened, address, shift):
    page = opened()
    if not shift:
        page.click("#lasso")
    draw_around(page, 6, 17, shift)
    assert page.get_attribute("#lasso", "aria-pressed") == "false"
    assert page.inner_text("#selected") == "12 tracks selected."
    assert titles(page) == [f"Song {i:02}" for i in range(6, 18)]
    assert min(colour_at(page, 0)) > 200
    folder = Path(address.removeprefix("file://")).parent
    assert saved(page) == playlist_of(SONGS[6:18], folder)
    page.select_option("#paths", "whole")
    assert saved(page).splitlines()[2] == "/music/album 1/06.mp3"


def test_a_playlist_needs_no_mouse(opened, address):
    page = opened()
    page.focus("#search")
    page.keyboard.type("pop")
    page.focus("#select")
    page.keyboard.press("Enter")
    assert page.inner_text("#selected") == "18 tracks selected."
    folder = Path(address.removeprefix("file://")).parent
    assert saved(page) == playlist_of(SONGS[42:], folder)
    page.keyboard.press("Escape")
    assert not page.is_visible("#save")


def test_the_map_obeys_the_keyboard(opened):
    page = opened()
    page.focus("#canvas")
    page.keyboard.press("+")
    assert page.evaluate("view.zoom") > 1
    before = at(page, 0)
    page.keyboard.press("ArrowRight")
    assert at(page, 0)[0] < before[0]
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    assert page.is_visible("#kept")
    page.locator("#nearest button").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "kept-title"


def test_wheel_and_drag_keep_the_point_under_the_mouse(opened):
    page = opened()
    x, y = at(page, 25)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_function("view.zoom > 1.2")
    assert at(page, 25) == pytest.approx((x, y), abs=0.5)
    page.mouse.down()
    page.mouse.move(x + 50, y + 20, steps=5)
    page.mouse.up()
    assert at(page, 25) == pytest.approx((x + 50, y + 20), abs=0.5)
    assert not page.is_visible("#kept")
    page.click("#whole")
    assert at(page, 25) == pytest.approx((x, y), abs=0.5)


@pytest.fixture
def touch():
    """Put fingers on a page, move them, lift them."""
    sessions = {}

    def touch(page, kind, *points):
        if page not in sessions:
            sessions[page] = page.context.new_cdp_session(page)
        places = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        sessions[page].send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    return touch


def test_a_phone_can_tap_pinch_and_lasso(opened, touch):
    page = opened(viewport=PHONE, has_touch=True, is_mobile=True)
    page.locator("#canvas").scroll_into_view_if_needed()
    page.touchscreen.tap(*at(page, 25))
    assert "Song 25" in page.inner_text("#kept")
    page.locator("#map").scroll_into_view_if_needed()
    x, y = at(page, 27)
    touch(page, "touchStart", (x - 20, y), (x + 20, y))
    touch(page, "touchMove", (x - 40, y), (x + 40, y))
    touch(page, "touchEnd")
    assert page.evaluate("view.zoom") == pytest.approx(2, rel=0.1)
    page.click("#whole")
    page.tap("#lasso")
    (left, top), (right, bottom) = at(page, 6), at(page, 17)
    touch(page, "touchStart", (left - 9, top - 9))
    for point in ((right + 9, top - 9), (right + 9, bottom + 9), (left - 9, bottom + 9)):
        touch(page, "touchMove", point)
    touch(page, "touchEnd")
    assert page.inner_text("#selected") == "12 tracks selected."


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_screen_whatever_the_names(opened, tmp_path, viewport):
    songs = [song(f"/m/{LONG}/{HOSTILE}.mp3", LONG, title=LONG, artist=HOSTILE, album=LONG)]
    write_map([*songs, song(f"/m/{HOSTILE}", HOSTILE, title=HOSTILE)], tmp_path / "map.html")
    page = opened((tmp_path / "map.html").as_uri(), viewport=viewport)
    page.mouse.move(*at(page, 0))
    page.mouse.click(*at(page, 0))
    page.click("#select")
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    assert HOSTILE in titles(page)
    assert page.locator("img").count() == 0


def test_what_a_playlist_cannot_hold_is_reported(opened, tmp_path):
    write_map([song("/m/1.mp3"), song("/m/two\nlines.mp3")], tmp_path / "map.html")
    page = opened((tmp_path / "map.html").as_uri())
    page.click("#select")
    assert "1 track left out" in page.inner_text("#hint")
    assert len(saved(page).splitlines()) == 3


@pytest.mark.parametrize("n_tracks", [1, 2])
def test_a_map_of_hardly_any_tracks_opens(opened, tmp_path, n_tracks):
    songs = [song(f"/m/{i}.mp3") for i in range(n_tracks)]
    write_map(songs, tmp_path / "map.html", np.full((n_tracks, 2), 0.5, np.float32))
    page = opened((tmp_path / "map.html").as_uri())
    page.mouse.click(*at(page, 0))
    assert len(titles(page, "#nearest")) == n_tracks - 1


def test_the_map_follows_light_and_dark(opened):
    page = opened(color_scheme="dark")
    corner = "[...(paint(), context.getImageData(1, 1, 1, 1).data)].slice(0, 3)"
    assert page.evaluate(corner) == [20, 22, 26]
    page.click("#theme")
    page.wait_for_timeout(50)
    assert page.evaluate(corner) == [255, 255, 255]


def test_no_other_script_runs_even_if_it_got_into_the_page(browser, address, tmp_path):
    source = Path(address.removeprefix("file://")).read_text(encoding="utf-8")
    bad = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'></body>"
    (tmp_path / "bad.html").write_text(source.replace("</body>", bad), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "bad.html").as_uri())
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert page.inner_text("#found") == "60 tracks"
    page.close()


def test_without_scripts_the_page_says_so(opened):
    page = opened(java_script_enabled=False)
    assert page.inner_text("h1") == "Map of 60 tracks"
    assert page.is_visible("noscript p")
