"""Tracks played from pages, in a real browser."""

import shutil

import pytest

from genrebeam.pipeline.by_ear.duplicates import Group
from genrebeam.pipeline.views.duplicates_page import write_duplicates_page
from genrebeam.pipeline.views.inspection.page import write_page as write_inspection
from tests.conftest import tone, write_audio
from tests.inspections import inspection_of
from tests.pipeline.views.test_by_ear import copy
from tests.pipeline.views.test_map_page import song, write_map
from tests.pipeline.views.test_report_page import HOSTILE, make_run, row, write_page

PLAYS = "!audio.paused && audio.readyState > 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page of each kind beside its music."""
    folder = tmp_path_factory.mktemp("player")
    music = folder / "music %23 # ? 日本"
    music.mkdir()
    for name in ("a.wav", "b.wav"):
        write_audio(music / name, tone(20, 22050), 22050)
    paths = [str(music / name) for name in ("a.wav", "b.wav")]
    rows = [row(path, title=path[-5:], confidence=i / 9) for i, path in enumerate(paths)]
    rows += [
        row("gs://bucket/c.wav", title="far", confidence=0.5),
        row("/nowhere/d.wma", title="odd", confidence=0.6),
        row(f"/nowhere/{HOSTILE}.wav", title=HOSTILE, confidence=0.7),
    ]
    (folder / "pages").mkdir()
    write_page([make_run(folder / "run", rows)], str(folder / "pages" / "report.html"))
    write_map([song(path) for path in paths], folder / "pages" / "map.html")
    write_inspection(str(folder / "pages" / "inspection.html"), inspection_of(path=paths[0]))
    groups = [Group([copy(path) for path in paths], 1.0)]
    write_duplicates_page(groups, "model 1", str(folder / "pages" / "duplicates.html"))
    return folder


@pytest.fixture(scope="module")
def address(folder):
    return (folder / "pages" / "report.html").as_uri()


def said(page):
    return page.inner_text("#playing")


def wait_for(page, state):
    """Wait for a state of the page; its policy forbids what `wait_for_function` does."""
    for _ in range(200):
        if page.evaluate(state):
            return
        page.wait_for_timeout(50)
    raise AssertionError(state)


@pytest.mark.parametrize("name", ["report", "map", "inspection", "duplicates"])
def test_a_track_is_played_from_its_middle(opened, folder, name):
    page = opened((folder / "pages" / f"{name}.html").as_uri())
    if name == "map":
        page.fill("#search", "a.wav")
        page.click("#select")
        page.click("#rows button")
    button = page.locator(".listen:visible").first
    button.click()
    wait_for(page, PLAYS)
    assert page.evaluate("audio.currentTime") >= 10
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    wait_for(page, "audio.paused")
    assert button.get_attribute("aria-pressed") == "false"
    page.click("#stop")
    assert not page.is_visible("#player")


def test_one_track_is_played_at_a_time_and_space_is_enough(opened):
    page = opened()
    page.focus("#table tbody .title button")
    page.keyboard.press("Space")
    wait_for(page, PLAYS)
    assert said(page) == "Playing: a.wav"
    assert page.locator("tr.detail").count() == 0
    page.click("#reviewing")
    page.keyboard.press("j")
    page.keyboard.press("Space")
    wait_for(page, f"{PLAYS} && audio.src.endsWith('b.wav')")
    assert said(page) == "Playing: b.wav"
    assert page.locator("[data-path][aria-pressed=true]").count() == 1
    page.keyboard.press("Space")
    wait_for(page, "audio.paused")


def test_space_does_what_it_did_where_a_button_or_a_text_has_the_focus(opened):
    page = opened()
    page.focus("#search")
    page.keyboard.press("Space")
    assert page.input_value("#search") == " "
    page.focus("#reviewing")
    page.keyboard.press("Space")
    assert page.is_visible("#review")
    assert not page.is_visible("#player")


def test_what_cannot_be_played_has_no_button_or_says_why(browser, address):
    page = browser.new_page()
    page.goto(address)
    rows = page.locator("#table tbody tr")
    assert not rows.filter(has_text="far").locator(".listen").is_visible()
    rows.filter(has_text="odd").locator(".listen").click()
    assert said(page) == "This browser cannot play wma files: odd"
    rows.filter(has_text="alert").locator(".listen").click()
    page.locator("#playing", has_text="The file has moved").wait_for()
    assert said(page).endswith(HOSTILE)
    assert page.locator("img").count() == 0
    page.close()


def test_music_that_was_moved_together_with_the_page_is_found(browser, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    moved = tmp_path / "copy" / "pages" / "report.html"
    # The page knows of no other place than where it was made, which is gone.
    text = moved.read_text(encoding="utf-8").replace(f'"{folder}/', '"/once/')
    moved.write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto(moved.as_uri())
    page.locator(".listen:visible").first.click()
    wait_for(page, PLAYS)
    assert str(tmp_path) in page.evaluate("decodeURIComponent(audio.src)")
    page.close()


def test_a_page_may_play_files_and_fetch_nothing_else(browser, address):
    page = browser.new_page()
    page.goto(address)
    blocked = page.evaluate(
        """() => new Promise((done) => {
          document.addEventListener("securitypolicyviolation", (event) => done(event.blockedURI));
          const other = new Audio("https://example.org/a.mp3");
          other.load();
          setTimeout(() => done(null), 2000);
        })"""
    )
    assert blocked is not None
    page.close()
