"""The report page in a real browser: search, sort, colours, a phone, and hostile names."""

from pathlib import Path

import pytest

from tests.pipeline.views import DESK, PHONE
from tests.pipeline.views.test_report_page import HOSTILE, make_run, row, write_page

# Wider than any phone, without a place to break; and text from right to left.
LONG = "x" * 300
RIGHT_TO_LEFT = "\u202e\u05e9\u05d9\u05e8\u202c"


def rows():
    genres = ["Jazz", "Pop", "Rock"]
    return [
        *(
            row(
                f"/music/album {i // 10}/{i:02d} song.mp3",
                title=f"Song {i:02d}",
                artist=f"Artist {i % 7}",
                album=f"Album {i // 10}",
                genres_before=["Folk"] if i % 2 else [],
                genres_after=[genres[i % 3]],
                confidence=0.99 - i / 100,
            )
            for i in range(60)
        ),
        row("/music/b.mp3", title="Übermut", artist="Björk", confidence=0.995),
        row(f"/music/{HOSTILE}.mp3", title=HOSTILE, artist=HOSTILE, album=LONG, confidence=0.998),
        row(f"/music/{LONG}.mp3", "failed", stage="decode", reason=f"{LONG} {HOSTILE}"),
        row("/music/r.mp3", title=RIGHT_TO_LEFT, genres_after=[LONG], confidence=0.999),
    ]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_page([make_run(folder, rows())], str(folder / "report.html"))
    return (folder / "report.html").as_uri()


def titles(page):
    return page.locator("#table tbody .title button").all_inner_texts()


def sort_of(page, name):
    return page.locator(f"[data-sort={name}]").get_attribute("aria-sort")


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_least_certain_tracks_come_first_and_pages_turn(opened):
    page = opened()
    assert titles(page)[:2] == ["Song 59", "Song 58"]
    assert len(titles(page)) == 25
    assert sort_of(page, "confidence") == "ascending"
    page.click("#next")
    assert titles(page)[0] == "Song 34"
    assert page.inner_text("#shown") == "26 to 50 of 64"
    page.click("#next")
    assert len(titles(page)) == 14
    assert page.is_disabled("#next")


def test_heads_sort_both_ways_and_what_is_unknown_stays_last(opened):
    page = opened()
    page.click("[data-sort=confidence] button")
    assert sort_of(page, "confidence") == "descending"
    assert titles(page)[1:4] == [HOSTILE, "Übermut", "Song 00"]
    page.click("[data-sort=title] button")
    assert (sort_of(page, "title"), sort_of(page, "confidence")) == ("ascending", "none")
    found = titles(page)
    assert found.index("Song 00") < found.index("Song 01")
    page.click("[data-sort=artist] button")
    page.click("[data-sort=artist] button")
    assert titles(page)[0] == "Übermut"
    page.click("#next")
    page.click("#next")
    assert titles(page)[-1] in (RIGHT_TO_LEFT, f"{LONG}.mp3")


def test_search_takes_words_in_any_order_case_and_accent(opened):
    page = opened()
    page.fill("#search", "UBERMUT bjork")
    assert titles(page) == ["Übermut"]
    assert page.inner_text("#found") == "1 of 64 tracks"
    page.fill("#search", "31 Pop")
    assert titles(page) == ["Song 31"]
    page.fill("#search", "no such track")
    assert titles(page) == []
    assert page.is_visible("#nothing")
    page.fill("#search", "")
    assert page.inner_text("#found") == "64 tracks"


def test_charts_and_lists_show_their_tracks(opened):
    page = opened()
    page.click("[data-genre=Rock]")
    assert page.inner_text("#found") == "20 of 64 tracks"
    page.click("[data-status=failed]")
    assert titles(page) == []
    page.click("[data-status='']")
    page.click("#only")
    assert page.inner_text("#found") == "64 tracks"
    page.click("[data-album='Album 2']")
    assert titles(page) == [f"Song {i}" for i in range(29, 19, -1)]
    page.click("[data-artist='Artist 3']")
    assert set(page.locator("#table tbody .artist bdi").all_inner_texts()) == {"Artist 3"}


def test_a_track_opens_with_the_keyboard_and_tells_why(opened):
    page = opened()
    page.click("[data-status=failed]")
    button = page.locator("#table tbody .title button")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    detail = page.inner_text("tr.detail")
    assert f"/music/{LONG}.mp3" in detail
    assert HOSTILE in detail
    assert "decode" in detail
    page.keyboard.press("Enter")
    assert page.locator("tr.detail").count() == 0


def test_everything_can_be_reached_with_the_keyboard(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the tracks"
    page.focus("[data-sort=title] button")
    page.keyboard.press("Space")
    assert sort_of(page, "title") == "ascending"


def test_names_stay_text(opened):
    page = opened()
    page.fill("#search", "alert(1)")
    assert HOSTILE in titles(page)
    assert page.locator("#table tbody .artist bdi").first.inner_text() == HOSTILE
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2


def test_no_other_script_runs_even_if_it_got_into_the_page(browser, address, tmp_path):
    source = Path(address.removeprefix("file://")).read_text(encoding="utf-8")
    bad = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'></body>"
    (tmp_path / "bad.html").write_text(source.replace("</body>", bad), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "bad.html").as_uri())
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert titles(page)
    page.close()


def test_colours_follow_the_system_and_the_button(opened):
    light, dark = "rgb(255, 255, 255)", "rgb(20, 22, 26)"
    page = opened(color_scheme="dark")
    assert background(page) == dark
    assert page.get_attribute("#theme", "aria-pressed") == "true"
    page.click("#theme")
    assert background(page) == light
    page.click("#theme")
    assert background(page) == dark
    assert background(opened(color_scheme="light")) == light


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_screen(opened, viewport):
    page = opened(viewport=viewport)
    page.click("[data-sort=status] button")
    page.locator("#table tbody .title button").first.click()
    for more in page.locator("button.more, summary").all():
        more.click()
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]


def test_pages_of_many_runs_fit_a_phone(opened, tmp_path):
    runs = [make_run(tmp_path / LONG[:200], rows()[:5], str(i), library=LONG) for i in range(2)]
    write_page(runs, str(tmp_path / "all.html"))
    page = opened((tmp_path / "all.html").as_uri(), viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_without_scripts_all_but_the_table_is_there(opened):
    page = opened(java_script_enabled=False)
    assert page.inner_text("h1") == "63 of 64 files tagged"
    assert page.is_visible("[data-genre=Jazz]")
    assert page.is_visible("noscript p")
    assert not page.is_visible("#table")


def test_an_empty_report_opens(opened, tmp_path):
    write_page([make_run(tmp_path, [])], str(tmp_path / "empty.html"))
    page = opened((tmp_path / "empty.html").as_uri())
    assert page.inner_text("h1") == "No file was seen"
    assert page.is_visible("#nothing")


def test_paper_has_no_buttons_and_is_white(opened):
    page = opened(color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.is_visible("#search")
    assert not page.is_visible("#next")
    assert background(page) == "rgb(255, 255, 255)"
