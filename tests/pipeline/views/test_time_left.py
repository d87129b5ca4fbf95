"""Time left: right for files that differ, from a small part of the way on."""

import random

import pytest

from genrebeam.pipeline.views.time_left import TimeLeft

MB = 1_000_000


def after(costs: list[tuple[float, float]], done: int, loading: float = 0.0) -> tuple[float, float]:
    """Estimated and true time left after this many files of (MB, s), eight at a time."""
    time_left, now = TimeLeft(), loading
    for first in range(0, done, 8):
        batch = costs[first : min(first + 8, done)]
        now += sum(seconds for _, seconds in batch)
        for mb, _ in batch:
            time_left.add(now, round(mb * MB))
    rest = costs[done:]
    estimate = time_left(len(rest), round(sum(mb for mb, _ in rest) * MB))
    assert estimate is not None
    return estimate, sum(seconds for _, seconds in rest)


def albums(n: int, mb: float, seed: int = 0) -> list[tuple[float, float]]:
    """Albums of twelve files; a file takes 0.2 s and 10 ms for each MB, more or less."""
    draw, files = random.Random(seed), []
    for _ in range(n):
        typical = draw.uniform(0.5, 1.5) * mb
        for _ in range(12):
            size = typical * draw.uniform(0.6, 1.4)
            files.append((size, (0.2 + 0.01 * size) * draw.uniform(0.6, 1.4)))
    return files


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("order", [(6, 6), (6, 40), (40, 6)])
def test_time_left_is_right_where_small_files_come_before_large_ones_or_after(order, share):
    costs = [file for mb in order for file in albums(400, mb, seed=mb)]
    estimate, true = after(costs, int(share * len(costs)))
    assert estimate == pytest.approx(true, rel=0.2)


def test_loading_is_soon_forgotten():
    costs = albums(2000, 6)
    estimate, true = after(costs, int(0.02 * len(costs)), loading=15.0)
    assert estimate == pytest.approx(true, rel=0.2)
    estimate, true = after(costs, int(0.1 * len(costs)), loading=60.0)
    assert estimate == pytest.approx(true, rel=0.2)


def test_time_left_follows_a_machine_that_becomes_slow():
    fast = albums(300, 6)
    slow = [(mb, 2 * seconds) for mb, seconds in albums(600, 6, seed=1)]
    ten_minutes = 12 * 100
    estimate, true = after(fast + slow, len(fast) + ten_minutes)
    assert estimate == pytest.approx(true, rel=0.2)


def test_time_left_is_not_known_before_some_files_are_done():
    time_left = TimeLeft()
    assert time_left(100, 100 * MB) is None
    for number in range(3):
        time_left.add(number / 10, MB)
    assert time_left(97, 97 * MB) is None


def test_few_files_that_take_long_are_enough():
    time_left = TimeLeft()
    for number in range(4):
        time_left.add(20.0 * (number + 1), 5 * MB)
    assert time_left(10, 50 * MB) == pytest.approx(200, rel=0.01)


def test_files_of_which_no_size_is_known_are_counted():
    time_left = TimeLeft()
    for number in range(100):
        time_left.add((number + 1) / 2, 0)
    assert time_left(10, 0) == pytest.approx(5, rel=0.01)
    assert time_left(10, -1) == pytest.approx(5, rel=0.01)
