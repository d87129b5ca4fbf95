"""Night after night: one run at a time, what failed again, what was moved not again."""

import dataclasses
import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.runs.lock import locked
from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.library.skip import Earlier, Gone, compact, moved, read_earlier
from genrebeam.transforms.records import TOO_RECENT, Track
from genrebeam.transforms.tags.header import read_headers
from tests.conftest import read_rows, tone, write_audio

SETTLED = Earlier("tagged", "tag", 1, 1, "s", confidence=0.5, run="1")


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture(params=["before the graph", "in the graph"])
def both_ways(request, monkeypatch):
    """Files that need work are found before the graph on one machine, in it on an engine."""
    if request.param == "in the graph":
        monkeypatch.setattr("genrebeam.pipeline.graphs.local.runs_here", lambda arguments: False)


@pytest.fixture
def tag(library, tiny_bundle):
    """Run, and give the exit code and the run's rows by file name."""
    reports = library.parent / "reports"

    def run(*options):
        arguments = ["--bundle", tiny_bundle.path, "--report", str(reports), *options]
        code = main(["tag", str(library), *arguments])
        rows = read_rows(max((reports / "tracks").iterdir()))
        return code, {os.path.relpath(row["uri"], library): row for row in rows}

    return run


def statuses(rows):
    return {name: row["status"] for name, row in rows.items()}


@pytest.mark.usefixtures("both_ways")
def test_retry_takes_what_failed_and_leaves_the_rest_to_the_next_run(library, tag, monkeypatch):
    write_audio(library / "good.wav", tone(8), 22050)
    (library / "bad.wav").write_bytes(b"RIFF")
    (library / "worse.wav").write_bytes(b"RIFF")
    code, rows = tag()
    assert (code, statuses(rows)) == (
        1,
        {"good.wav": "tagged", "bad.wav": "failed", "worse.wav": "failed"},
    )
    write_audio(library / "bad.wav", tone(8), 22050)
    write_audio(library / "new.wav", tone(8), 22050)
    (library / "link.wav").symlink_to(library / "good.wav")
    code, rows = tag("--retry-failed")
    assert (code, statuses(rows)) == (1, {"bad.wav": "tagged", "worse.wav": "failed"})
    write_audio(library / "worse.wav", tone(8), 22050)
    code, rows = tag("--retry-failed")
    assert (code, statuses(rows)) == (0, {"worse.wav": "tagged"})
    monkeypatch.setattr("genrebeam.pipeline.graphs.tag._FEW_RUNS", 2)
    code, rows = tag()
    assert (code, statuses(rows)) == (
        0,
        {
            "good.wav": "unchanged",
            "bad.wav": "unchanged",
            "worse.wav": "unchanged",
            "new.wav": "tagged",
            "link.wav": "refused",
        },
    )
    assert not list(library.parent.rglob("earlier"))


@pytest.mark.usefixtures("both_ways")
def test_moved_files_are_not_analysed_again(library, tag):
    for name in ("a.mp3", "b.mp3", "c.mp3"):
        write_audio(library / name, tone(8, seed=ord(name[0])), 22050)
    _, first = tag("--existing", "replace")
    assert set(statuses(first).values()) == {"tagged"}
    (library / "album").mkdir()
    for name in ("a.mp3", "b.mp3"):
        (library / name).rename(library / "album" / name)
    os.utime(library / "album" / "b.mp3", ns=(1, 1))
    _, rows = tag("--existing", "replace")
    assert statuses(rows) == {
        "album/a.mp3": "unchanged",
        "album/b.mp3": "unchanged",
        "c.mp3": "unchanged",
    }
    assert rows["album/a.mp3"]["reason"].startswith(f"moved from {library / 'a.mp3'}; same file")
    assert rows["album/a.mp3"]["genres_after"] == first["a.mp3"]["genres_after"]
    assert {name for name, row in rows.items() if row["extract_s"]} == {"album/b.mp3"}
    (library / "album" / "a.mp3").rename(library / "a.mp3")
    _, rows = tag("--existing", "replace")
    assert rows["a.mp3"]["reason"].startswith("moved from")
    _, rows = tag("--existing", "replace", "--no-incremental")
    assert [bool(row["extract_s"]) for row in rows.values()] == [True] * 3


def test_an_untagged_copy_of_a_tagged_file_is_not_the_file_that_was_moved(tmp_path):
    write_audio(tmp_path / "copy.flac", tone(8), 22050)
    copy = Track(str(tmp_path / "copy.flac"), "flac", size_bytes=1, mtime_ns=1)
    found = fingerprint(copy.uri)
    gone = [
        Gone("a.flac", dataclasses.replace(SETTLED, genres_after=genres, fingerprint=found))
        for genres in (("Rock",), ())
    ]
    assert moved(copy, gone[:1], None) == copy
    assert moved(copy, gone, None).genres_after == ()


def test_a_dry_retry_does_not_take_the_failures_away(library, tag):
    (library / "bad.wav").write_bytes(b"RIFF")
    tag()
    write_audio(library / "bad.wav", tone(8), 22050)
    _, rows = tag("--retry-failed", "--dry-run")
    assert statuses(rows) == {"bad.wav": "would_tag"}
    _, rows = tag("--retry-failed")
    assert statuses(rows) == {"bad.wav": "tagged"}


def test_a_night_without_the_mounted_music_forgets_nothing(library, tag):
    write_audio(library / "a.wav", tone(8), 22050)
    tag()
    library.rename(library.parent / "away")
    library.mkdir()
    reports = library.parent / "reports"
    main(["tag", str(library), "--report", str(reports), "--quiet"])
    library.rmdir()
    (library.parent / "away").rename(library)
    _, rows = tag()
    assert statuses(rows) == {"a.wav": "unchanged"}


def test_many_runs_are_joined_where_the_name_of_the_reports_is_no_text(tmp_path):
    folder = os.path.join(tmp_path, os.fsdecode(b"m\xfcsik"))
    compact([], folder, str(tmp_path))
    assert list(read_earlier(folder, "run")) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--retry-failed"], "no earlier run over"),
        (["--retry-failed", "--no-incremental"], "--retry-failed needs earlier runs"),
    ],
)
def test_a_retry_needs_earlier_runs(library, tiny_bundle, capsys, options, complaint):
    reports = library.parent / "reports"
    arguments = ["--bundle", tiny_bundle.path, "--report", str(reports)]
    assert main(["tag", str(library), *arguments, *options]) == 2
    assert complaint in capsys.readouterr().err
    assert not (reports / "runs").exists()


@pytest.mark.parametrize("option", ["--dry-run", "--existing=replace"])
def test_a_second_run_says_who_is_at_work_and_leaves(library, tiny_bundle, capsys, option):
    reports = library.parent / "reports"
    arguments = ["--bundle", tiny_bundle.path, "--report", str(reports), "--quiet", option]
    with locked(str(reports)) as note:
        note("20261120T101500.123Z-3fa9")
        assert main(["tag", str(library), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"run 20261120T101500.123Z-3fa9 (process {os.getpid()} on " in line
    assert not (reports / "runs").exists()


def test_a_run_that_has_only_begun_is_seen_too(tmp_path):
    with locked(str(tmp_path)), pytest.raises(UsageError, match="another run is at work"):
        locked(str(tmp_path)).__enter__()


def test_the_lock_is_free_again_afterwards_and_tells_of_nobody(tmp_path):
    for _ in range(2):
        with locked(str(tmp_path)) as note:
            note("a run")
        assert (tmp_path / "lock").read_bytes() == b""


def test_a_run_that_was_killed_holds_no_lock(tmp_path):
    program = (
        "import subprocess, sys, time\n"
        "from genrebeam.pipeline.runs.lock import locked\n"
        "with locked(sys.argv[1]) as note:\n"
        "    note('killed')\n"
        # As the pool's fork server does, it outlives the run for a while.
        "    child = subprocess.Popen(['sleep', '60'], close_fds=False)\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        with pytest.raises(UsageError, match="run killed"):
            locked(str(tmp_path)).__enter__()
        process.send_signal(signal.SIGKILL)
        process.wait()
        try:
            with locked(str(tmp_path)) as note:
                note("next")
        finally:
            os.kill(child, signal.SIGKILL)


def test_runs_go_on_where_a_file_system_has_no_locks(tmp_path, monkeypatch):
    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(str(tmp_path)) as note:
        note("a run")
        assert '"run": "a run"' in (tmp_path / "lock").read_text()


def test_a_disk_that_is_unplugged_meanwhile_makes_no_failures_of_its_files(
    library, tag, monkeypatch, capsys
):
    for name in ("a.wav", "b.wav", "c.wav"):
        write_audio(library / name, tone(8), 22050)
    away = library.parent / "away"

    def unplug(paths, form):
        if library.exists():
            library.rename(away)
        return read_headers(paths, form)

    with monkeypatch.context() as patch:
        patch.setattr("genrebeam.transforms.tags.ptransforms.read_headers", unplug)
        code, rows = tag()
    assert (code, len(rows)) == (3, 0)
    assert "is no longer there; stopping" in capsys.readouterr().err
    away.rename(library)
    code, rows = tag()
    assert (code, statuses(rows)) == (0, dict.fromkeys(("a.wav", "b.wav", "c.wav"), "tagged"))


@pytest.mark.usefixtures("both_ways")
def test_a_file_that_has_just_changed_is_left_to_a_later_run(library, tag):
    write_audio(library / "new.wav", tone(8), 22050)
    (library / "begun.mp3").touch()
    code, rows = tag("--min-age", "3600")
    assert (code, statuses(rows)) == (0, {"new.wav": "refused", "begun.mp3": "refused"})
    assert {row["reason"] for row in rows.values()} == {TOO_RECENT}
    code, rows = tag()
    assert (code, statuses(rows)) == (1, {"new.wav": "tagged", "begun.mp3": "failed"})
