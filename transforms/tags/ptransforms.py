"""Read and write tags: the steps of this room as Beam runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import apache_beam as beam
from apache_beam.typehints import with_input_types, with_output_types

from genrebeam.transforms.in_flight import InFlight, stops_now
from genrebeam.transforms.records import (
    Decision,
    Outcome,
    Stage,
    Track,
    dropped,
    with_tags,
)
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.rewrite import Journal
from genrebeam.transforms.tags.tag import TagPolicy, kept, obstacle, tag

# Files that are written at a time.
_WRITERS = 4


@with_input_types(Track)
@with_output_types(Track, outcomes=Outcome)
class ReadTags(beam.DoFn):
    """Read headers; a file whose genre is kept goes no further: Track -> Track.

    Parameters
    ----------
    policy : TagPolicy
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, policy: TagPolicy, stopping: Callable[[], bool]) -> None:
        self.policy = policy
        self.stopping = stopping

    def process(self, track: Track) -> Iterator[Track | beam.pvalue.TaggedOutput]:
        if self.stopping():
            return
        try:
            track = with_tags(track, *read_header(track.uri, self.policy.form))
            if self.policy.existing == "keep" and self.policy.existing_genres(track):
                yield beam.pvalue.TaggedOutput("outcomes", kept(track))
                return
            error = None if self.policy.dry_run else obstacle(track, self.policy.write)
            if error:
                yield beam.pvalue.TaggedOutput("outcomes", dropped(track, Stage.TAG, error))
                return
        except Exception as error:  # whatever a file does to its reader is a row
            if stops_now(self.stopping):
                return
            yield beam.pvalue.TaggedOutput("outcomes", dropped(track, Stage.READ_TAGS, error))
            return
        yield track


@with_input_types(Decision)
@with_output_types(Outcome)
class Tag(InFlight):
    """Write genres: Decision -> Outcome.

    Threads, because a file's way to the disk is mostly waiting, and several take little
    longer than one.

    Parameters
    ----------
    policy : TagPolicy
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

    def submit(self, decision: Decision) -> Future:
        return self._writers.submit(tag, decision, self.policy, self.journal)

    def finished(self, decision: Decision, future: Future) -> Outcome:
        return future.result()


@with_input_types(Decision)
@with_output_types(Outcome)
class WriteTags(beam.PTransform):
    """Write decisions into the files: Decision -> Outcome.

    Parameters
    ----------
    policy : TagPolicy
    journal : callable
        See `Tag`.
    """

    def __init__(self, policy: TagPolicy, journal: Journal) -> None:
        super().__init__()
        self.step = Tag(policy, journal)

    def expand(self, decisions: beam.PCollection) -> beam.PCollection:
        return decisions | "tag" >> beam.ParDo(self.step)
