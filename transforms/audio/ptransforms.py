"""The step of this room as Beam runs it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import apache_beam as beam

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.features import Heard
from genrebeam.transforms.audio.hear import TIMEOUT_S, features_of, hear_what_sounds
from genrebeam.transforms.in_flight import InFlight
from genrebeam.transforms.records import Features, Outcome, Track

# Tracks in flight per process: enough that none is idle while the network is loaded, some
# seconds; few where all of each is heard and kept in memory.
_IN_FLIGHT = 32
_IN_FLIGHT_WHOLE = 8
# A track of so many s, heard whole, counts as one; a mix of two hours takes the room of twelve.
_LENGTH_S = 600.0


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
        most = _IN_FLIGHT if n_segments else _IN_FLIGHT_WHOLE
        super().__init__(processes * most, stopping)
        self.spec = spec
        self.n_segments = n_segments
        self.processes = processes
        self.timeout_s = timeout_s
        self.listen = listen

    def submit(self, track: Track) -> Future:
        return pool.submit(
            self.listen,
            (track.uri, track.format, self.spec, self.n_segments, track.audio.duration_s),
            processes=self.processes,
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
