"""Watching: one run for what is new and complete, none for what a run has done itself."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.runs import watching
from genrebeam.pipeline.runs.watching import Watch
from tests.conftest import read_rows, tone, write_audio

# Stands for a run: notes that it ran, changes the songs that are new to it, and says so.
TAG = """
import json, os, pathlib, sys, time
home = pathlib.Path(sys.argv[1])
library, reports = home / "music", home / "music" / "reports"
runs = home / "runs"
number = len(runs.read_text().splitlines()) if runs.exists() else 0
with runs.open("a") as stream:
    stream.write("run\\n")
orders = json.loads((home / "orders.json").read_text())
order = orders[min(number, len(orders) - 1)]
time.sleep(order.get("seconds", 0))
if "code" in order:
    sys.exit(order["code"])
folder = reports / "runs" / str(number)
folder.mkdir(parents=True)
from genrebeam.transforms.tags.change import Change
tagged = 0
with (folder / "journal.jsonl").open("w") as journal:
    for song in library.rglob("*.mp3"):
        if not song.read_bytes().endswith(b"tagged"):
            song.write_bytes(song.read_bytes() + b"tagged")
            facts = song.stat()
            change = Change(
                str(song), {"pieces": "", "old_digest": "", "new_digest": ""}, "mp3",
                1, 1, size_after=facts.st_size, mtime_ns_after=facts.st_mtime_ns,
            )
            journal.write(change.to_line())
            tagged += 1
changes = f"{tagged} tagged" if tagged else ""
answer = {"report": str(folder), "changes": changes, "too_recent": order.get("too_recent", 0)}
print(json.dumps(answer))
"""


class Watched:
    """A watch at work in a thread, with a stand-in for its runs."""

    def __init__(self, home: Path) -> None:
        pytest.importorskip("watchfiles", reason="watchfiles is not installed")
        self.home, self.library = home, home / "music"
        self.library.mkdir()
        (home / "tag.py").write_text(textwrap.dedent(TAG))
        self.order({})
        self.watch = Watch(str(self.library), [], 0.3)
        self.watch._command = [sys.executable, str(home / "tag.py"), str(home)]
        self.code: int | None = None

    def order(self, *orders: dict) -> None:
        """What the runs do, one after the other."""
        (self.home / "orders.json").write_text(json.dumps(orders))

    def begin(self, poll_s: float | None = None) -> None:
        def work() -> None:
            self.code = self.watch.forever(poll_s)

        self.thread = threading.Thread(target=work)
        self.thread.start()

    def end(self) -> int | None:
        self.watch.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.code

    @property
    def n_runs(self) -> int:
        runs = self.home / "runs"
        return len(runs.read_text().splitlines()) if runs.exists() else 0

    def wait_for(self, n_runs: int) -> None:
        """Wait until there are ``n_runs``; fail if there are more a while later."""
        deadline = time.monotonic() + 30
        while self.n_runs < n_runs or self.watch._child is not None:
            assert time.monotonic() < deadline, f"{self.n_runs} runs"
            time.sleep(0.05)
        time.sleep(0.8)
        assert self.n_runs == n_runs


@pytest.fixture
def watched(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "_TICK_S", 0.1)
    monkeypatch.setattr(watching, "_AWAY_S", 0.1)
    monkeypatch.setattr(watching, "_BUSY_S", 0.3)
    one = Watched(tmp_path)
    yield one
    one.end()


@pytest.mark.parametrize("poll_s", [None, 0.2], ids=["notified", "polled"])
def test_new_and_changed_music_is_tagged_once(watched, capsys, poll_s):
    (watched.library / "old.mp3").write_bytes(b"old")
    watched.begin(poll_s)
    watched.wait_for(1)
    album = watched.library / "Artist" / "Album"
    album.mkdir(parents=True)
    (album / "new.mp3").write_bytes(b"new")
    watched.wait_for(2)
    assert (album / "new.mp3").read_bytes() == b"newtagged"
    (album / "new.mp3").write_bytes(b"edited by a person")
    watched.wait_for(3)
    assert capsys.readouterr().out == "1 tagged\n" * 3
    assert watched.end() == 0


def test_what_is_no_music_wakes_nobody(watched):
    watched.begin()
    watched.wait_for(1)
    for name in (".song.mp3", "cover.jpg", "@eaDir/song.mp3", "reports/song.mp3"):
        path = watched.library / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"new")
    (watched.library / "gone.mp3").touch()
    (watched.library / "gone.mp3").unlink()
    watched.wait_for(1)


def test_a_folder_that_is_moved_in_is_new_music(watched):
    watched.begin()
    watched.wait_for(1)
    (watched.home / "Album").mkdir()
    (watched.home / "Album" / "a.mp3").write_bytes(b"new")
    (watched.home / "Album").rename(watched.library / "Album")
    watched.wait_for(2)
    assert (watched.library / "Album" / "a.mp3").read_bytes() == b"newtagged"


def test_a_library_that_goes_away_is_waited_for(watched, capsys):
    watched.begin()
    watched.wait_for(1)
    away = watched.home / "away"
    watched.library.rename(away)
    time.sleep(1)
    assert "is no longer there; waiting for it" in capsys.readouterr().err
    (away / "new.mp3").write_bytes(b"new")
    away.rename(watched.library)
    watched.wait_for(2)
    (watched.library / "newer.mp3").write_bytes(b"new")
    watched.wait_for(3)


def test_what_changes_during_a_run_is_taken_by_the_next(watched):
    watched.order({"seconds": 1.5}, {})
    watched.begin()
    while not watched.n_runs:
        time.sleep(0.05)
    (watched.library / "new.txt").write_bytes(b"new")
    (watched.library / "new.ogg").write_bytes(b"new")
    watched.wait_for(2)


def test_files_that_were_too_recent_are_tried_again(watched):
    watched.order({"too_recent": 1}, {})
    watched.begin()
    watched.wait_for(2)


def test_another_run_at_work_is_waited_for(watched):
    watched.order({}, {"code": 2}, {})
    watched.begin()
    watched.wait_for(1)
    (watched.library / "new.mp3").write_bytes(b"new")
    watched.wait_for(3)


def test_wrong_usage_ends_it(watched):
    watched.order({"code": 2})
    watched.begin()
    watched.thread.join(30)
    assert watched.code == 2


def test_where_the_system_can_tell_nothing_the_watch_looks_by_itself(watched, monkeypatch, capsys):
    import watchfiles

    watch = watchfiles.watch

    def refuse(*paths, force_polling, poll_delay_ms, **options):
        if not force_polling:
            raise OSError("OS file watch limit reached.")
        assert poll_delay_ms == 60_000
        return watch(*paths, force_polling=True, poll_delay_ms=200, **options)

    monkeypatch.setattr(watchfiles, "watch", refuse)
    watched.begin()
    watched.wait_for(1)
    assert "watch limit reached.; looking for changes every 60 s instead" in capsys.readouterr().err
    (watched.library / "new.mp3").write_bytes(b"new")
    watched.wait_for(2)


def test_a_signal_ends_the_watch_and_its_run_cleanly(tmp_path, tiny_bundle):
    pytest.importorskip("watchfiles", reason="watchfiles is not installed")
    library, reports = tmp_path / "music", tmp_path / "reports"
    library.mkdir()
    write_audio(library / "a.wav", tone(8), 22050)
    command = [sys.executable, "-m", "genrebeam", "watch", str(library), "--min-age", "1"]
    options = ["--report", str(reports), "--bundle", tiny_bundle.path]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1 tagged\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    (run,) = (reports / "runs").iterdir()
    assert json.loads((run / "run.json").read_text())["state"] == "finished"


def test_once_waits_for_files_that_are_being_written_and_ends(tmp_path, tiny_bundle, capfd):
    library, reports = tmp_path / "music", tmp_path / "reports"
    library.mkdir()
    write_audio(library / "a.wav", tone(8), 22050)
    (library / "broken.mp3").touch()
    options = ["--once", "--min-age", "1", "--report", str(reports), "--bundle", tiny_bundle.path]
    assert main(["watch", str(library), *options, "--existing", "replace"]) == 1
    shown = capfd.readouterr()
    assert "new failure" in shown.out
    assert shown.err.startswith(f"{library / 'broken.mp3'}: empty file")
    rows = read_rows(max((reports / "tracks").iterdir()))
    assert {os.path.basename(row["uri"]): row["status"] for row in rows} in (
        {"a.wav": "tagged", "broken.mp3": "failed"},
        {"a.wav": "unchanged", "broken.mp3": "failed"},
    )
    manifest = json.loads((max((reports / "runs").iterdir()) / "run.json").read_text())
    assert (manifest["options"]["existing"], manifest["options"]["min_age"]) == ("replace", 1)


@pytest.mark.parametrize(
    ("library", "complaint"),
    [("gs://bucket/music", "cannot be watched"), ("nowhere", "no such folder")],
)
def test_what_cannot_be_watched(library, complaint, capsys):
    assert main(["watch", library, "--once"]) == 2
    assert complaint in capsys.readouterr().err


def test_the_extra_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("genrebeam.model.extras.is_installed", lambda extra: False)
    assert main(["watch", str(tmp_path)]) == 2
    assert "watch needs an extra: pip install 'genrebeam[watch]'" in capsys.readouterr().err
