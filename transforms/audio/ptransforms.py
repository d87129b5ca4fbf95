"""Extract features: the step of this folder as Beam runs it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import apache_beam as beam
from apache_beam.typehints import with_input_types, with_output_types

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.extract import (
    TIMEOUT_S,
    extract_non_silent,
    features_of,
    most_in_flight,
    submit,
)
from genrebeam.transforms.audio.features import Extracted
from genrebeam.transforms.in_flight import InFlight, never
from genrebeam.transforms.outcomes import split_outcomes
from genrebeam.transforms.records import Features, Outcome, Track

# A track of this many s, analysed whole, counts as one; a mix of two hours counts as twelve.
_LENGTH_S = 600.0


@with_input_types(Track)
@with_output_types(Features, outcomes=Outcome)
class ExtractInPool(InFlight):
    """Decode and compute features: Track -> Features, unless an earlier run has stored them.

    Parameters
    ----------
    n_segments : int or None
        Segments of each track; None analyses all.
    stopping : callable
        Whether the run shall end early: tracks not yet decoded are dropped then.
    extract : callable
        `extract_non_silent`, or `extract_contiguous`.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        n_segments: int | None,
        processes: int,
        stopping: Callable[[], bool],
        timeout_s: float = TIMEOUT_S,
        extract: Callable[..., Extracted] = extract_non_silent,
    ) -> None:
        super().__init__(most_in_flight(n_segments, processes), stopping)
        self.spec = spec
        self.n_segments = n_segments
        self.processes = processes
        self.timeout_s = timeout_s
        self.extract = extract

    def submit(self, track: Track) -> Future:
        if track.stored:
            known: Future = Future()
            known.set_result(None)
            return known
        return submit(
            *(track, self.spec, self.n_segments),
            processes=self.processes,
            extract=self.extract,
            timeout_s=self.timeout_s,
        )

    def weight(self, track: Track) -> int:
        if self.n_segments:
            return 1
        # Headers of damaged files promise anything.
        length = min((track.audio.duration_s or 0.0) / _LENGTH_S, self.most)
        return max(1, round(length))

    def finished(self, track: Track, future: Future) -> Features | beam.pvalue.TaggedOutput:
        if track.stored:
            return Features(track, track.stored.values[None], 0.0)
        analysed = features_of(track, future, self.timeout_s)
        if isinstance(analysed, Outcome):
            return beam.pvalue.TaggedOutput("outcomes", analysed)
        return analysed


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
    extract : callable
        See `ExtractInPool`.

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
        extract: Callable[..., Extracted] = extract_non_silent,
    ) -> None:
        super().__init__()
        if n_segments is not None and n_segments < 1:
            raise ValueError(f"n_segments is {n_segments}, but a track has at least one")
        processes = processes or pool.default_processes()
        self.step = ExtractInPool(spec, n_segments, processes, stopping, extract=extract)

    def expand(self, tracks: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
        found = tracks | "decode + features" >> split_outcomes(self.step)
        return found.passed, found.outcomes
