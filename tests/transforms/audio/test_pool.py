"""Pool: a time limit is one of time in which something could be done."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest

from genrebeam.transforms.audio import pool

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def watched(monkeypatch):
    """Watch a running task of 8 s, with so much time between looks; whether it was cancelled."""

    def watch(passes: list[float]) -> bool:
        future: Future = Future()
        future.set_running_or_notify_cancel()
        cancelled = []
        monkeypatch.setattr(future, "cancel", lambda: cancelled.append(True))
        waiting = iter(passes)
        clock = SimpleNamespace(now=50.0, monotonic=lambda: clock.now)

        def sleep(seconds: float) -> None:
            passed = next(waiting, None)
            if passed is None:
                pool._pool = None
            else:
                clock.now += passed

        clock.sleep = sleep
        monkeypatch.setattr(pool, "time", clock)
        monkeypatch.setattr(pool, "_pool", "pool")
        monkeypatch.setattr(pool, "_limited", [pool._Limited(future, 8.0)])
        pool._watch("pool")
        return bool(cancelled)

    return watch


def test_a_task_ends_at_its_time_limit(watched):
    assert not watched([0.5] * 15)
    assert watched([0.5] * 18)
    assert watched([0.9] * 10)  # on a busy machine


def test_a_night_in_which_all_was_stopped_is_no_time_of_a_task(watched):
    assert not watched([0.5, 30_000.0, 0.5])


_RUN = """
import time
from genrebeam.transforms.audio import pool
nap = "import time\\nfor _ in range(20): time.sleep(0.05)"
future = pool.submit(exec, (nap,), processes=1, timeout_s=2)
while not future.running():
    time.sleep(0.01)
print("running", flush=True)
print(type(future.exception()).__name__ if not future.cancelled() else "cancelled")
pool.stop()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nothing can be stopped here")
def test_a_run_that_was_stopped_for_longer_than_the_limit_goes_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=60)[0] == "NoneType\n"
