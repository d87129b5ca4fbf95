"""The review on the report page, in a real browser: choose, save, load, keys, and a phone."""

import json
from pathlib import Path

import pytest

from genrebeam.pipeline.runs.corrections import read_corrections
from tests.pipeline.views import DESK, PHONE
from tests.pipeline.views.test_report_page import HOSTILE, make_run, row, write_page
from tests.pipeline.views.test_report_page_in_browser import (
    RIGHT_TO_LEFT,
    address,  # noqa: F401
    titles,
)


@pytest.fixture
def reviewed(opened):
    """Open the page with its review begun."""

    def reviewed(*arguments, **options):
        page = opened(*arguments, **options)
        page.click("#reviewing")
        return page

    return reviewed


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def focused(page):
    return page.evaluate("document.activeElement.innerText")


def said(page):
    return page.inner_text("#said")


def line(page, title):
    return page.locator("#table tbody tr:not(.detail)").filter(has_text=title)


def saved(page, tmp_path):
    """What the page saves, read as ``apply`` reads it: choices by file name."""
    with page.expect_download() as download:
        page.keyboard.press("s")
    assert download.value.suggested_filename == "corrections.json"
    path = tmp_path / "corrections.json"
    download.value.save_as(path)
    found = read_corrections(str(path))
    return found, {Path(choice.uri).name: choice for choice in found.choices}


def test_a_review_needs_the_keyboard_alone(opened, tmp_path):
    page = opened()
    page.focus("#reviewing")
    press(page, "Enter")
    assert focused(page) == "Song 59"  # the least certain track
    press(page, "a")  # accept
    assert focused(page) == "Song 58"
    press(page, "2")  # the second best
    press(page, "g")
    page.keyboard.type("zeuhl; folk")
    press(page, "Enter")
    press(page, "j")  # left open
    press(page, "ArrowUp", "k", "ArrowDown", "ArrowDown")
    assert focused(page) == "Song 55"
    assert page.inner_text("#chosen") == "2 corrected, 1 accepted, of 64"
    found, choices = saved(page, tmp_path)
    assert found.report.startswith("/")
    assert {name: (choice.kind, choice.genres) for name, choice in choices.items()} == {
        "59 song.mp3": ("accepted", ("Rock",)),
        "58 song.mp3": ("corrected", ("Rock",)),
        "57 song.mp3": ("corrected", ("zeuhl", "Folk")),  # the spelling of the library
    }
    assert choices["57 song.mp3"].in_file == ("Jazz",)
    assert choices["57 song.mp3"].run == "20261120T101500.123Z-3fa9"


def test_focus_can_be_seen_and_every_part_has_a_name(reviewed):
    page = reviewed()
    press(page, "j")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"
    group = page.get_by_role("group", name="Genre of Song 58")
    assert group.get_by_label("Another genre").count() == 1
    assert page.get_by_role("region", name="Review").is_visible()
    assert page.get_attribute("#said", "role") == "status"
    assert [" ".join(name.split()) for name in group.get_by_role("button").all_inner_texts()] == [
        "Accept Pop a",
        "Jazz 1",
        "Rock 2",
        "Pop 3",
        "Choose",
        "Accept album A",
        "Clear x",
    ]
    page.keyboard.press("Tab")
    assert focused(page).startswith("Accept")


def test_the_rest_of_an_album_is_accepted_at_once_and_undone_at_once(reviewed):
    page = reviewed()
    press(page, "3", "k")
    press(page, "A")
    assert said(page) == "Album 5: accepted 9 tracks."
    assert page.inner_text("#chosen") == "1 corrected, 9 accepted, of 64"
    assert focused(page) == "Song 49"
    press(page, "u")
    assert page.inner_text("#chosen") == "1 corrected, 0 accepted, of 64"
    press(page, "u", "u")
    assert page.inner_text("#chosen") == "0 corrected, 0 accepted, of 64"
    assert said(page) == "Nothing to undo."


def test_n_goes_to_what_has_no_choice_also_on_the_next_page(reviewed):
    page = reviewed()
    press(page, *("a" for _ in range(25)))
    assert focused(page) == "Song 34"
    assert page.inner_text("#shown") == "26 to 50 of 64"
    press(page, *("k" for _ in range(5)))
    assert focused(page) == "Song 39"
    press(page, "n")
    assert focused(page) == "Song 34"


def test_a_choice_is_shown_and_can_be_cleared(reviewed):
    page = reviewed()
    piece = line(page, "Song 59")
    press(page, "1")
    assert piece.locator(".mark").inner_text() == "corrected"
    assert piece.locator(".after").inner_text() == "Jazz"
    page.click("#reviewing")  # the end of the review: the report is shown again
    assert page.inner_text("#reviewing") == "Review (1)"
    assert (piece.locator(".mark").inner_text(), piece.locator(".after").inner_text()) == (
        "",
        "Rock",
    )
    page.click("#reviewing")
    assert focused(page) == "Song 58"  # the first that has no choice
    press(page, "k", "x")
    assert piece.locator(".mark").inner_text() == ""
    assert page.inner_text("#chosen") == "0 corrected, 0 accepted, of 64"


def test_all_that_are_sure_are_accepted_at_once_and_undone_at_once(reviewed):
    page = reviewed()
    assert page.inner_text("#accept-all") == "Accept all 13 above"
    page.select_option("#least", "95")
    assert page.inner_text("#accept-all") == "Accept all 8 above"
    page.fill("#search", "Song")  # of those that are listed
    assert page.inner_text("#accept-all") == "Accept all 5 above"
    page.click("#accept-all")
    assert said(page) == "Accepted 5 tracks of 95\u00a0% and above. Undo takes all back."
    assert page.inner_text("#chosen") == "0 corrected, 5 accepted, of 64"
    assert page.inner_text("#accept-all") == "Accept all 0 above"
    page.click("#undo")
    assert page.inner_text("#chosen") == "0 corrected, 0 accepted, of 64"


def test_what_is_not_reviewed_yet_can_be_shown_alone(reviewed):
    page = reviewed()
    press(page, "a", "a")
    page.click("#open-only")
    assert page.inner_text("#found") == "62 of 64 tracks"
    assert titles(page)[0] == "Song 57"
    page.click("[data-genre=Rock]")
    assert page.inner_text("#found") == "19 of 64 tracks"
    page.click("#reviewing")
    assert not page.is_visible("#open-only")
    assert page.inner_text("#found") == "20 of 64 tracks"


def test_a_review_that_goes_on_opens_at_the_first_open_track(reviewed):
    page = reviewed()
    press(page, *("a" for _ in range(26)))
    page.reload()
    page.click("#reviewing")
    assert focused(page) == "Song 33"
    assert page.inner_text("#shown") == "26 to 50 of 64"


def test_what_a_person_is_asked_is_chosen_with_one_click(opened, tmp_path):
    families = {
        "family": "Rock",
        "family_confidence": 0.5,
        "probabilities": [("Punk", 0.3), ("Rock", 0.2), ("Jazz", 0.4), ("Pop", 0.1)],
    }
    some = [
        row(f"/m/{name}.mp3", "unsure", genres_after=[], confidence=0.5, title=name, **families)
        for name in ("one", "two")
    ]
    write_page([make_run(tmp_path / "home", [*some, row()])], str(tmp_path / "page.html"))
    page = opened((tmp_path / "page.html").as_uri())
    page.click("[data-asked] button")
    assert titles(page) == ["one", "two"]
    assert page.get_attribute("[data-status=unsure]", "aria-pressed") == "true"
    press(page, "a")
    assert said(page) == "There is no genre to accept: choose one."
    assert page.inner_text("#accept-all") == "Accept all 0 above"
    chips = line(page, "one").locator(".best button")
    assert [" ".join(text.split()) for text in chips.all_inner_texts()] == ["Rock 50", "Jazz 40"]
    chips.nth(1).click()
    assert line(page, "one").locator(".after").inner_text() == "Jazz"
    assert focused(page) == "two"
    page.click("#reviewing")
    line(page, "two").locator(".best button").first.click()  # begins a review again
    assert page.inner_text("#chosen") == "2 corrected, 0 accepted, of 3"


def test_saving_says_where_the_file_is(reviewed, tmp_path):
    page = reviewed()
    press(page, "a")
    saved(page, tmp_path)
    assert "corrections.json into its folder for downloads" in said(page)
    assert said(page).endswith("Now run: genrebeam apply")


def test_what_cannot_be_written_is_not_taken(reviewed):
    page = reviewed()
    for text in ("", " ; ", "17", "(17)Rock", "x" * 201, "a\u202eb"):
        press(page, "g")
        page.locator("tr.detail input").fill(text)
        press(page, "Enter")
        assert page.evaluate("document.querySelector('tr.detail input').validationMessage")
        press(page, "Escape")
        assert focused(page) == "Song 59"
    assert page.inner_text("#chosen") == "0 corrected, 0 accepted, of 64"


def test_keys_do_nothing_outside_a_review_or_while_typing(opened):
    page = opened()
    page.focus("#table tbody button")
    press(page, "a", "s", "?")
    assert not page.is_visible("#keys")
    page.click("#reviewing")
    page.fill("#search", "")
    page.focus("#search")
    page.keyboard.type("asA?")
    assert page.input_value("#search") == "asA?"
    assert page.inner_text("#chosen") == "0 corrected, 0 accepted, of 64"


def test_question_mark_lists_the_keys(reviewed):
    page = reviewed()
    press(page, "?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    press(page, "a")
    press(page, "Escape")
    assert not page.is_visible("#keys")
    page.click("#legend")
    page.click("#keys button")
    assert not page.is_visible("#keys")
    assert page.inner_text("#chosen") == "0 corrected, 0 accepted, of 64"


def test_choices_survive_a_reload(reviewed):
    page = reviewed()
    press(page, "a", "2")
    page.reload()
    assert page.inner_text("#reviewing") == "Review (2)"
    page.click("#reviewing")
    assert page.inner_text("#chosen") == "1 corrected, 1 accepted, of 64"
    assert line(page, "Song 58").locator(".mark").inner_text() == "corrected"


def test_a_browser_that_keeps_nothing_says_so_and_goes_on(opened, tmp_path):
    page = opened()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"
    )
    page.reload()
    page.click("#reviewing")
    press(page, "a")
    page.wait_for_selector("#lost:not([hidden])")
    _, choices = saved(page, tmp_path)
    assert len(choices) == 1


def test_a_saved_file_goes_on_where_it_was_saved(reviewed, tmp_path):
    page = reviewed()
    press(page, "a", "2")
    saved(page, tmp_path)
    facts = json.loads((tmp_path / "corrections.json").read_text())
    facts["choices"].append({**facts["choices"][0], "uri": "/elsewhere.mp3"})
    (tmp_path / "more.json").write_text(json.dumps(facts))
    other = reviewed()  # another profile: nothing is kept there
    assert other.inner_text("#chosen") == "0 corrected, 0 accepted, of 64"
    other.set_input_files("#file", tmp_path / "more.json")
    other.locator("#said", has_text="Loaded 2 choices").wait_for()
    assert said(other).endswith("1 are of files that are not on this page.")
    assert other.inner_text("#chosen") == "1 corrected, 1 accepted, of 64"
    for text, answer in (
        ("[", "not JSON"),
        ('{"genrebeam_corrections": 9, "choices": []}', "no corrections"),
        ("null", "no corrections"),
    ):
        (tmp_path / "bad.json").write_text(text)
        other.set_input_files("#file", tmp_path / "bad.json")
        other.locator("#said", has_text=answer).wait_for()
    assert other.inner_text("#chosen") == "1 corrected, 1 accepted, of 64"


def test_hostile_names_stay_text_and_are_saved_as_they_are(reviewed, tmp_path):
    page = reviewed()
    page.fill("#search", "alert(1)")
    page.locator("#table tbody .title button").first.click()
    press(page, "g")
    page.keyboard.type(HOSTILE.replace(";", ""))
    press(page, "Enter")
    assert page.locator("img").count() == 0
    page.focus("#table tbody .title button")
    _, choices = saved(page, tmp_path)
    (choice,) = choices.values()
    assert choice.genres == (HOSTILE.replace(";", ""),)
    assert choice.uri == f"/music/{HOSTILE}.mp3"


def test_a_dry_run_says_what_is_in_the_file_and_a_walk_takes_no_choice(reviewed, tmp_path):
    some = [
        row("/music/a.mp3", "would_tag", genres_before=["Folk"], genres_after=["Jazz"]),
        row("/music/link.mp3", "refused", stage="walk", reason="leads out of the library"),
    ]
    write_page([make_run(tmp_path / "home", some)], str(tmp_path / "dry.html"))
    page = reviewed((tmp_path / "dry.html").as_uri())
    press(page, "a")
    assert focused(page) == "link.mp3"
    assert page.locator(".choose").count() == 0
    press(page, "a")
    assert "nothing can be written" in said(page)
    _, choices = saved(page, tmp_path)
    assert choices["a.mp3"].in_file == ("Folk",)
    assert list(choices) == ["a.mp3"]


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_screen(reviewed, viewport):
    page = reviewed(viewport=viewport)
    press(page, "2", "A")
    page.fill("#search", RIGHT_TO_LEFT)
    page.locator("#table tbody .title button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    page.click("#legend")
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    small = page.evaluate(
        "[...document.querySelectorAll('.choose button, #review button')]"
        ".filter((b) => b.offsetHeight && b.offsetHeight < 40).length"
    )
    assert small == 0


def test_a_review_of_nothing_opens(reviewed, tmp_path):
    write_page([make_run(tmp_path, [])], str(tmp_path / "empty.html"))
    page = reviewed((tmp_path / "empty.html").as_uri())
    press(page, "a", "n", "j", "s")
    assert titles(page) == []
    assert page.inner_text("#chosen") == "0 corrected, 0 accepted, of 0"
