"""Extract features: the step of this room as Beam runs it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import apache_beam as beam
from apache_beam.typehints import with_input_types, with_output_types

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.features import Heard
from genrebeam.transforms.audio.hear import (
    TIMEOUT_S,
    features_of,
    hear_what_sounds,
    most_in_flight,
    submit,
)
from genrebeam.transforms.endings import ends_or_goes_on
from genrebeam.transforms.in_flight import InFlight, never
from genrebeam.transforms.records import Features, Outcome, Track

# A track of so many s, heard whole, counts as one; a mix of two hours takes the room of twelve.
_LENGTH_S = 600.0


@with_input_types(Track)
@with_output_types(Features, outcomes=Outcome)
class Hear(InFlight):
    """Decode and compute features: Track -> Features.

    Parameters
    ----------
    spec : FeatureSpec
    n_segments : int or None
        Segments of each track; None hears all.
    processes : int
    stopping : callable
        Whether the run shall end early: tracks not yet decoded are dropped then.
    timeout_s : float
    listen : callable
        `hear_what_sounds`, or `hear_in_a_row`.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        n_segments: int | None,
        processes: int,
        stopping: Callable[[], bool],
        timeout_s: float = TIMEOUT_S,
        listen: Callable[..., Heard] = hear_what_sounds,
    ) -> None:
        super().__init__(most_in_flight(n_segments, processes), stopping)
        self.spec = spec
        self.n_segments = n_segments
        self.processes = processes
        self.timeout_s = timeout_s
        self.listen = listen

    def submit(self, track: Track) -> Future:
        return submit(
            *(track, self.spec, self.n_segments),
            processes=self.processes,
            listen=self.listen,
            timeout_s=self.timeout_s,
        )

    def weight(self, track: Track) -> int:
        if self.n_segments:
            return 1
        # Headers of damaged files promise anything.
        length = min((track.audio.duration_s or 0.0) / _LENGTH_S, self.most)
        return max(1, round(length))

    def finished(self, track: Track, future: Future) -> Features | beam.pvalue.TaggedOutput:
        heard = features_of(track, future, self.timeout_s)
        if isinstance(heard, Outcome):
            return beam.pvalue.TaggedOutput("outcomes", heard)
        return heard


@with_input_types(Track)
class ExtractFeatures(beam.PTransform):
    """Decode tracks and compute their features: Track -> Features, and Outcome where it failed.

    Parameters
    ----------
    spec : FeatureSpec
        What the model wants, ``bundle.features``.
    n_segments : int or None
        Segments of each track, spread evenly; None extracts all.
    processes : int, optional
        That decode in each worker; by default one per CPU.
    stopping : callable
        Whether the run shall end early.
    listen : callable
        See `Hear`.

    Examples
    --------
    See `genrebeam.ClassifyTracks`.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        n_segments: int | None,
        *,
        processes: int | None = None,
        stopping: Callable[[], bool] = never,
        listen: Callable[..., Heard] = hear_what_sounds,
    ) -> None:
        super().__init__()
        processes = processes or pool.default_processes()
        self.step = Hear(spec, n_segments, processes, stopping, listen=listen)

    def expand(self, tracks: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
        found = tracks | "decode + features" >> ends_or_goes_on(self.step)
        return found.goes_on, found.outcomes
