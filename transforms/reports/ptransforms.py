"""Write reports: the step of this folder as Beam runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.typehints import with_input_types, with_output_types

from genrebeam.transforms.records import Outcome, Status
from genrebeam.transforms.reports.write import ReportWriter, RunFacts


@with_input_types(Outcome)
@with_output_types(type(None))
class WriteRows(beam.DoFn):
    """Write rows in parts, as the run goes: Outcome -> nothing.

    Parameters
    ----------
    folder, workplace, run
        See `ReportWriter`.
    observe : callable
        Called with each outcome, for whoever shows progress in this process.
    """

    def __init__(
        self,
        folder: str,
        workplace: str,
        run: RunFacts,
        observe: Callable[[Outcome], None],
    ) -> None:
        self.report = (folder, workplace, run)
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


@with_input_types(Outcome)
class WriteReport(beam.PTransform):
    """Write a report: outcomes by what ended them -> nothing, by the same.

    There is a step for each: with one behind a Flatten, the direct runner would hold back all rows
    until the last track is done.

    Parameters
    ----------
    folder, workplace, run, observe
        See `WriteRows`.
    """

    def __init__(
        self,
        folder: str,
        workplace: str,
        run: RunFacts,
        observe: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.step = WriteRows(folder, workplace, run, observe)

    def expand(self, endings: dict[str, beam.PCollection]) -> dict[str, beam.PCollection]:
        return {
            ending: outcomes | ending >> beam.ParDo(self.step)
            for ending, outcomes in endings.items()
        }
