"""Pool: whatever a task does to its process, and whoever kills it, no other task is concerned."""

import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace

import pytest

from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.pool_worker import LimitExceeded, Limits

REPOSITORY = Path(__file__).resolve().parents[3]
NO_LIMITS = Limits()


@pytest.fixture(autouse=True)
def own_pool():
    """A pool that no test before has used."""
    pool.stop()
    yield
    pool.stop()


def submit(function, *arguments, processes=2, timeout_s=60.0, limits=NO_LIMITS) -> Future:
    return pool.submit(function, arguments, processes=processes, timeout_s=timeout_s, limits=limits)


def each(function, calls, *, limits=NO_LIMITS, timeout_s=60.0) -> list:
    return pool.submit_each(function, calls, timeout_s=timeout_s, limits=limits).result()


# --- what tasks do ----------------------------------------------------------------------


def square(number: int) -> int:
    return number * number


def nap(seconds: float) -> int:
    """Not one sleep: a process that is stopped sleeps on."""
    for _ in range(round(seconds * 20)):
        time.sleep(0.05)
    return os.getpid()


def die(how: int) -> None:
    os.kill(os.getpid(), how)
    time.sleep(60)


def crash_or_square(number: int) -> int:
    if number == 3:
        ctypes.string_at(0)
    return number * number


def spin(seconds: float) -> str:
    """Work without an end, and take no notice of errors."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        try:
            sum(range(10000))
        except Exception:
            continue
    return "done"


def spin_where_odd(number: int) -> str:
    return spin(30.0 if number % 2 else 0.0)


def take_memory(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


class Unfit(Exception):
    """An error that cannot be sent to another process."""

    def __init__(self, one, other):
        super().__init__("unfit")


def raise_unfit() -> None:
    raise Unfit(1, 2)


def die_once(note: str, how: int) -> str:
    """Die, unless a note says that it has happened."""
    if not os.path.exists(note):
        Path(note).touch()
        die(how)
    return "done"


# --- tests ------------------------------------------------------------------------------


def test_results_and_errors_come_back():
    assert [submit(square, number).result() for number in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        submit(divmod, 1, 0).result()
    with pytest.raises(RuntimeError, match="Unfit: unfit"):
        submit(raise_unfit).result()


def test_tasks_run_at_a_time_in_no_more_processes_than_asked_for():
    began = time.monotonic()
    used = {future.result() for future in [submit(nap, 0.5) for _ in range(4)]}
    assert len(used) == 2
    assert time.monotonic() - began < 15


def test_reading_and_writing_tags_makes_a_pool_no_larger():
    busy = submit(nap, 0.5, processes=1)
    ((_, by_each),) = each(nap, [(0.05,)])
    by_call = pool.call(nap, 0.05, timeout_s=60.0, limits=NO_LIMITS)
    assert {by_each, by_call} == {busy.result()}


def test_a_task_that_is_alone_uses_the_process_that_is_there():
    assert len({submit(nap, 0).result() for _ in range(5)}) == 1


def test_a_task_that_crashes_its_process_is_the_only_one_that_fails():
    futures = [submit(crash_or_square, number) for number in range(8)]
    with pytest.raises(pool.ProcessDied) as raised:
        futures[3].result()
    assert raised.value.exit_code == -signal.SIGSEGV
    del futures[3]
    assert [future.result() for future in futures] == [0, 1, 4, 16, 25, 36, 49]


def test_of_several_calls_that_share_a_process_only_the_culprit_fails():
    answers = each(crash_or_square, [(number,) for number in range(6)])
    assert [good for good, _ in answers] == [True, True, True, False, True, True]
    assert isinstance(answers[3][1], pool.ProcessDied)
    assert answers[5] == (True, 25)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_process_that_dies_once_costs_no_task(tmp_path, how):
    assert submit(die_once, str(tmp_path / "note"), how).result() == "done"


def test_a_task_whose_process_is_always_killed_ends(monkeypatch):
    monkeypatch.setattr(pool, "_TRIED_S", 0.0)
    with pytest.raises(pool.ProcessDied):
        submit(die, signal.SIGKILL).result()
    assert submit(square, 3).result() == 9


def test_idle_processes_that_were_killed_cost_no_task():
    for future in [submit(nap, 0.2) for _ in range(2)]:
        os.kill(future.result(), signal.SIGKILL)
    time.sleep(0.2)
    assert [submit(square, number).result() for number in range(20)][-1] == 361


def test_when_the_fork_server_is_killed_there_is_a_new_one():
    process = submit(nap, 0).result()
    assert forkserver._forkserver._forkserver_pid is not None
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
    os.kill(process, signal.SIGKILL)
    began = time.monotonic()
    assert [submit(square, number).result() for number in range(5)] == [0, 1, 4, 9, 16]
    assert time.monotonic() - began < 30


def test_kills_at_random_cost_no_task():
    done, dice = threading.Event(), random.Random(0)

    def kill_at_random() -> None:
        while not done.wait(dice.uniform(0.3, 1.0)):
            with pool._lock:
                there = [worker.process.pid for worker in pool._pool._workers]
            victims = there if dice.random() < 0.3 else there[:1]
            if dice.random() < 0.1:
                victims = [*victims, forkserver._forkserver._forkserver_pid]
            for victim in filter(None, victims):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)

    futures = [submit(nap, 0.2) for _ in range(60)]
    killer = threading.Thread(target=kill_at_random)
    killer.start()
    try:
        assert all(future.result(timeout=120) for future in futures)
    finally:
        done.set()
        killer.join()


def test_time_of_the_processor_is_limited_whatever_errors_are_caught():
    began = time.monotonic()
    with pytest.raises(LimitExceeded, match=r"takes longer than 0\.5 s"):
        submit(spin, 60.0, limits=Limits(cpu_s=0.5)).result()
    assert time.monotonic() - began < 30
    assert submit(spin, 0.1, limits=Limits(cpu_s=5)).result() == "done"


def test_each_of_several_calls_has_the_time_of_one():
    answers = each(spin_where_odd, [(number,) for number in range(4)], limits=Limits(cpu_s=0.5))
    assert [good for good, _ in answers] == [True, False, True, False]


def test_waiting_is_no_time_of_the_processor():
    assert submit(nap, 1.0, limits=Limits(cpu_s=0.5)).result()


@pytest.mark.skipif(sys.platform != "linux", reason="nothing limits memory here")
def test_memory_is_limited_for_a_task_and_not_for_the_next():
    limits = Limits(memory_bytes=100 << 20)
    with pytest.raises(LimitExceeded, match="needs more than 100 MB of memory"):
        submit(take_memory, 300, processes=1, limits=limits).result()
    assert submit(take_memory, 50, processes=1, limits=limits).result() == 50 << 20
    assert submit(take_memory, 300, processes=1).result() == 300 << 20


def test_a_task_that_hangs_ends_at_its_time_limit_and_the_next_one_goes_on():
    with pytest.raises(pool.TaskTimeout):
        submit(nap, 600, processes=1, timeout_s=0.6).result()
    assert submit(square, 3, processes=1).result() == 9


def test_stopping_ends_what_runs_and_what_waits():
    futures = [submit(nap, 600) for _ in range(5)]
    while not futures[0].running():
        time.sleep(0.01)
    began = time.monotonic()
    pool.stop()
    assert time.monotonic() - began < 10
    assert all(future.cancelled() or future.exception() for future in futures)
    assert submit(square, 3).result() == 9


def test_a_fork_runs_functions_itself():
    submit(square, 3).result()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            found = pool.call(square, 4, timeout_s=60.0, limits=NO_LIMITS)
            code = 0 if found == 16 and submit(square, 5).result() == 25 else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


PROGRAM = """
import multiprocessing, sys
print("begins", flush=True)
from genrebeam.transforms.audio import pool

def found(number):
    return pool.submit(pow, (number, 2), processes=1, timeout_s=60.0).result()
"""


UNGUARDED = "print(found(3), pool.runs_inline())"
IN_ANOTHER_POOL = """
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as others:
        print(others.map(found, [3, 4]))
"""


@pytest.mark.parametrize(("rest", "wanted"), [(UNGUARDED, "9 False"), (IN_ANOTHER_POOL, "[9, 16]")])
@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_program_of_any_form_may_use_it(tmp_path, rest, wanted, from_stdin):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + rest)
    with program.open() as stream:
        words = [sys.executable, *(["-"] if from_stdin else [str(program)])]
        done = subprocess.run(
            words, stdin=stream, capture_output=True, text=True, timeout=60, cwd=REPOSITORY
        )
    assert (done.stdout.splitlines(), done.stderr) == (["begins", wanted], "")


@pytest.fixture
def watched(monkeypatch):
    """Watch a task of 8 s, with so much time between looks; whether it was ended."""

    def watch(passes: list[float]) -> bool:
        killed = []
        worker = pool._Worker(SimpleNamespace(pid=0), None, timeout_s=8.0)
        monkeypatch.setattr(worker, "kill", lambda: killed.append(True))
        waiting = iter(passes)
        clock = SimpleNamespace(now=50.0, monotonic=lambda: clock.now)
        watching = pool._Pool(1)
        watching._workers.add(worker)

        def sleep(seconds: float) -> None:
            passed = next(waiting, None)
            if passed is None:
                watching._workers.clear()
                watching.stop()
            else:
                clock.now += passed

        clock.sleep = sleep
        monkeypatch.setattr(pool, "time", clock)
        pool._watch(watching)
        return bool(killed)

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
time.sleep(0.5)
print("running", flush=True)
print(type(future.exception()).__name__)
pool.stop()
"""


def start_program() -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nothing can be stopped here")
def test_a_run_that_was_stopped_for_longer_than_the_limit_goes_on():
    process = start_program()
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=60)[0] == "NoneType\n"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_no_process_is_left_when_the_program_was_killed():
    process = start_program()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(100):
        left = [path for path in Path("/proc").glob("[0-9]*/stat") if in_session(path, process.pid)]
        if not left:
            break
        time.sleep(0.1)
    assert not left


def in_session(stat: Path, session: int) -> bool:
    """Whether a process belongs to a session, and is more than a memory of one."""
    try:
        facts = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return facts[3] == str(session) and facts[0] != "Z"
