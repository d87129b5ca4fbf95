"""What commands say: tables on a terminal, lines in a pipe, JSON for scripts."""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genrebeam.pipeline.cli import main
from tests import REPOSITORY
from tests.conftest import tone, write_audio
from tests.screens import STYLE, Screen

pytestmark = pytest.mark.usefixtures("terminal_of_60_columns")


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


def test_quiet_says_what_changed_and_each_failure_once(tag, library, capsys):
    assert tag("--quiet") == 1
    shown = capsys.readouterr()
    assert shown.out == "1 tagged, 12 new failures\n"
    assert len(shown.err.splitlines()) == 11
    assert tag("--quiet") == 0
    assert capsys.readouterr() == ("", "")
    (library / "broken 01.mp3").write_bytes(b"other")
    (library / "broken 13.mp3").write_bytes(b"")
    assert tag("--quiet") == 1
    shown = capsys.readouterr()
    assert shown.out == "2 new failures, 11 known failures\n"
    assert [line.partition(": ")[0] for line in shown.err.splitlines()] == [
        f"{library}/broken 01.mp3",
        f"{library}/broken 13.mp3",
    ]


def test_quiet_tells_all_failures_to_who_asks(tag, capsys):
    tag("--quiet")
    shown = capsys.readouterr()
    assert tag("--quiet", "--all-failures") == 1
    again = capsys.readouterr()
    assert again.out == "12 failures\n"
    assert len(again.err.splitlines()) == len(shown.err.splitlines()) == 11


def test_a_failure_that_no_run_printed_is_new(tag, tmp_path, capsys):
    tag("--quiet")
    (manifest,) = tmp_path.glob("reports/runs/*/run.json")
    manifest.write_text(manifest.read_text().replace('"finished"', '"crashed"'))
    capsys.readouterr()
    assert tag("--quiet") == 1
    assert "12 new failures" in capsys.readouterr().out


def test_a_file_that_failed_was_tagged_and_fails_again_is_a_new_failure(tag, library, capsys):
    tag("--quiet")
    song = next(path for path in library.iterdir() if not path.name.startswith("broken"))
    broken = library / f"broken{song.suffix}"
    broken.write_bytes(b"")
    tag("--quiet")
    shutil.copy(song, broken)
    tag("--quiet")
    broken.write_bytes(b"")
    capsys.readouterr()
    assert tag("--quiet") == 1
    assert capsys.readouterr().err.startswith(f"{broken}: empty file")


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
        "changes": "1 would tag, 12 failures",
        "too_recent": 0,
    }


def test_a_page_that_cannot_be_written_is_reported_and_no_more(tag, library, monkeypatch, capsys):
    for path in library.iterdir():
        path.unlink()

    def full(runs, rows, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genrebeam.pipeline.views.report_page.write_report_page", full)
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
        "next": None,
    }
    assert main(["undo", str(tmp_path / "reports"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_undo_and_report_find_the_reports_where_tag_leaves_them(tag, tmp_path, monkeypatch, capsys):
    tag()
    monkeypatch.setenv("GENREBEAM_REPORT", str(tmp_path / "reports"))
    assert main(["report", "--csv"]) == 0
    assert "report.csv (13 files)" in capsys.readouterr().out
    lines = (tmp_path / "reports" / "report.csv").read_text().splitlines()
    assert lines[0].startswith("uri,status,")
    assert sum(",tagged," in line for line in lines) == 1
    assert main(["report", "--csv"]) == 0  # it is ours
    assert main(["undo"]) == 0
    assert "1 restored" in capsys.readouterr().out


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
        [sys.executable, "-m", "genrebeam", "tag", str(library), *arguments],
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
    assert "existing genres stay; up to 2 genres for each file" in plan
    assert f"report      {next(reports.glob('runs/*'))}/report.html" in plan
    assert 'configured  keep-mtime = "1" (environment: GENREBEAM_KEEP_MTIME)' in plan
    assert "starting" in frames
    assert "12 files found, 0 to analyse" in frames
    assert "12 files in " in end
    assert "and 2 more" in end


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish here")
def test_fish_completes_what_bash_does(tmp_path, capsys, monkeypatch):
    assert main(["completion", "fish"]) == 0
    script = tmp_path / "genrebeam.fish"
    script.write_text(capsys.readouterr().out)

    def complete(line: str) -> set[str]:
        command = ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"]
        shown = subprocess.check_output(command, text=True, cwd=tmp_path).splitlines()
        return {one.partition("\t")[0] for one in shown}

    assert complete("genrebeam ta") == {"tag"}
    assert complete("genrebeam tag --dry") == {"--dry-run"}
    assert complete("genrebeam tag library --existing me") == {"merge"}
    assert complete("genrebeam tag library --bundle def") == {"default"}
    assert complete("genrebeam tag library --formats fla") == {"flac"}
    (tmp_path / "some reports" / "runs" / "20261120T1").mkdir(parents=True)
    monkeypatch.setenv("GENREBEAM_REPORT", str(tmp_path / "some reports"))
    assert complete("genrebeam undo --run 2026") == {"20261120T1"}
    assert complete("genrebeam apply 2026") == {"20261120T1"}


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
def test_bash_completes_commands_options_and_values(tmp_path, capsys, monkeypatch):
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
    assert complete("tag", "library", "--existing", "") == {"keep", "merge", "replace", "clean"}
    assert complete("tag", "library", "--bundle", "def") == {"default"}
    assert complete("tag", "library", "--formats", "fla") == {"flac"}
    (tmp_path / "some reports" / "runs" / "20261120T1").mkdir(parents=True)
    monkeypatch.setenv("GENREBEAM_REPORT", str(tmp_path / "some reports"))
    assert complete("undo", "--run", "2026") == {"20261120T1"}
    assert complete("apply", "2026") == {"20261120T1"}
    (tmp_path / "report of mine").mkdir()
    assert complete("tag", "library", "--report", "report") == {"report", "of", "mine"}
