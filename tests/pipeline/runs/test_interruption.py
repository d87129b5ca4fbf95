"""Ctrl-C and SIGTERM: every step analyses of it, wherever it works."""

import os
import pickle
import signal
import sys
import threading
import time
from types import SimpleNamespace

import grpc
import pytest

from genrebeam.pipeline.graphs import tag as tagging
from genrebeam.pipeline.runs import interruption
from genrebeam.pipeline.runs.interruption import Stopping, handled, leave_note, remove_note
from genrebeam.pipeline.views import progress
from genrebeam.transforms.records import Track
from genrebeam.transforms.tags.ptransforms import ReadTags
from genrebeam.transforms.tags.tag import TagPolicy


@pytest.fixture
def in_worker(monkeypatch):
    """A step as another process has it, where no signal arrives."""

    def there(step):
        monkeypatch.setattr(interruption, "requested", lambda: False)
        return pickle.loads(pickle.dumps(step))

    return there


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_steps_here_and_in_other_processes(tmp_path, in_worker, number):
    stopping = Stopping(str(tmp_path))
    with handled(str(tmp_path)):
        assert not stopping()
        os.kill(os.getpid(), number)
        assert stopping()
        assert in_worker(Stopping(str(tmp_path)))()
    assert not interruption.requested()


def test_steps_look_for_the_note_now_and_then_and_remember_it(tmp_path, monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=1000.0)
    monkeypatch.setattr(interruption, "time", clock)
    stopping = Stopping(str(tmp_path))
    assert not stopping()
    leave_note(str(tmp_path))
    clock.now += 0.1
    assert not stopping()
    clock.now += 1
    assert stopping()
    remove_note(str(tmp_path))
    assert stopping()


def test_a_library_that_is_gone_ends_the_run_and_is_said_once(tmp_path, monkeypatch, capsys):
    library, report = tmp_path / "music", tmp_path / "report"
    library.mkdir()
    report.mkdir()
    monkeypatch.setattr(interruption, "_SECONDS_BETWEEN_LOOKS", 0.0)
    steps = [Stopping(str(report), str(library)) for _ in range(3)]
    with handled(str(report)):
        assert not any(step() for step in steps)
        library.rename(tmp_path / "unplugged")
        library.mkdir()  # where the disk was mounted
        assert all(step() for step in steps)
        assert interruption.requested()
    assert capsys.readouterr().err.count(f"{library} is no longer there") == 1


def test_a_library_that_is_gone_before_the_steps_are_made_ends_the_run(tmp_path, capsys):
    with handled(str(tmp_path)):
        assert Stopping(str(tmp_path), str(tmp_path / "music"))()
    assert "music is no longer there; stopping" in capsys.readouterr().err


def test_one_of_several_libraries_that_is_gone_ends_the_run(tmp_path, capsys):
    for name in ("music", "books"):
        (tmp_path / name).mkdir()
    stopping = Stopping(str(tmp_path), str(tmp_path / "music"), str(tmp_path / "books"))
    with handled(str(tmp_path)):
        assert not stopping.look()
        (tmp_path / "books").rmdir()
        assert stopping.look()
    assert "books is no longer there; stopping" in capsys.readouterr().err


def test_a_file_that_was_replaced_is_still_there(tmp_path):
    song = tmp_path / "song.mp3"
    song.write_text("before")
    stopping = Stopping(str(tmp_path), str(song))
    (tmp_path / "copy").write_text("after")
    (tmp_path / "copy").replace(song)
    assert not stopping.look()


def test_a_bucket_is_not_looked_for(tmp_path):
    assert not Stopping(str(tmp_path), "gs://bucket/music")()


def read(step: ReadTags, track: Track) -> list:
    step.start_bundle()
    return [*step.process(track), *step.finish_bundle()]


def test_when_a_file_has_failed_the_library_is_looked_for_at_once(tmp_path, capsys):
    library = tmp_path / "music"
    library.mkdir()
    stopping = Stopping(str(tmp_path), str(library))
    read_tags = ReadTags(TagPolicy(), stopping)
    with handled(str(tmp_path)):
        (failed,) = read(read_tags, Track(str(library / "gone.mp3"), "mp3"))
        assert failed.value.value.status == "failed"
        library.rmdir()
        assert read(read_tags, Track(str(library / "gone.mp3"), "mp3")) == []
        assert stopping()
    assert "music is no longer there; stopping" in capsys.readouterr().err


def test_in_another_process_the_library_may_be_another_disk(tmp_path, monkeypatch):
    library = tmp_path / "music"
    library.mkdir()
    step = Stopping(str(tmp_path), str(library))
    library.rmdir()
    monkeypatch.setattr(interruption.os, "getpid", lambda: -1)
    assert not pickle.loads(pickle.dumps(step))()


def test_a_run_whose_folder_is_gone_or_in_a_bucket_is_not_reported(tmp_path):
    for folder in (str(tmp_path / "gone"), "gs://bucket/report"):
        leave_note(folder)
        assert not Stopping(folder)()
        remove_note(folder)


@pytest.fixture
def run_elsewhere(tmp_path, monkeypatch):
    """Run a graph of nothing, for which this process has to wait as is said."""

    def run(wait=lambda: None, environment="EXTERNAL"):
        monkeypatch.setattr(tagging, "TagLibrary", lambda *_, **__: tagging.beam.Create([]))
        result = SimpleNamespace(wait_until_finish=wait)
        monkeypatch.setattr(tagging.beam.Pipeline, "run", lambda self: result)
        place = SimpleNamespace(folder=str(tmp_path), home=str(tmp_path))
        where = {"EXTERNAL": ["--environment_config=localhost:1"]}.get(environment, [])
        options = [f"--environment_type={environment}", *where]
        tagging.run_tagging(SimpleNamespace(), place, options)

    return run


def test_work_that_is_out_of_sight_is_asked_to_end(tmp_path, run_elsewhere):
    def fail() -> None:
        raise RuntimeError("nobody knows why")

    with pytest.raises(RuntimeError):
        run_elsewhere(fail)
    assert Stopping(str(tmp_path))()


def test_a_job_server_that_is_gone_is_one_line_and_no_traceback(run_elsewhere, capfd):
    def die() -> None:
        time.sleep(0.1)
        raise grpc.RpcError("of the thread that reads messages")

    def wait() -> None:
        threading.Thread(target=die, name="wait_until_finish_read").start()
        raise grpc.RpcError(">")

    with pytest.raises(ConnectionError, match="job server is gone"):
        run_elsewhere(wait)
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_is_left_of_a_request_that_was_analysed(tmp_path, run_elsewhere):
    leave_note(str(tmp_path))
    run_elsewhere()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("environment", "shows"), [("EXTERNAL", False), ("LOOPBACK", True)])
def test_progress_is_shown_only_of_work_in_this_process(
    run_elsewhere, monkeypatch, tmp_path, environment, shows
):
    monkeypatch.setattr(progress, "_SECONDS_PER_LINE", 0.01)
    with (tmp_path / "shown").open("w+") as stream:
        monkeypatch.setattr(sys, "__stderr__", stream)
        with progress.shown():
            run_elsewhere(environment=environment)
            stream.truncate(0)
            progress._ended.wait(0.3)
        shown = (tmp_path / "shown").read_text()
    assert ("files analysed" in shown) is shows
