"""The terminal: names of files and genres cannot command it."""

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from genrebeam.pipeline.views import terminal
from genrebeam.pipeline.views.terminal import safe, show_plan, tracked
from tests.screens import EVIL, SHOWN, Screen, cells

pytestmark = pytest.mark.usefixtures("terminal_of_60_columns")


@given(st.text(st.characters(codec=None)))
def test_safe_text_is_one_line_that_commands_nothing(text):
    shown = safe(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode("utf-8")
    assert safe(shown) == shown
    assert len(shown) >= len(text)


def test_names_of_all_the_world_stay_as_they_are():
    name = "Ænima, Žluťoučký 日本の歌　[Live] *♥?.mp3"
    assert safe(name) == name
    assert safe(EVIL) == SHOWN


@pytest.mark.parametrize("width", [30, 60, 200])
def test_plan_fits_and_shows_names_as_they_are(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen()
    show_plan(screen, [("library", f"/music/{EVIL}"), ("policy", "word " * 30)])
    assert all(cells(line) <= width for line in screen.plain.splitlines())
    assert SHOWN.replace(" ", "") in re.sub(r"\s", "", screen.plain)
    assert "\x1b" not in screen.plain


def test_a_loop_is_watched_only_on_a_terminal():
    items = [1, 2, 3]
    assert tracked(items, 3, io.StringIO()) is items
    assert tracked(items, 3, None) is items
    screen = Screen()
    assert list(tracked(items, 3, screen)) == items
    assert "%" in screen.plain


def test_what_takes_long_is_reported_only_on_a_terminal():
    screen, file = Screen(), io.StringIO()
    for stream in (screen, file, None):
        with terminal.busy("placing [red] 3 tracks", stream):
            pass
    assert "placing [red] 3 tracks" in screen.plain
    assert file.getvalue() == ""


def test_a_dumb_terminal_is_none(monkeypatch):
    assert terminal.is_terminal(Screen())
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.is_terminal(Screen())
    assert not terminal.is_terminal(None)


def test_no_markup_no_emoji_no_highlighting():
    console = terminal.console_of(Screen())
    assert isinstance(console, Console)
    with console.capture() as captured:
        console.print("[red]x[/red] :cat: 12 'text'")
    assert captured.get() == "[red]x[/red] :cat: 12 'text'\n"
