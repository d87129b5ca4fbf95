"""The command line: everything is checked before any work, and said in one line."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest

from genrebeam.pipeline.cli import _last_line, build_parser, main
from genrebeam.pipeline.options.config import parse
from genrebeam.pipeline.views.progress import Progress, line
from tests import REPOSITORY
from tests.conftest import read_rows, tone, write_audio


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "genrebeam", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, **options)


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    write_audio(folder / "a.wav", tone(8), 22050)
    return folder


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tag"], "LIBRARY"),
        (["tag", "{library}/none"], "no such file or folder"),
        (["tag", "{library}/cover.jpg"], "not one of the formats"),
        (["tag", "ftp://host/music"], "neither a local path nor gs://"),
        (["tag", "s3:///music"], "neither a local path nor gs://"),
        (["tag", "{library}", "--report", "ftp://host/reports"], "neither a local path nor gs://"),
        (["tag", "{library}", "--runner", "DataflowRunner"], "workers cannot see local folders"),
        (["tag", "{library}", "--runner", "Nope"], "--runner Nope: no runner of Apache Beam"),
        (["tag", "{library}", "--flink_job_server_jar", "/no.jar"], "/no.jar: no such file"),
        (["tag", "{library}", "--job_endpoint", "localhost:1"], "no job server answers"),
        (["config", "{library}/none"], "no such folder"),
        (["tag", "{library}", "--top-k", "0"], "not a whole number from 1 up"),
        (["tag", "{library}", "--top-k", "two"], "not a whole number from 1 up"),
        (["tag", "{library}", "--segments", "0"], "not a whole number from 1 up"),
        (["tag", "{library}", "--processes", "0"], "not a whole number from 1 up"),
        (["tag", "{library}", "--min-confidence", "1.5"], "not a number from 0 to 1"),
        (["tag", "{library}", "--min-confidence", "nan"], "not a number from 0 to 1"),
        (["tag", "{library}", "--existing", "drop"], "invalid choice: 'drop'"),
        (["tag", "{library}", "--formats", "mp3,xyz"], "'xyz': unknown format"),
        (["tag", "{library}", "--formats", ""], "unknown format"),
        (["tag", "{library}", "--bundle", "{library}"], "not a model bundle"),
        (["tag", "{library}", "--report", "{library}/a.wav"], "not a folder"),
        (["tag", "{library}", "--report", "{library}/a.wav/b"], "cannot be written"),
        (["tag", "{library}", "--report", "{library}/r", "--dry-run"], "is inside the library"),
        (["tag", "{library}", "--topk", "3"], "--topk 3; did you mean --top-k?"),
        (["tag", "{library}", "{library}/none"], "no such file or folder"),
        (["tag", "{library}", "/dev/null.mp3", "-n"], "no such file or folder"),
        (["train", "--data", "{library}", "--out", "x"], "where do the genres come from?"),
        (["train", "--data", "x", "--out", "x", "--recipe", "none"], "unknown recipe 'none'"),
        (["evaluate", "{library}", "--data", "x"], "not a model bundle"),
        (["sing"], "sing: no such command; see genrebeam --help"),
        (["tga", "{library}"], "tga: no such command; did you mean tag?"),
        (["{library}"], "did you mean genrebeam tag {library}?"),
        (["history", "a.mp3", "--jsn"], "--jsn; did you mean --json?"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(library, arguments, complaint, capsys):
    (library / "cover.jpg").touch()
    before = sorted(library.rglob("*"))
    try:
        code = main([argument.format(library=library) for argument in arguments])
    except SystemExit as error:  # argparse
        code = error.code
    shown = capsys.readouterr()
    assert code == 2
    assert complaint.format(library=library) in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""
    assert sorted(library.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["version"], "genrebeam "),
        (["-V"], "genrebeam "),
        (["help"], "usage: genrebeam [-h]"),
        (["help", "undo"], "usage: genrebeam undo"),
    ],
)
def test_help_and_version_can_be_asked_for_as_commands(arguments, shown, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(shown)


def test_short_options_can_be_put_together():
    known, others = parse(build_parser(), ["tag", "Music", "-nqv"])
    assert (known.dry_run, known.quiet, known.verbose, others) == (True, True, True, [])


def test_a_reader_that_ends_early_is_no_error():
    command = f"{sys.executable} -m genrebeam config | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.startswith("# files read")
    assert done.stderr == ""


def test_several_paths_are_parts_of_the_folder_that_they_are_in(tmp_path, tiny_bundle, capsys):
    for folder in ("a", "b", "c"):
        (tmp_path / "music" / folder).mkdir(parents=True)
        write_audio(tmp_path / "music" / folder / "1.wav", tone(8), 22050)
    music = tmp_path / "music"
    options = ["--bundle", tiny_bundle.path, "--report", str(tmp_path / "report"), "-n"]
    named = [str(music / "b"), *options, str(music / "c" / "1.wav"), str(music / "b" / "1.wav")]
    assert main(["tag", *named]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines[:2]] == ["b/1.wav", "c/1.wav"]
    (run,) = (tmp_path / "report" / "runs").iterdir()
    facts = json.loads((run / "run.json").read_text())
    assert facts["library"] == str(music)
    assert facts["paths"] == [str(music / "b"), str(music / "c" / "1.wav")]
    rows = read_rows(tmp_path / "report" / "tracks" / f"run={run.name}")
    assert {row["uri"] for row in rows} == {str(music / "b/1.wav"), str(music / "c/1.wav")}


def test_one_of_several_paths_cannot_configure_the_others(tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "b" / "genrebeam.toml").write_text("[tag]\ntop-k = 2\n")
    assert main(["tag", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "holds for this library alone" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_library_is_wrong_usage(library, capsys):
    library.chmod(0)
    assert main(["tag", str(library)]) == 2
    library.chmod(stat.S_IRWXU)
    assert "no permission to read" in capsys.readouterr().err


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("sing", 2)])
def test_a_library_that_aborts_at_the_very_end_does_not_change_the_exit_code(argument, code):
    """As C++ does with a thread that is still there when its owner goes."""
    program = (
        "import ctypes, sys; from genrebeam.pipeline.cli import program\n"
        "c = ctypes.CDLL(None)\n"
        "c.__cxa_atexit(c.abort, None, None)\n"
        "program()"
    )
    command = [sys.executable, "-c", program, argument]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == code
    assert (result.stdout or result.stderr).startswith("genrebeam")


def test_no_command_explains_itself():
    result = run()
    assert result.returncode == 2
    assert "write genres into the files of a library" in result.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["tag", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    program = (
        "import sys; from genrebeam.pipeline.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'apache_beam', 'numpy', 'librosa', 'pyarrow', 'rich', 'shtab'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, cwd=REPOSITORY)


def test_a_run_with_nothing_to_analyse_does_not_import_tensorflow(library, tiny_bundle, tmp_path):
    program = (
        "import sys; from genrebeam.pipeline.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "sys.exit(code or 'tensorflow' in sys.modules)"
    )
    (library / "a.wav").unlink()
    arguments = ["tag", str(library), "--bundle", tiny_bundle.path, "--report", str(tmp_path / "r")]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, cwd=REPOSITORY)


def test_a_run_whose_files_tell_nothing_is_not_silent_about_it(tmp_path, tiny_bundle):
    """TensorFlow is still being loaded, in silence, when all has been refused."""
    folder = tmp_path / "library"
    folder.mkdir()
    write_audio(folder / "short.wav", tone(0.1), 22050)
    arguments = ["tag", str(folder), "--bundle", tiny_bundle.path, "--report", str(tmp_path / "r")]
    program = (
        "import sys; from genrebeam.pipeline.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert 'tensorflow' in sys.modules\n"
        "print('the last word', file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=True,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert "the last word" in result.stderr
    assert "1 refused" in result.stdout + result.stderr


def test_prints_counts_and_where_the_report_is(library, tiny_bundle, tmp_path):
    reports = tmp_path / "reports"
    result = run(
        "tag", str(library), "--bundle", tiny_bundle.path, "--report", str(reports), "--dry-run"
    )
    assert result.returncode == 0
    assert result.stderr == ""
    track, summary, where = result.stdout.splitlines()
    assert "%" in track  # a dry run lists its tracks
    assert summary.startswith("1 file in ")
    assert summary.endswith("1 would tag")
    assert where == f"report: {next(reports.glob('runs/*/report.html'))}"


def test_line_of_progress_without_any_rate_yet():
    expected = "genrebeam: 0 of 10 files analysed, 0.0 files/s, ? left, 0 failed"
    assert line(Progress(listed=10)) == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_leaves_a_valid_report(library, tmp_path, number):
    for index in range(400):
        shutil.copy(library / "a.wav", library / f"copy {index}.wav")
    reports = tmp_path / "reports"
    command = [sys.executable, "-m", "genrebeam", "tag", str(library)]
    process = subprocess.Popen(
        [*command, "--report", str(reports), "--processes", "1", "--bundle", "gtzan"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    journal = None
    while process.poll() is None and not (journal and journal.stat().st_size):
        time.sleep(0.05)
        journal = next(reports.glob("runs/*/journal.jsonl"), None)
    os.killpg(process.pid, number)  # as a terminal does
    shown, complaints = process.communicate(timeout=60)
    assert process.returncode == 3, complaints
    assert "Traceback" not in complaints
    rows = read_rows(reports)
    changed = journal.read_text().count("\n")
    assert 0 < changed < 401
    assert len([row for row in rows if row["status"] == "tagged"]) == changed
    assert f"{len(rows):,} files in" in shown
    assert not list(library.glob(".genrebeam*"))


def test_a_missing_extra_goes_back_to_the_script_that_started_the_command(tmp_path):
    """`run_local.sh` adds the extra and runs the same command line again."""
    script = tmp_path / "run_local.sh"
    script.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    script.chmod(0o755)
    hidden = "import importlib.util, sys; importlib.util.find_spec = lambda name: None\n"
    program = f"{hidden}from genrebeam.pipeline.cli import program; program()"
    result = subprocess.run(
        [sys.executable, "-c", program, "map", "--out", "a b.html"],
        capture_output=True,
        text=True,
        env={**os.environ, "_GENREBEAM_SCRIPT": str(script)},
    )
    assert result.stdout == "<with><pages><map><--out><a b.html>"


def test_an_error_of_beam_is_said_without_its_class_and_step():
    error = OSError("Traceback\nOSError: [Errno 28] No space left on device [while running 'a/b']")
    assert _last_line(error) == "the run stopped: No space left on device"
