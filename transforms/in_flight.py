"""In flight: steps that work on several elements at a time.

Beam gives a DoFn one element after the other, and the direct runner has one thread for all steps.
Decoding, in processes, and writing, in threads, go on while other steps work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import BoundedWindow, GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue


def never() -> bool:
    """For steps that always finish what they have begun."""
    return False


def stops_now(stopping: Callable[[], bool]) -> bool:
    """Ask again when a file has failed: perhaps all of the library has just gone.

    If `stopping` checks only now and then, its `look` checks at once.
    """
    return getattr(stopping, "look", stopping)()


@dataclass(frozen=True)
class ElementWindow:
    """The time and the window of an element, which what comes of it later belongs to as well.

    Both are those of the global window where Beam did not give them.
    """

    time: Any = beam.DoFn.TimestampParam
    window: Any = beam.DoFn.WindowParam

    def put(self, found: Any) -> WindowedValue | beam.pvalue.TaggedOutput:
        """What a DoFn yields for a result, perhaps a `TaggedOutput`."""
        if isinstance(found, beam.pvalue.TaggedOutput):
            return beam.pvalue.TaggedOutput(found.tag, self.put(found.value))
        if isinstance(self.window, BoundedWindow):
            return WindowedValue(found, self.time, (self.window,))
        return WindowedValue(found, GlobalWindow().max_timestamp(), (GlobalWindow(),))


class InFlight(beam.DoFn):
    """Base of DoFns with several elements in flight; each comes out when it is done.

    What comes out has the time and the window of its element.

    Parameters
    ----------
    most : int
        Most elements at a time, or what they weigh together.
    stopping : callable
        Whether the run shall end early: what is in flight is dropped then.
    """

    def __init__(self, most: int, stopping: Callable[[], bool] = never) -> None:
        self.most = most
        self.stopping = stopping

    def submit(self, element: Any) -> Future:
        """Start the work on an element."""
        raise NotImplementedError

    def weight(self, element: Any) -> int:
        """What an element in flight counts for; more than 1 if it takes the room of several."""
        return 1

    def finished(self, element: Any, found: Any) -> Any:
        """What comes out for an element, of its future that is done; perhaps a `TaggedOutput`."""
        raise NotImplementedError

    def start_bundle(self) -> None:
        self._in_flight: dict[Future, tuple[Any, Any]] = {}
        self._load = 0

    def process(
        self,
        element: Any,
        time: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        for found, place in self._taken(element, ElementWindow(time, window)):
            yield place.put(found)

    def _taken(self, element: Any, place: ElementWindow) -> Iterator[tuple[Any, ElementWindow]]:
        """What is ready when an element has come."""
        if self.stopping():
            return
        self._begin(element, place)
        yield from self._done(self.most - 1)

    def _begin(self, element: Any, place: Any) -> None:
        self._in_flight[self.submit(element)] = element, place
        self._load += self.weight(element)

    def finish_bundle(self) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
        for found, place in self._done(0):
            yield place.put(found)

    def _done(self, most: int) -> Iterator[tuple[Any, ElementWindow]]:
        """What is ready and its place, waiting until what is in flight weighs at most `most`."""
        while self._in_flight:
            if self.stopping():
                for future in self._in_flight:
                    future.cancel()
                self._in_flight.clear()
                return
            is_full = self._load > most
            patience = 0.2 if is_full else 0
            ready, _ = wait(self._in_flight, timeout=patience, return_when=FIRST_COMPLETED)
            # What has just failed may have been stopped.
            if self.stopping() or (any(map(_failed, ready)) and stops_now(self.stopping)):
                continue
            for future in ready:
                # The steps after this one may have taken a while for the result before.
                if self.stopping():
                    break
                element, place = self._in_flight.pop(future)
                self._load -= self.weight(element)
                yield from self._results(element, future, place)
            if not ready and not is_full:
                return

    def _results(
        self, element: Any, future: Future, place: Any
    ) -> Iterator[tuple[Any, ElementWindow]]:
        yield self.finished(element, future), place


class InBatches(InFlight):
    """Base of DoFns whose work is done for several elements at a time, by one future for them all.

    `submit` gets a list of elements; its future has a list with a result or an error for each.
    `finished` gets an element and what became of it, and may give None for what is dropped.

    Parameters
    ----------
    at_once : int
        Elements of a batch.
    most : int
        Most elements in flight.
    stopping : callable
        See `InFlight`.
    """

    def __init__(self, at_once: int, most: int, stopping: Callable[[], bool] = never) -> None:
        super().__init__(most, stopping)
        self.at_once = at_once

    def weight(self, batch: list) -> int:
        return len(batch)

    def start_bundle(self) -> None:
        super().start_bundle()
        self._batch: list[tuple[Any, ElementWindow]] = []

    def _taken(self, element: Any, place: ElementWindow) -> Iterator[tuple[Any, ElementWindow]]:
        self._batch.append((element, place))
        if len(self._batch) == self.at_once and not self.stopping():
            self._begin_batch()
            yield from self._done(self.most - 1)

    def _begin_batch(self) -> None:
        elements, places = zip(*self._batch, strict=True)
        self._batch = []
        self._begin(list(elements), places)

    def finish_bundle(self) -> Iterator[WindowedValue | beam.pvalue.TaggedOutput]:
        if self._batch and not self.stopping():
            self._begin_batch()
        yield from super().finish_bundle()

    def _results(
        self, batch: list, future: Future, places: Any
    ) -> Iterator[tuple[Any, ElementWindow]]:
        for element, place, found in zip(batch, places, future.result(), strict=True):
            if isinstance(found, Exception) and stops_now(self.stopping):
                return
            one = self.finished(element, found)
            if one is not None:
                yield one, place


def _failed(future: Future) -> bool:
    return future.cancelled() or future.exception() is not None
