"""Workers in other processes, as every engine but the local one has them."""

import os
import shutil
import signal
import threading

import pytest

from genrebeam.pipeline.cli import main
from tests.conftest import read_rows, tone, write_audio
from tests.engines import Runs, assert_same, make_library, worker_pool


@pytest.fixture(scope="module")
def elsewhere():
    """Options for workers in other processes, behind Beam's own job server."""
    with worker_pool() as address:
        yield [
            *("--runner=PortableRunner", "--job_endpoint=embed"),
            *("--environment_type=EXTERNAL", f"--environment_config={address}"),
        ]


def tag(arguments: list[str]) -> int:
    return main(["tag", *arguments])


def test_workers_elsewhere_leave_the_same_rows_and_the_same_files(tmp_path, tiny_bundle, elsewhere):
    make_library(tmp_path / "library")
    run = Runs(tmp_path / "library", tmp_path, tiny_bundle)
    here = run("here", tag)
    assert here.statuses == ["failed", "kept", *["tagged"] * 4]
    assert_same(run("elsewhere", tag, *elsewhere), here)


def test_ctrl_c_reaches_workers_elsewhere(tmp_path, tiny_bundle, elsewhere):
    library, reports = tmp_path / "library", tmp_path / "reports"
    library.mkdir()
    write_audio(library / "0.wav", tone(3, 8000), 8000)
    for number in range(1, 400):
        shutil.copy(library / "0.wav", library / f"{number}.wav")
    ended = threading.Event()

    def interrupt() -> None:
        while not ended.wait(0.02):
            if any(journal.stat().st_size for journal in reports.glob("runs/*/journal.jsonl")):
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        options = ["--report", str(reports), "--bundle", tiny_bundle.path, "--quiet"]
        assert tag([str(library), *options, "--processes", "1", *elsewhere]) == 3
    finally:
        ended.set()
        watcher.join()
    rows = read_rows(reports)
    assert 0 < len(rows) < 400
    changes = next(reports.glob("runs/*/journal.jsonl")).read_text().count("\n")
    assert len([row for row in rows if row["status"] == "tagged"]) == changes
    assert not list(reports.glob("runs/*/stop"))
