"""The summary of a run, and how a terminal shows it."""

import re

import pyarrow as pa
import pytest

from genrebeam.pipeline.runs import run
from genrebeam.pipeline.views.summary import Summary, show_result, summarise
from genrebeam.transforms.reports import partitions
from genrebeam.transforms.reports.read import Rows, latest_rows
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.reports.write import write_part
from tests.screens import EVIL, SHOWN, STYLE, Screen, cells

pytestmark = pytest.mark.usefixtures("terminal_of_60_columns")


FOUND = Summary(
    genres={f"Genre {number}": 100 - number for number in range(20)} | {EVIL: 1},
    slowest=(("/music/slow.mp3", 12.34), (f"/music/{EVIL}", 1.0)),
    failed=tuple((f"/music/{number} {EVIL}", "no [bold]sound[/bold]\x1b[2J") for number in "ab"),
    n_failed=1002,
)


def result(screen: Screen) -> str:
    show_result(screen, "9 files", FOUND, "/music", [("report", f"/home/{'x' * 100}/{EVIL}")])
    return screen.plain


@pytest.mark.parametrize("width", [30, 60, 200])
def test_result_fits_and_shows_names_as_they_are(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    *lines, report = result(Screen()).splitlines()
    assert all(cells(line) <= width for line in lines)
    assert report == f"report: /home/{'x' * 100}/{SHOWN}"  # whole, to be copied
    assert not set("\x1b\x9b\x07\r\u202e") & set("".join(lines))
    together = re.sub(r"\s", "", "".join(lines))
    if width == 200:
        for name in ("slow.mp3", f"a {SHOWN}", r"no [bold]sound[/bold]\u001b[2J"):
            assert re.sub(r"\s", "", name) in together
    assert "and 1,000 more" in "".join(lines)


def test_the_bars_are_as_long_as_the_counts_are_high():
    lines = result(Screen()).splitlines()
    bars = {line.split()[1]: line.count("━") for line in lines if "Genre" in line}
    assert len(bars) == 12
    assert bars["0"] == 20 > bars["11"] > 15
    assert any("9 others" in line and "677" in line for line in lines)


def test_colours_can_be_switched_off(monkeypatch):
    def codes() -> set[str]:
        screen = Screen()
        result(screen)
        return {c for code in STYLE.findall(screen.text) for c in code[2:-1].split(";")}

    assert codes() == {"0", "1", "2", "31", "36"}
    monkeypatch.setenv("NO_COLOR", "1")
    assert codes() == {"0", "1", "2"}  # bold and dim are no colours


def test_a_terminal_that_knows_ascii_only_gets_ascii():
    shown = result(Screen("ascii"))
    assert shown.isascii()
    assert "Genre 0" in shown
    assert "----" in shown


def row(uri: str, **values) -> dict:
    empty = {field.name: [] if pa.types.is_list(field.type) else None for field in SCHEMA}
    needed = dict.fromkeys(("stage", "reason", "format", "model_name", "model_version"), "")
    needed |= {"settings": "", "size_bytes": 0, "mtime": 0, "mtime_ns": 0, "finished_at": 0}
    return {**empty, **needed, "uri": uri, "status": "tagged", **values}


def test_summary_of_a_report_of_several_parts(tmp_path, monkeypatch):
    write_part(
        [
            row(
                "/b.mp3", genres_after=["Rock", "Pop"], extract_s=1.0, classify_s=0.5, write_s=0.25
            ),
            row("/c.mp3", genres_after=["Rock"], extract_s=3.0, classify_s=None),
            row("/d.mp3", status="failed", reason="why d"),
            row("/e.mp3", status="kept", genres_after=["Folk"]),
        ],
        *2 * [str(tmp_path)],
    )
    write_part(
        [
            row("/a.mp3", status="failed", reason="why a", extract_s=9.0),
            row("/f.mp3", status="would_tag", genres_after=["Jazz"], extract_s=2.0),
        ],
        *2 * [str(tmp_path)],
    )
    monkeypatch.setattr("genrebeam.pipeline.views.summary._N_FAILED", 1)
    found = summarise([latest_rows(str(tmp_path), run.SHOWN)])
    assert list(found.genres.items()) == [("Rock", 2), ("Jazz", 1), ("Pop", 1)]
    assert found.slowest == (("/a.mp3", 9.0), ("/c.mp3", 3.0), ("/f.mp3", 2.0))
    assert (found.failed, found.n_failed) == ((("/a.mp3", "why a"),), 2)


def test_summary_of_a_report_that_does_not_fit_in_memory_is_the_same(tmp_path, monkeypatch):
    rows = [
        row(f"/{number % 7}/{number}.mp3", genres_after=["Rock", "Pop"], extract_s=number / 3)
        for number in range(40)
    ]
    rows += [
        row(f"/{number % 7}/x{number}.mp3", status="failed", reason="") for number in range(20)
    ]
    for begin in range(0, len(rows), 10):
        write_part(rows[begin : begin + 10], *2 * [str(tmp_path)])
    whole = summarise(Rows([(str(tmp_path), "1")], run.SHOWN, str(tmp_path)))
    monkeypatch.setattr(partitions, "_MOST_IN_MEMORY", 15)
    assert summarise(Rows([(str(tmp_path), "1")], run.SHOWN, str(tmp_path))) == whole
    assert (whole.genres, whole.n_failed) == ({"Pop": 40, "Rock": 40}, 20)


def test_summary_of_a_run_that_saw_nothing(tmp_path):
    assert summarise([latest_rows(str(tmp_path), run.SHOWN)]) == Summary({}, (), (), 0)
