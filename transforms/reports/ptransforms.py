"""The step of this room as Beam runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam.metrics import Metrics

from genrebeam.model.bundle import Bundle
from genrebeam.transforms.records import Outcome, Status
from genrebeam.transforms.reports.write import ReportWriter


class WriteReport(beam.DoFn):
    """Write rows in parts, as the run goes: Outcome -> nothing.

    Parameters
    ----------
    folder, workplace, bundle, settings
        See `ReportWriter`.
    observe : callable
        Called with each outcome, for whoever shows progress in this process.
    """

    def __init__(
        self,
        folder: str,
        workplace: str,
        bundle: Bundle,
        settings: str,
        observe: Callable[[Outcome], None],
    ) -> None:
        self.report = (folder, workplace, bundle, settings)
        self.observe = observe

    def setup(self) -> None:
        self._counters = {status: Metrics.counter("genrebeam", status) for status in Status}

    def start_bundle(self) -> None:
        self._writer = ReportWriter(*self.report)

    def process(self, outcome: Outcome) -> Iterator[None]:
        self._writer.add(outcome)
        self.observe(outcome)
        self._counters[outcome.status].inc()
        return iter(())

    def finish_bundle(self) -> None:
        self._writer.flush()
