"""In flight: several elements at a time, each comes out once, the last ones with the bundle."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue

from genrebeam.transforms.in_flight import InBatches, InFlight


class ByHand(InFlight):
    """Work that is done when the test says so."""

    def __init__(self, most, stopping=lambda: False):
        super().__init__(most, stopping)
        self.futures = {}

    def submit(self, element):
        future = self.futures[element] = Future()
        return future

    def finished(self, element, future):
        return beam.pvalue.TaggedOutput("odd", element) if element % 2 else element


def values(found):
    return [windowed.value for windowed in found]


def test_what_is_done_first_comes_out_first():
    step = ByHand(most=3)
    step.start_bundle()
    assert [list(step.process(element)) for element in (0, 2)] == [[], []]
    step.futures[2].set_result(None)
    assert values(step.process(4)) == [2]
    for future in (step.futures[0], step.futures[4]):
        future.set_result(None)
    assert sorted(values(step.finish_bundle())) == [0, 4]


def test_waits_when_so_many_are_in_flight():
    step = ByHand(most=2)
    step.start_bundle()
    list(step.process(0))
    timer = threading.Timer(0.3, lambda: step.futures[0].set_result(None))
    timer.start()
    assert values(step.process(2)) == [0]


def test_nothing_more_comes_out_once_the_run_ends_while_the_next_step_works():
    ended = threading.Event()
    step = ByHand(most=4, stopping=ended.is_set)
    step.start_bundle()
    for element in (0, 2, 4):
        list(step.process(element))
    for future in step.futures.values():
        future.set_result(None)
    results = step.finish_bundle()
    next(results)
    ended.set()
    assert list(results) == []


class Heavy(ByHand):
    """Elements that count for as much as they are."""

    def weight(self, element):
        return element


def test_what_takes_the_room_of_many_waits_for_it():
    step = Heavy(most=10)
    step.start_bundle()
    assert list(step.process(8)) == []
    timer = threading.Timer(0.3, lambda: step.futures[8].set_result(None))
    timer.start()
    assert values(step.process(6)) == [8]
    assert list(step.process(2)) == []
    for number in (2, 6):
        step.futures[number].set_result(None)
    assert sorted(values(step.finish_bundle())) == [2, 6]


def test_one_that_is_too_large_for_the_room_has_it_alone():
    step = Heavy(most=4)
    step.start_bundle()
    timer = threading.Timer(0.3, lambda: step.futures[20].set_result(None))
    timer.start()
    assert values(step.process(20)) == [20]


def test_what_is_in_flight_when_the_run_stops_is_dropped():
    stop = threading.Event()
    step = ByHand(2, stop.is_set)
    step.start_bundle()
    list(step.process(0))
    stop.set()
    assert list(step.process(2)) == []
    assert list(step.finish_bundle()) == []
    assert step.futures[0].cancelled()
    assert 2 not in step.futures


class Squares(InFlight):
    """In threads, as `Tag`; odd numbers come out apart."""

    def setup(self):
        self._threads = ThreadPoolExecutor(4)

    def submit(self, element):
        return self._threads.submit(pow, element, 2)

    def finished(self, element, future):
        found = future.result()
        return beam.pvalue.TaggedOutput("odd", found) if element % 2 else found


def test_in_a_pipeline_everything_comes_out_once():
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = (
            pipeline
            | beam.Create(range(50))
            | beam.ParDo(Squares(8)).with_outputs("odd", main="even")
        )
        assert_that(found.even, equal_to([n * n for n in range(0, 50, 2)]), label="even")
        assert_that(found.odd, equal_to([n * n for n in range(1, 50, 2)]), label="odd")


class SquaresInBatches(InBatches):
    def setup(self):
        self._threads = ThreadPoolExecutor(4)

    def submit(self, elements):
        return self._threads.submit(lambda: [element**2 for element in elements])

    def finished(self, element, found):
        return beam.pvalue.TaggedOutput("odd", found) if element % 2 else found


@pytest.mark.parametrize("step", [Squares(8), SquaresInBatches(4, 8)])
def test_what_comes_out_has_the_time_and_the_window_of_its_element(step):
    def with_window(square, time=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
        return square, int(time), int(window.start)

    with beam.Pipeline("FnApiRunner") as pipeline:
        found = (
            pipeline
            | beam.Create(range(50))
            | "times" >> beam.Map(lambda n: TimestampedValue(n, n))
            | beam.WindowInto(FixedWindows(10))
            | beam.ParDo(step).with_outputs("odd", main="even")
        )
        for number, squares in enumerate((found.even, found.odd)):
            wanted = [(n * n, n, n - n % 10) for n in range(number, 50, 2)]
            windows = squares | f"windows {number}" >> beam.Map(with_window)
            together = windows | f"in one {number}" >> beam.WindowInto(GlobalWindows())
            assert_that(together, equal_to(wanted), label=f"squares {number}")


def test_an_error_of_the_work_is_no_end_of_the_bundle_unseen():
    step = ByHand(1)
    step.start_bundle()
    step.finished = lambda element, future: future.result()
    threading.Timer(0.1, lambda: step.futures[1].set_exception(ValueError("broken"))).start()
    with pytest.raises(ValueError, match="broken"):
        list(step.process(1))


class NowAndThen:
    """Asks for the end of the run only now and then, unless it has to look."""

    def __init__(self):
        self.ends = False

    def __call__(self):
        return self.ends

    def look(self):
        self.ends = True
        return True


def test_files_that_fail_because_the_library_has_gone_are_dropped():
    step = ByHand(2, NowAndThen())
    step.start_bundle()
    list(step.process(0))
    step.futures[0].set_exception(OSError("Stale file handle"))
    assert list(step.finish_bundle()) == []
    assert step.stopping.ends
