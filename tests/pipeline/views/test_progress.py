"""Progress: what is counted, and how it is shown to whoever watches."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from genrebeam.pipeline.views import progress, terminal
from genrebeam.pipeline.views.progress import Progress
from genrebeam.transforms.records import Decision, Outcome, Track
from tests.screens import EVIL, Screen, cells

pytestmark = pytest.mark.usefixtures("terminal_of_60_columns")


def drawn(state: Progress, screen: Screen) -> str:
    ended = threading.Event()
    ended.set()
    progress.draw(ended, screen, lambda: state)
    return screen.plain


HALF = Progress(
    listed=123_456,
    not_analysed=23_456,
    analysed=50_000,
    seconds=10_000,
    seconds_left=10_000,
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
    console = terminal.console_of(screen := Screen())
    console.print(progress._frame(state, "-", console.width))
    lines = screen.plain.splitlines()
    assert len(lines) == 2
    assert all(cells(line) <= width for line in lines)


def test_before_the_first_file_is_analysed_it_says_what_was_found():
    assert "starting" in drawn(Progress(), Screen())
    assert "7 files found, 5 to analyse" in drawn(Progress(listed=7, not_analysed=2), Screen())


def test_genres_that_users_named_are_harmless_in_progress():
    state = Progress(listed=2, analysed=1, seconds=1, genres={EVIL: 1})
    assert "[red]b[/red]" in drawn(state, Screen())
    assert "]0;pwned\x07" not in drawn(state, Screen())


def outcome(number: int, status: str = "tagged", stage: str = "tag", genres=("Rock",)) -> Outcome:
    decision = None
    if stage in ("vote", "tag"):
        decision = Decision(Track("", ""), genres, 0.5, "", {}, {}, 1, 0.1, 0.1)
    return Outcome(
        Track(f"/music/{number}.mp3", "mp3", 5_000_000), status, stage, "", decision=decision
    )


@pytest.fixture
def counts(monkeypatch):
    monkeypatch.setattr(progress, "_counts", progress._Counts())
    return lambda: progress._counts.look()


def test_only_files_that_are_analysed_count_for_rate_and_time_left(counts):
    for number in range(10):
        progress.count_listed(Track(f"{number}.mp3", "mp3"))
    progress.count_outcome(outcome(10, "failed", "walk"))  # was never passed on
    for number in range(4):
        progress.count_outcome(outcome(number, "unchanged", "skip"))
    progress.count_outcome(outcome(4, "kept", "read_tags"))
    assert (counts().listed, counts().to_analyse, counts().analysed) == (11, 5, 0)
    progress.count_outcome(outcome(5))
    progress.count_outcome(outcome(6, "failed", "decode"))
    progress.count_outcome(outcome(7, "refused", "vote", ()))
    now = counts()
    assert (now.listed, now.to_analyse, now.analysed) == (11, 5, 3)
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
    assert sizes[1] - sizes[0] < 30


def test_a_terminal_that_knows_ascii_only_gets_ascii():
    assert drawn(HALF, Screen("ascii")).isascii()


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=1000.0)
    monkeypatch.setattr(progress, "time", clock)
    return clock


def analyse(clock, counts, files: range, seconds: float) -> None:
    for number in files:
        clock.now += seconds
        counts()  # as the thread that shows does
        progress.count_outcome(outcome(number))


def test_time_that_the_process_was_stopped_counts_for_nothing(clock, counts):
    for number in range(200):
        progress.count_listed(Track(f"{number}.mp3", "mp3", 5_000_000))
    analyse(clock, counts, range(100), 0.5)
    before = counts()
    clock.now += 3600  # Ctrl-Z, and an hour later fg
    assert counts() == before
    analyse(clock, counts, range(100, 101), 0.5)
    assert counts().seconds_left == pytest.approx(49.5, rel=0.05)
    assert counts().rate == pytest.approx(2, rel=0.05)


def test_files_that_are_kept_take_no_time_of_what_is_left(clock, counts):
    for number in range(300):
        progress.count_listed(Track(f"{number}.mp3", "mp3", 5_000_000))
    for number in range(200, 300):
        kept = Outcome(Track(f"{number}.mp3", "mp3", 5_000_000), "kept", "read_tags", "")
        progress.count_outcome(kept)
    analyse(clock, counts, range(100), 0.5)
    assert counts().seconds_left == pytest.approx(50, rel=0.05)
