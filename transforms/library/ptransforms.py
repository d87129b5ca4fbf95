"""The steps of this room as Beam runs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from genrebeam.transforms.library.label import Labelling, with_header
from genrebeam.transforms.library.skip import (
    Earlier,
    Gone,
    read_earlier,
    size_and_time,
    skip_moved,
    skip_unchanged,
    take_failed,
)
from genrebeam.transforms.library.walk import list_library
from genrebeam.transforms.records import Outcome, Stage, Track, dropped
from genrebeam.transforms.tags.formats.format import TagForm


class Walk(beam.DoFn):
    """List libraries: root -> Track.

    Parameters
    ----------
    formats : collection of str
    tidy : bool
        Remove the temporary files of runs that died.
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, formats: Collection[str], tidy: bool, stopping: Callable[[], bool]) -> None:
        self.formats = formats
        self.tidy = tidy
        self.stopping = stopping

    def process(self, root: bytes) -> Iterator[Track | TaggedOutput]:
        for found in list_library(os.fsdecode(root), self.formats, tidy=self.tidy):
            if self.stopping():
                return
            yield TaggedOutput("outcomes", found) if isinstance(found, Outcome) else found


class ReadEarlier(beam.DoFn):
    """Read earlier reports: (folder, run) -> (key, Earlier)."""

    def process(self, element: tuple[bytes, str]) -> Iterator[tuple[str, Earlier]]:
        folder, run = element
        return read_earlier(os.fsdecode(folder), run)


class SkipUnchanged(beam.DoFn):
    """Set files apart that need no work: (key, listed and earlier) -> Track.

    What is settled and no longer listed comes out as ``gone``: (size and time, Gone).

    Parameters
    ----------
    settings : str
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, settings: str, stopping: Callable[[], bool]) -> None:
        self.settings = settings
        self.stopping = stopping

    def process(self, element: tuple[str, dict[str, Iterable]]) -> Iterator[Track | TaggedOutput]:
        if self.stopping():
            return
        key, matched = element
        for found in skip_unchanged(key, matched["listed"], matched["earlier"], self.settings):
            if isinstance(found, Gone):
                yield TaggedOutput("gone", (size_and_time(found.earlier), found))
            else:
                yield TaggedOutput("outcomes", found) if isinstance(found, Outcome) else found


class SkipMoved(beam.DoFn):
    """Set moved files apart: (size and time, new and gone) -> Track.

    Parameters
    ----------
    form : TagForm
        How tags are read.
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, form: TagForm, stopping: Callable[[], bool]) -> None:
        self.form = form
        self.stopping = stopping

    def process(self, element: tuple[str, dict[str, Iterable]]) -> Iterator[Track | TaggedOutput]:
        _, matched = element
        for found in skip_moved(matched["new"], matched["gone"], self.form):
            if self.stopping():
                return
            yield TaggedOutput("outcomes", found) if isinstance(found, Outcome) else found


class TakeFailed(beam.DoFn):
    """Take files whose latest row says ``failed``: (key, listed and earlier) -> Track.

    Parameters
    ----------
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping

    def process(self, element: tuple[str, dict[str, Iterable]]) -> Iterator[Track]:
        if not self.stopping():
            yield from take_failed(element[1]["listed"], element[1]["earlier"])


class SelectLabelled(beam.DoFn):
    """Read headers and pass on what has a label: Track -> Track.

    Parameters
    ----------
    labelling : Labelling
    stopping : callable
        Whether the run shall end early.
    """

    def __init__(self, labelling: Labelling, stopping: Callable[[], bool]) -> None:
        self.labelling = labelling
        self.stopping = stopping

    def process(self, track: Track) -> Iterator[Track | TaggedOutput]:
        if self.stopping():
            return
        try:
            track = with_header(track)
        except Exception as error:  # whatever a file does to its reader is a row
            yield TaggedOutput("outcomes", dropped(track, Stage.READ_TAGS, error))
            return
        if self.labelling(track) is None:
            Metrics.counter("genrebeam", "unlabelled").inc()
        else:
            yield track
