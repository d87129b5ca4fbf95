"""The terminal: whoever watches sees a plan, progress and a result; scripts get lines or JSON."""

import contextlib
import io
import json
import os
import pickle
import pty
import re
import shutil
import subprocess
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.cli import main
from pipeline.runs import run
from pipeline.views import progress, terminal
from pipeline.views.progress import Progress
from pipeline.views.summary import Summary, summarise
from pipeline.views.terminal import draw_progress, safe, show_plan, show_result, tracked
from tests import REPOSITORY
from tests.conftest import tone, write_audio
from transforms.records import Decision, Outcome, Track
from transforms.reports.read import latest_rows
from transforms.reports.schema import SCHEMA
from transforms.reports.write import write_part

EVIL = "a\x1b[31m\x9b2J\x1b]0;pwned\x07[red]b[/red] :cat:\u202egpj\r\ncaf\udce9 日本.mp3"
SHOWN = (
    r"a\u001b[31m\u009b2J\u001b]0;pwned\u0007[red]b[/red] :cat:\u202egpj\u000d\u000acaf\udce9 "
    "日本.mp3"
)
STYLE = re.compile(r"\x1b\[[\d;]*m")


class Screen(io.TextIOWrapper):
    """A terminal that keeps what it is told."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace")

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)

    @property
    def plain(self) -> str:
        return STYLE.sub("", self.text)


@pytest.fixture(autouse=True)
def terminal_of_60_columns(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")


def cells(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


# --- names --------------------------------------------------------------------------------


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


# --- the plan -----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [30, 60, 200])
def test_plan_fits_and_shows_names_as_they_are(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen()
    show_plan(screen, [("library", f"/music/{EVIL}"), ("policy", "word " * 30)])
    assert all(cells(line) <= width for line in screen.plain.splitlines())
    assert SHOWN.replace(" ", "") in re.sub(r"\s", "", screen.plain)
    assert "\x1b" not in screen.plain


# --- progress -----------------------------------------------------------------------------


def drawn(state: Progress, screen: Screen) -> str:
    ended = threading.Event()
    ended.set()
    draw_progress(ended, screen, lambda: state)
    return screen.plain


HALF = Progress(
    listed=123_456,
    unheard=23_456,
    heard=50_000,
    seconds=10_000,
    statuses={"failed": 12, "kept": 23_000, "unchanged": 456, "tagged": 49_988},
    genres={"Rock": 30_000, "Jazz": 19_000, "Pop": 900, "Blues": 80, "Metal": 8},
)


def test_progress_shows_what_is_done_and_what_is_left():
    shown = drawn(HALF, Screen())
    assert "50,000/100,000  5.0 files/s  2:46:40 left" in shown
    assert "12 failed, 23,000 kept, 456 unchanged, Rock 30,000" in shown


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("state", [Progress(), Progress(listed=5), HALF])
def test_progress_takes_two_lines_on_every_terminal(monkeypatch, width, state):
    monkeypatch.setenv("COLUMNS", str(width))
    console = terminal._console(screen := Screen())
    console.print(terminal._frame(state, "-", console.width))
    lines = screen.plain.splitlines()
    assert len(lines) == 2
    assert all(cells(line) <= width for line in lines)


def test_before_the_first_file_is_heard_it_says_what_was_found():
    assert "starting" in drawn(Progress(), Screen())
    assert "7 files found, 5 to hear" in drawn(Progress(listed=7, unheard=2), Screen())


def test_genres_that_users_named_are_harmless_in_progress():
    state = Progress(listed=2, heard=1, seconds=1, genres={EVIL: 1})
    assert "[red]b[/red]" in drawn(state, Screen())
    assert "]0;pwned\x07" not in drawn(state, Screen())


def outcome(number: int, status: str = "tagged", stage: str = "tag", genres=("Rock",)) -> Outcome:
    decision = None
    if stage in ("vote", "tag"):
        decision = Decision(Track("", ""), genres, 0.5, "", {}, {}, 1, 0.1, 0.1)
    return Outcome(Track(f"/music/{number}.mp3", "mp3"), status, stage, "", decision=decision)


@pytest.fixture
def counts(monkeypatch):
    monkeypatch.setattr(progress, "_counts", progress._Counts())
    return lambda: progress._counts.look()


def test_only_files_that_are_heard_count_for_rate_and_time_left(counts):
    for number in range(10):
        progress.count_listed(Track(f"{number}.mp3", "mp3"))
    progress.count_outcome(outcome(10, "failed", "walk"))  # was never passed on
    for number in range(4):
        progress.count_outcome(outcome(number, "unchanged", "skip"))
    progress.count_outcome(outcome(4, "kept", "read_tags"))
    assert (counts().listed, counts().to_hear, counts().heard) == (11, 5, 0)
    progress.count_outcome(outcome(5))
    progress.count_outcome(outcome(6, "failed", "decode"))
    progress.count_outcome(outcome(7, "refused", "vote", ()))
    now = counts()
    assert (now.listed, now.to_hear, now.heard) == (11, 5, 3)
    assert now.statuses == {"failed": 2, "unchanged": 4, "kept": 1, "tagged": 1, "refused": 1}
    assert now.genres == {"Rock": 1}


def test_counts_of_many_threads_add_up(counts):
    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(progress.count_outcome, map(outcome, range(2000))):
            counts()
    assert counts().statuses == {"tagged": 2000}


def test_nothing_of_single_files_is_kept(counts):
    sizes = []
    for number in (0, 5000):
        progress.count_outcome(outcome(number))
        sizes.append(len(pickle.dumps(progress._counts.__dict__ | {"_lock": None})))
        for other in range(number + 1, number + 1000):
            progress.count_outcome(outcome(other))
    assert sizes[1] - sizes[0] < 10


def test_a_loop_is_watched_only_on_a_terminal():
    items = [1, 2, 3]
    assert tracked(items, 3, io.StringIO()) is items
    assert tracked(items, 3, None) is items
    screen = Screen()
    assert list(tracked(items, 3, screen)) == items
    assert "%" in screen.plain


# --- the result ---------------------------------------------------------------------------

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
    assert drawn(HALF, Screen("ascii")).isascii()


def row(uri: str, **values) -> dict:
    empty = {field.name: [] if pa.types.is_list(field.type) else None for field in SCHEMA}
    needed = dict.fromkeys(("stage", "reason", "format", "model_name", "model_version"), "")
    needed |= {"settings": "", "size_bytes": 0, "mtime": 0, "mtime_ns": 0, "finished_at": 0}
    return {**empty, **needed, "uri": uri, "status": "tagged", **values}


def test_summary_of_a_report_of_several_parts(tmp_path):
    write_part(
        [
            row("/b.mp3", genres_after=["Rock", "Pop"], hear_s=1.0, classify_s=0.5, write_s=0.25),
            row("/c.mp3", genres_after=["Rock"], hear_s=3.0, classify_s=None),
            row("/d.mp3", status="failed", reason="why d"),
            row("/e.mp3", status="kept", genres_after=["Folk"]),
        ],
        *2 * [str(tmp_path)],
    )
    write_part(
        [
            row("/a.mp3", status="failed", reason="why a", hear_s=9.0),
            row("/f.mp3", status="would_tag", genres_after=["Jazz"], hear_s=2.0),
        ],
        *2 * [str(tmp_path)],
    )
    found = summarise(latest_rows(str(tmp_path), run.SHOWN), n_slowest=3, n_failed=1)
    assert list(found.genres.items()) == [("Rock", 2), ("Jazz", 1), ("Pop", 1)]
    assert found.slowest == (("/a.mp3", 9.0), ("/c.mp3", 3.0), ("/f.mp3", 2.0))
    assert (found.failed, found.n_failed) == ((("/a.mp3", "why a"),), 2)


def test_summary_of_a_run_that_saw_nothing(tmp_path):
    assert summarise(latest_rows(str(tmp_path), run.SHOWN)) == Summary({}, (), (), 0)


# --- the commands -------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    write_audio(folder / "a.wav", tone(8), 22050)
    for number in range(12):
        (folder / f"broken {number:02d}.mp3").touch()
    (folder / "broken 00.mp3").rename(folder / "broken \x1b[31m[red].mp3")
    return folder


@pytest.fixture
def tag(library, tmp_path, tiny_bundle):
    common = ["--bundle", tiny_bundle.path, "--report", str(tmp_path / "reports")]
    return lambda *options: main(["tag", str(library), *common, *options])


def test_a_pipe_gets_lines_and_each_failure_is_an_error(tag, library, capsys):
    assert tag() == 1
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 2
    assert "1 tagged, 12 failed" in shown.out
    failures = shown.err.splitlines()
    assert failures[0].startswith(f"{library}/broken \\u001b[31m[red].mp3: empty file; ")
    assert len(failures) == 11
    assert failures[-1].startswith("and 2 more failed; see ")


def test_quiet_tells_only_what_went_wrong(tag, library, capsys):
    assert tag("--quiet") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 11
    for path in library.glob("broken*"):
        path.unlink()
    assert tag("--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_json_is_one_object_and_nothing_else(tag, library, tmp_path, tiny_bundle, capsys):
    assert tag("--json", "--dry-run") == 1
    facts = json.loads(capsys.readouterr().out)
    (genre,) = facts.pop("genres")
    assert genre in tiny_bundle.genres
    assert facts.pop("seconds") > 0
    run = facts.pop("run")
    report = tmp_path / "reports" / "runs" / run
    assert (report / "report.html").exists()
    assert facts == {
        "state": "finished",
        "library": str(library),
        "model": {"name": "tiny", "version": tiny_bundle.version},
        "report": str(report),
        "tracks": str(tmp_path / "reports" / "tracks" / f"run={run}"),
        "page": str(report / "report.html"),
        "dry_run": True,
        "counts": {"would_tag": 1, "failed": 12},
    }


def test_a_page_that_cannot_be_written_is_told_and_no_more(tag, library, monkeypatch, capsys):
    for path in library.iterdir():
        path.unlink()

    def full(folders, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.views.report_page.write_report_page", full)
    assert tag("--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["page"] is None
    assert shown.err.endswith("report.html: cannot be written (No space left on device)\n")


def test_undo_can_be_quiet_or_tell_json(tag, tmp_path, capsys):
    tag()
    run = next((tmp_path / "reports" / "runs").iterdir()).name
    capsys.readouterr()
    assert main(["undo", str(tmp_path / "reports"), "--json", "--dry-run"]) == 0
    facts = json.loads(capsys.readouterr().out)
    (file,) = facts.pop("files")
    assert (file["run"], file["restored_to"], len(file["genres"])) == (run, [], 1)
    assert facts == {
        "run": run,
        "runs": [run],
        "dry_run": True,
        "counts": {"would_restore": 1},
    }
    assert main(["undo", str(tmp_path / "reports"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_result_says_where_the_report_is_and_how_to_undo(
    tag, tmp_path, tiny_bundle, monkeypatch
):
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    assert tag() == 1
    reports = tmp_path / "reports"
    run = next((reports / "runs").iterdir())
    shown = screen.plain
    assert "1 tagged, 12 failed" in shown
    assert any(f"\n  {genre}" in shown for genre in tiny_bundle.genres)
    assert re.search(r"slowest\n  \d+\.\d s  a.wav *\n", shown)
    assert "broken \\u001b[31m[red].mp3  empty file" in shown
    assert "and 2 more" in shown
    assert f"\nreport: {run}/report.html\ntracks: {reports}/tracks/run={run.name}\n" in shown
    assert f"\nundo: genrebeam undo {reports} --run {run.name}\n" in shown


def test_a_terminal_sees_the_plan_then_progress_then_the_result(library, tmp_path, tiny_bundle):
    (library / "a.wav").unlink()  # and so nothing heavy is loaded
    reports = tmp_path / "reports"
    arguments = ["--bundle", tiny_bundle.path, "--report", str(reports), "--top-k", "2"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "tag", str(library), *arguments],
        cwd=REPOSITORY,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "GENREBEAM_KEEP_MTIME": "1", "COLUMNS": "200"},
    )
    os.close(theirs)
    pieces = []
    with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
        while piece := os.read(ours, 65536):
            pieces.append(piece)
    os.close(ours)
    assert process.wait() == 1
    shown = STYLE.sub("", b"".join(pieces).decode()).replace("\r", "")
    plan, _, rest = shown.partition("\x1b[?25l")
    frames, _, end = rest.partition("\x1b[?25h")
    assert f"library     {library}" in plan
    assert f"model       tiny {tiny_bundle.version}, knows 3 genres" in plan
    assert "a genre that is there stays; up to 2 genres for each file" in plan
    assert f"report      {next(reports.glob('runs/*'))}/report.html" in plan
    assert 'configured  keep-mtime = "1" (environment: GENREBEAM_KEEP_MTIME)' in plan
    assert "starting" in frames
    assert "12 files found, 0 to hear" in frames
    assert "12 files in " in end
    assert "and 2 more" in end


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
def test_bash_completes_commands_options_and_values(tmp_path, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(
        capsys.readouterr().out + 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        '_shtab_genrebeam; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )

    def complete(*words: str) -> set[str]:
        command = ["bash", str(script), "genrebeam", *words]
        return set(subprocess.check_output(command, text=True, cwd=tmp_path).split())

    assert complete("ta") == {"tag"}
    assert complete("tag", "--dry") == {"--dry-run"}
    assert complete("tag", "library", "--existing", "") == {"keep", "merge", "replace"}
    (tmp_path / "report of mine").mkdir()
    assert complete("tag", "library", "--report", "report") == {"report", "of", "mine"}


def test_a_dumb_terminal_is_none(monkeypatch):
    assert terminal.is_terminal(Screen())
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.is_terminal(Screen())
    assert not terminal.is_terminal(None)


def test_no_markup_no_emoji_no_highlighting():
    console = terminal._console(Screen())
    assert isinstance(console, Console)
    with console.capture() as captured:
        console.print("[red]x[/red] :cat: 12 'text'")
    assert captured.get() == "[red]x[/red] :cat: 12 'text'\n"
