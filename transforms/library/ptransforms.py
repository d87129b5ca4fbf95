"""Find tracks: the steps of this folder as Beam runs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints import with_input_types, with_output_types

from genrebeam.transforms.library.skip import (
    Earlier,
    Gone,
    key_of,
    read_earlier,
    read_stored,
    size_and_time,
    skip_moved,
    skip_unchanged,
    take_failed,
)
from genrebeam.transforms.library.walk import list_library
from genrebeam.transforms.matching import MatchByKey, keyed
from genrebeam.transforms.outcomes import split_outcomes
from genrebeam.transforms.records import Outcome, Status, Stored, Track
from genrebeam.transforms.tags.formats.format import TagForm

# What is listed under a name and what earlier runs said of it; what is new and what is gone.
_Matched = tuple[str, dict[str, list[Track | Earlier | Stored]]]
_MatchedMoves = tuple[str, dict[str, list[Track | Gone]]]


@with_input_types(bytes)
@with_output_types(Track, outcomes=Outcome)
class Walk(beam.DoFn):
    """List libraries: root -> Track.

    Parameters
    ----------
    tidy : bool
        Remove the temporary files of runs that died.
    exclude : sequence of str
        See `walk`.
    """

    def __init__(
        self,
        formats: Collection[str],
        tidy: bool,
        stopping: Callable[[], bool],
        exclude: Sequence[str] = (),
    ) -> None:
        self.exclude = tuple(exclude)
        self.formats = formats
        self.tidy = tidy
        self.stopping = stopping

    def process(self, root: bytes) -> Iterator[Track | TaggedOutput]:
        library = os.fsdecode(root)
        listed = list_library(library, self.formats, tidy=self.tidy, exclude=self.exclude)
        for found in listed:
            if self.stopping():
                return
            yield TaggedOutput("outcomes", found) if isinstance(found, Outcome) else found


@with_input_types(_Matched)
@with_output_types(Track, outcomes=Outcome, gone=tuple[str, Gone])
class SkipUnchanged(beam.DoFn):
    """Set files apart that need no work: (key, listed, earlier and stored) -> Track.

    What is settled and no longer listed comes out as ``gone``: (size and time, Gone).
    """

    def __init__(self, settings: str | None, stopping: Callable[[], bool]) -> None:
        self.settings = settings
        self.stopping = stopping

    def process(self, element: tuple[str, dict[str, Iterable]]) -> Iterator[Track | TaggedOutput]:
        if self.stopping():
            return
        key, matched = element
        earlier, stored = matched["earlier"], matched.get("stored", ())
        for found in skip_unchanged(key, matched["listed"], earlier, self.settings, stored):
            if isinstance(found, Gone):
                yield TaggedOutput("gone", (size_and_time(found.earlier), found))
            else:
                yield TaggedOutput("outcomes", found) if isinstance(found, Outcome) else found


@with_input_types(_MatchedMoves)
@with_output_types(Track, outcomes=Outcome)
class SkipMoved(beam.DoFn):
    """Set moved files apart: (size and time, new and gone) -> Track."""

    def __init__(self, settings: str | None, form: TagForm, stopping: Callable[[], bool]) -> None:
        self.settings = settings
        self.form = form
        self.stopping = stopping

    def process(self, element: tuple[str, dict[str, Iterable]]) -> Iterator[Track | TaggedOutput]:
        _, matched = element
        for found in skip_moved(matched["new"], matched["gone"], self.settings, self.form):
            if self.stopping():
                return
            yield TaggedOutput("outcomes", found) if isinstance(found, Outcome) else found


@with_input_types(_Matched)
@with_output_types(Track)
class TakeFailed(beam.DoFn):
    """Take files whose latest row says ``failed``: (key, listed and earlier) -> Track."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping

    def process(self, element: tuple[str, dict[str, Iterable]]) -> Iterator[Track]:
        if not self.stopping():
            yield from take_failed(element[1]["listed"], element[1]["earlier"])


@dataclass(frozen=True)
class SkipPolicy:
    """Which tracks need no work.

    Parameters
    ----------
    earlier : sequence of (str, str, bool, str)
        Earlier reports, as `read_earlier` takes them.
    digest : str or None
        Of what would decide now; with None, all earlier decisions stay.
    only_failed : bool
        Take only what failed in its last run.
    stored : sequence of (str, str)
        Folders of reports that have what the model reads of a track, and their runs.
    """

    earlier: Sequence[tuple[str, str, bool, str]]
    digest: str | None
    form: TagForm
    only_failed: bool = False
    stored: Sequence[tuple[str, str]] = ()


class _RowsOf(beam.PTransform):
    """Rows of earlier runs, by key: a pipeline -> (str, Earlier), or what else is read of them.

    Parameters
    ----------
    runs : sequence of tuple
        Of type `run`; what `read` takes.
    """

    def __init__(
        self,
        runs: Sequence[tuple[Any, ...]],
        run: Any,
        read: Callable[..., Iterator[tuple[str, Any]]],
        kind: type,
    ) -> None:
        super().__init__()
        self.runs = [(os.fsencode(folder), *facts) for folder, *facts in runs]
        self.run = run
        self.read = read
        self.kind = kind

    def expand(self, pipeline: beam.Pipeline) -> PCollection:
        read, row = self.read, tuple[str, self.kind]  # type: ignore[name-defined]
        return (
            pipeline
            | beam.Create(self.runs).with_output_types(self.run)
            # (folder, run, ...)
            | "read"
            >> beam.FlatMap(lambda one: read(os.fsdecode(one[0]), *one[1:])).with_output_types(row)
        )


class FindTracks(beam.PTransform):
    """Find the tracks that need work: a pipeline -> Track, and outcomes by what ended them.

    Parameters
    ----------
    roots : sequence of str
        Folders, or files.
    tidy : bool
        See `Walk`.
    observe : callable
        Called with each track that is found; returns it.
    exclude : sequence of str
        See `Walk`.
    """

    def __init__(
        self,
        roots: Sequence[str],
        formats: Collection[str],
        skipping: SkipPolicy,
        *,
        tidy: bool,
        stopping: Callable[[], bool],
        observe: Callable[[Track], Track],
        exclude: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.roots = roots
        self.skipping = skipping
        self.stopping = stopping
        self.observe = observe
        self.walk = Walk(formats, tidy, stopping, exclude)

    def expand(self, pipeline: beam.Pipeline) -> tuple[PCollection, dict[str, PCollection]]:
        skipping, stopping = self.skipping, self.stopping
        count = beam.Map(self.observe).with_output_types(Track)
        walked = (
            pipeline
            | "library" >> beam.Create([os.fsencode(root) for root in self.roots])
            # bytes
            | "walk" >> split_outcomes(self.walk)
            # Track
        )
        earlier = pipeline | "earlier runs" >> _RowsOf(
            skipping.earlier, tuple[bytes, str, bool, str], read_earlier, Earlier
        )
        # (str, Earlier)
        listed = walked.passed
        if not skipping.only_failed:
            listed |= "count" >> count
        # Track
        known = {"listed": listed | "key" >> keyed(key_of), "earlier": earlier}
        if skipping.stored:
            known["stored"] = pipeline | "runs that store" >> _RowsOf(
                skipping.stored, tuple[bytes, str], read_stored, Stored
            )
            # (str, Stored)
        matched = (
            known
            # (str, Track), (str, Earlier), (str, Stored)
            | "match" >> MatchByKey(_Matched)
            # (str, {"listed": Track, "earlier": Earlier, "stored": Stored})
        )
        if skipping.only_failed:
            new = matched | "take failed" >> beam.ParDo(TakeFailed(stopping)) | "count" >> count
            # The others get no row, so what is known about them does not change.
            failed = walked.outcomes | "failed" >> beam.Filter(_has_failed)
            return new, {"walked": failed}
        changed = matched | "skip unchanged" >> beam.ParDo(
            SkipUnchanged(skipping.digest, stopping)
        ).with_outputs("outcomes", "gone", main="passed")
        endings = {"walked": walked.outcomes, "unchanged": changed.outcomes}
        if not skipping.earlier:  # a first run has nothing to look up
            return changed.passed, endings
        found = (
            {
                "new": changed.passed | "key by size and time" >> keyed(size_and_time),
                "gone": changed.gone,
            }
            # (str, Track), (str, Gone)
            | "match moved" >> MatchByKey(_MatchedMoves)
            # (str, {"new": Track, "gone": Gone})
            | "skip moved" >> split_outcomes(SkipMoved(skipping.digest, skipping.form, stopping))
            # Track
        )
        return found.passed, {**endings, "moved": found.outcomes}


def _has_failed(outcome: Outcome) -> bool:
    return outcome.status == Status.FAILED
