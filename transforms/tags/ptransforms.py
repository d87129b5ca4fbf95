"""Read and write tags: the steps of this folder as Beam runs them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.typehints import with_input_types, with_output_types

from genrebeam.transforms.in_flight import InBatches, InFlight
from genrebeam.transforms.records import (
    Decision,
    Outcome,
    Stage,
    Track,
    dropped,
    with_tags,
)
from genrebeam.transforms.tags.clean import Names, clean
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.header import HEADERS_AT_ONCE, read_headers
from genrebeam.transforms.tags.rewrite import Journal
from genrebeam.transforms.tags.tag import TagPolicy, kept, obstacle, tag, too_recent

# Headers that are read at a time: two processes shall always have something to do.
_HEADERS_IN_FLIGHT = 256
# Files that are written at a time: most of it is waiting, for the pool and for the disk.
_WRITERS = 8


class ReadHeaders(InBatches):
    """Base of DoFns that read headers, many at a time in the pool: Track -> Track."""

    def __init__(self, stopping: Callable[[], bool], form: TagForm) -> None:
        super().__init__(HEADERS_AT_ONCE, _HEADERS_IN_FLIGHT, stopping)
        self.form = form

    def submit(self, tracks: list[Track]) -> Future:
        return read_headers([track.uri for track in tracks], self.form)


@with_input_types(Track)
@with_output_types(Track, outcomes=Outcome)
class ReadTags(ReadHeaders):
    """Read headers; a file whose genre is kept goes no further: Track -> Track."""

    def __init__(self, policy: TagPolicy, stopping: Callable[[], bool]) -> None:
        super().__init__(stopping, policy.form)
        self.policy = policy

    def finished(self, track: Track, found: Any) -> Track | beam.pvalue.TaggedOutput:
        if recent := too_recent(track, self.policy.min_age_s):
            return beam.pvalue.TaggedOutput("outcomes", dropped(track, Stage.WALK, recent))
        if isinstance(found, Exception):  # whatever a file does to its reader is a row
            return beam.pvalue.TaggedOutput("outcomes", dropped(track, Stage.READ_TAGS, found))
        track = with_tags(track, *found)
        if self.policy.existing == "keep" and self.policy.existing_genres(track):
            return beam.pvalue.TaggedOutput("outcomes", kept(track))
        error = obstacle(track, self.policy.write)
        if error:
            return beam.pvalue.TaggedOutput("outcomes", dropped(track, Stage.TAG, error))
        return track


class _Writing(InFlight):
    """Base of DoFns that write files: element -> Outcome.

    Threads, because a file's way to the disk is mostly waiting, and several take little
    longer than one.

    Parameters
    ----------
    journal : callable
        See `write_genres`; called by several threads.
    """

    def __init__(self, policy: TagPolicy, journal: Journal) -> None:
        super().__init__(most=2 * _WRITERS)
        self.policy = policy
        self.journal = journal

    def setup(self) -> None:
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="tag")

    def teardown(self) -> None:
        self._writers.shutdown()

    def finished(self, element: Any, future: Future) -> Outcome:
        return future.result()


@with_input_types(Decision)
@with_output_types(Outcome)
class Tag(_Writing):
    """Write genres: Decision -> Outcome."""

    def submit(self, decision: Decision) -> Future:
        return self._writers.submit(tag, decision, self.policy, self.journal)


@with_input_types(Track)
@with_output_types(Outcome)
class CleanGenres(_Writing):
    """Give the genres that files have the names of a taxonomy: Track -> Outcome.

    Parameters
    ----------
    names : callable
        See `clean`.
    policy, journal
        See `WriteTags`.
    """

    def __init__(self, names: Names, policy: TagPolicy, journal: Journal) -> None:
        super().__init__(policy, journal)
        self.names = names

    def submit(self, track: Track) -> Future:
        return self._writers.submit(clean, track, self.names, self.policy, self.journal)


@with_input_types(Decision)
@with_output_types(Outcome)
class WriteTags(beam.PTransform):
    """Write decisions into the files: Decision -> Outcome.

    Parameters
    ----------
    journal : callable
        See `write_genres`; called by several threads.
    """

    def __init__(self, policy: TagPolicy, journal: Journal) -> None:
        super().__init__()
        self.step = Tag(policy, journal)

    def expand(self, decisions: beam.PCollection) -> beam.PCollection:
        return decisions | "tag" >> beam.ParDo(self.step)
