"""What is found by ear: a table on a terminal, fields for scripts; no name commands either."""

import io

import pytest

from genrebeam.pipeline.by_ear.duplicates import Group
from genrebeam.pipeline.views.by_ear import print_duplicates, print_similar, quality
from tests.pipeline.views.test_terminal import EVIL, SHOWN, Screen


def similar(uri: str, **facts) -> dict:
    return {"similarity": 0.98765, "artist": None, "title": None, "uri": uri, **facts}


def copy(uri: str, **facts) -> dict:
    common = {
        "format": "mp3",
        "bitrate_bps": 128_000,
        "duration_s": 200.1234,
        "size_bytes": 3_200_000,
    }
    return {**common, "uri": uri, **facts}


def test_scripts_get_fields(capsys):
    stream = io.StringIO()
    print_similar([similar("/m/a\tb.mp3", artist="Miles", title="So What")], stream)
    assert stream.getvalue() == "0.988\tMiles\tSo What\t/m/a\\u0009b.mp3\n"


def test_scripts_get_a_line_for_each_copy():
    stream = io.StringIO()
    print_duplicates([Group([copy("/m/a.mp3"), copy("/m/b.mp3", bitrate_bps=None)], 0.98)], stream)
    assert stream.getvalue() == (
        "1\t0.980\tmp3\t128000\t200.123\t3200000\t/m/a.mp3\n"
        "1\t0.980\tmp3\t\t200.123\t3200000\t/m/b.mp3\n"
    )


def test_a_terminal_gets_a_table_with_paths_as_one_would_type_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    print_similar([similar(str(tmp_path / "a.mp3"), artist="[red]Miles[/red]")], screen)
    heading, line = screen.plain.splitlines()
    assert heading.split() == ["similarity", "artist", "title", "file"]
    assert line.split() == ["0.988", "[red]Miles[/red]", "a.mp3"]


def test_a_terminal_is_reported_what_copies_take():
    screen = Screen()
    print_duplicates([Group([copy("/m/a.mp3"), copy("/m/b.mp3")], 0.98)], screen)
    *files, blank, total = screen.plain.splitlines()
    assert files[1].split() == ["mp3", "128", "kbit/s", "3:20", "3.2", "MB", "/m/b.mp3"]
    assert blank == ""
    assert total == "duplicate recordings: 1; copies beside the best file of each: 1, 3.2 MB"


def test_a_terminal_is_reported_that_there_are_none():
    screen = Screen()
    print_duplicates([], screen)
    assert screen.plain == "no duplicates\n"


@pytest.mark.parametrize("stream", [io.StringIO, Screen])
def test_names_command_nobody(monkeypatch, stream):
    monkeypatch.setenv("COLUMNS", "300")
    shown = stream()
    print_similar([similar(f"/{EVIL}")], shown)
    print_duplicates([Group([copy(f"/{EVIL}"), copy(f"/{EVIL}")], 1.0)], shown)
    text = shown.plain if isinstance(shown, Screen) else shown.getvalue()
    assert text.count(f"/{SHOWN}") == 3


def test_a_reader_that_has_enough_is_no_failure():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    print_similar([similar("/m/a.mp3")], Closed())


def test_a_minute_has_sixty_seconds():
    assert quality(copy("/a.mp3", duration_s=119.7))[2] == "2:00"
