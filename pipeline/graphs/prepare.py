"""The job that turns labelled audio into a training set: the tagging job up to the features.

Walk a library, find each file's label, analyse it, write its features.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.typehints import with_input_types, with_output_types

from genrebeam.model.data.clips import LabelledMusic
from genrebeam.model.data.splits import split_by_artist
from genrebeam.model.data.training_set import (
    DatasetError,
    LabelledClip,
    LeftOut,
    SetFacts,
    read_clips,
    read_facts,
    read_left_out,
    start_set,
    write_clips,
    write_facts,
    write_left_out,
)
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.pipeline.graphs.introspection import answer_once
from genrebeam.pipeline.inference.decoding import decoding
from genrebeam.pipeline.options.job import LOCAL_RUNNER
from genrebeam.pipeline.runs import interruption
from genrebeam.pipeline.training.datasets import dataset_named
from genrebeam.pipeline.training.datasets.dataset import (
    FORMATS_DECODED,
    Label,
    Labelling,
    with_header,
)
from genrebeam.pipeline.training.music import load_training_set, why_small
from genrebeam.pipeline.views import progress
from genrebeam.pipeline.views.terminal import counted
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.extract import extract_contiguous, extract_non_silent
from genrebeam.transforms.audio.ptransforms import ExtractFeatures
from genrebeam.transforms.genre.ptransforms import BackboneModelHandler, SplitFailedOutputs
from genrebeam.transforms.library.ptransforms import Walk
from genrebeam.transforms.library.walk import list_library
from genrebeam.transforms.outcomes import split_outcomes
from genrebeam.transforms.records import (
    Features,
    Outcome,
    Prediction,
    Stage,
    Status,
    Track,
    dropped,
    printable,
)
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.header import HEADERS_AT_ONCE, read_headers
from genrebeam.transforms.tags.ptransforms import ReadHeaders

# How much of each track is analysed, from its middle.
_SECONDS = 60.0
# How much a worker holds before it writes a part.
_BYTES_PER_PART = 128 * 2**20
# Raise it whenever the features or the files change.
_VERSION = 1


def build(
    pipeline: beam.Pipeline,
    places: Sequence[str],
    labelling: Labelling,
    spec: FeatureSpec,
    out: str,
    processes: int,
    only: str | None = None,
) -> None:
    """Build the graph.

    Parameters
    ----------
    places : sequence of str
        Folders or files that are walked.
    out : str
        Folder of the set.
    processes : int
        Decoding processes in each worker.
    only : str, optional
        See `prepare`.
    """
    stopping = interruption.requested
    n_segments = max(1, round(_SECONDS / spec.segment_seconds))
    has_backbone = spec.kind == "outputs"
    extract = ExtractFeatures(
        *(spec.windows, n_segments),
        processes=processes,
        stopping=stopping,
        # Outputs are averaged, and all parts of a track together describe it best.
        extract=extract_non_silent if has_backbone else extract_contiguous,
    )

    walked = (
        pipeline
        | "library" >> beam.Create(list(map(os.fsencode, places))).with_output_types(bytes)
        # bytes
        | "walk" >> split_outcomes(Walk(FORMATS_DECODED, False, stopping))
        # Track
    )
    labelled = walked.passed | "label" >> split_outcomes(SelectLabelled(labelling, stopping, only))
    # Track
    clips, not_analysed = (
        labelled.passed
        | "count" >> beam.Map(progress.count_listed).with_output_types(Track)
        # Track
        | "spread" >> beam.Reshuffle()
        # Track
        | "extract" >> extract
        # Features
    )
    endings = {
        "walked": walked.outcomes,
        "unlabelled": labelled.outcomes,
        "not_analysed": not_analysed,
    }
    if has_backbone:
        classified = (
            clips
            | "backbone"
            >> RunInference(BackboneModelHandler(spec)).with_output_types(Features | Prediction)
            # Features, or a failed Prediction
            | "set failures apart" >> split_outcomes(SplitFailedOutputs())
            # Features
        )
        clips, endings["unclassified"] = classified.passed, classified.outcomes
    _ = clips | "write clips" >> beam.ParDo(WriteClips(out, labelling))
    # Arrow
    for ending, outcomes in endings.items():
        _ = outcomes | f"write {ending}" >> beam.ParDo(WriteLeftOut(out))
        # JSON


@with_input_types(Track)
@with_output_types(Track, outcomes=Outcome)
class SelectLabelled(ReadHeaders):
    """Read headers and pass on what has a label: Track -> Track.

    Parameters
    ----------
    stopping : callable
        Whether the run shall end early.
    only : str, optional
        See `prepare`.
    """

    def __init__(
        self, labelling: Labelling, stopping: Callable[[], bool], only: str | None = None
    ) -> None:
        super().__init__(stopping, TagForm())
        self.labelling = labelling
        self.only = only

    def finished(self, track: Track, found: Any) -> Track | beam.pvalue.TaggedOutput | None:
        try:
            track = with_header(track, found)
        except Exception as error:  # whatever a file does to its reader is a row
            return beam.pvalue.TaggedOutput("outcomes", dropped(track, Stage.READ_TAGS, error))
        label = self.labelling(track)
        if label is None:
            Metrics.counter("genrebeam", "unlabelled").inc()
            return None
        return track if self.only in (None, label.split) else None


def with_lists(
    labelling: Labelling, places: Sequence[str], log: Callable[[str], None]
) -> Labelling:
    """A labelling that says which list a track is in, by artist if the data set has no lists.

    Parameters
    ----------
    log : callable
        Takes a line about each label with too little music.
    """
    tracks = list(_tracks_in(places))
    if any(label.split for label in map(labelling, tracks) if label):
        return labelling
    labels = [label for track in _with_headers(tracks) if (label := labelling(track))]
    lists, small = split_by_artist(
        [printable(label.label) for label in labels], [printable(label.artist) for label in labels]
    )
    for line in why_small(small):
        log(f"left out {line}")
    found = {label.name: split for label, split in zip(labels, lists, strict=True)}
    return functools.partial(_listed, labelling, found)


def _tracks_in(places: Sequence[str]) -> Iterator[Track]:
    for place in places:
        for found in list_library(place, FORMATS_DECODED):
            if isinstance(found, Track):
                yield found


def _listed(labelling: Labelling, lists: Mapping[str, str | None], track: Track) -> Label | None:
    label = labelling(track)
    return label and dataclasses.replace(label, split=lists.get(label.name))


def _with_headers(tracks: Sequence[Track]) -> Iterator[Track]:
    """Tracks that know their tags; those with a header that cannot be read are left out."""
    batches = [
        tracks[first : first + HEADERS_AT_ONCE] for first in range(0, len(tracks), HEADERS_AT_ONCE)
    ]
    with decoding():
        waiting = [read_headers([track.uri for track in batch]) for batch in batches]
        for batch, headers in zip(batches, waiting, strict=True):
            for track, found in zip(batch, headers.result(), strict=True):
                with contextlib.suppress(Exception):  # the graph names the file and its error
                    yield with_header(track, found)


@with_input_types(Features)
@with_output_types(type(None))
class WriteClips(beam.DoFn):
    """Write labelled clips in parts: Features -> nothing."""

    def __init__(self, folder: str, labelling: Labelling) -> None:
        self.folder = folder
        self.labelling = labelling

    def start_bundle(self) -> None:
        self._clips: list[LabelledClip] = []

    def process(self, features: Features) -> Iterator[None]:
        self._clips.append(clip_of(features, self.labelling))
        # It has its genre: for the progress it is done.
        progress.count_outcome(Outcome(features.track, Status.TAGGED, Stage.DECODE, ""))
        if sum(clip.features.nbytes for clip in self._clips) >= _BYTES_PER_PART:
            self._flush()
        return iter(())

    def finish_bundle(self) -> None:
        if self._clips:
            self._flush()

    def _flush(self) -> None:
        write_clips(self._clips, self.folder)
        self._clips = []


def clip_of(features: Features, labelling: Labelling) -> LabelledClip:
    """A track's features with its label.

    Parameters
    ----------
    features : Features
        Its segments follow one another.
    """
    label = labelling(features.track)
    assert label is not None  # `SelectLabelled` lets no other by
    return LabelledClip(
        name=printable(label.name),
        path=printable(features.track.uri),
        label=printable(label.label),
        artist=printable(label.artist),
        split=label.split,
        features=np.concatenate(list(features.values), axis=1),
    )


@with_input_types(Outcome)
@with_output_types(type(None))
class WriteLeftOut(beam.DoFn):
    """Write the list of files that are left out: Outcome -> nothing."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def start_bundle(self) -> None:
        self._files: list[LeftOut] = []

    def process(self, outcome: Outcome) -> Iterator[None]:
        # A link that is not followed is not missing music.
        if (outcome.status, outcome.stage) != (Status.REFUSED, Stage.WALK):
            path, reason = printable(outcome.track.uri), printable(outcome.reason)
            self._files.append(LeftOut(path, outcome.stage, reason, outcome.error_type))
            progress.count_outcome(outcome)
        return iter(())

    def finish_bundle(self) -> None:
        if self._files:
            write_left_out(self._files, self.folder)


def prepare(
    library: str | os.PathLike[str],
    dataset: str,
    spec: FeatureSpec,
    out: str | os.PathLike[str],
    *,
    processes: int | None = None,
    only: str | None = None,
    runner_arguments: Sequence[str] = (),
    log: Callable[[str], None] = print,
) -> LabelledMusic:
    """Make a training set from a library, or reuse the one that was made from it before.

    Parameters
    ----------
    library : str or path
        Folder or bucket of audio.
    dataset : str
        How it is labelled: one of `datasets.NAMES`, `ONE_GENRE`, or the path of a file of
        corrections.
    spec : FeatureSpec
        Each clip is about a minute of such frames from the track's middle, at least one segment.
        For kind ``outputs`` it is what the backbone puts out for segments spread over the track.
    out : str or path
        Folder of the set, which all workers must reach. Created if it is missing; another set
        in it is replaced.
    processes : int, optional
        Decoding processes in each worker; by default one for each CPU.
    only : str, optional
        Analyse this list only, ``test`` for instance; see `with_lists`.
    runner_arguments : sequence of str
        Beam's own options; by default the runner is the embedded one.
    log : callable
        Takes a line about what was left out.

    Raises
    ------
    DatasetError
        If the library cannot be listed, has no labelled music, or the set cannot be written.
    KeyboardInterrupt
        If it was interrupted; the set is incomplete then.
    """
    library, out = os.fspath(library), os.fspath(out)
    if not storage_of(library).has_folder(library):
        raise DatasetError(library, "no such folder")
    labelling = dataset_named(dataset).labelling(library)
    places = dataset_named(dataset).places(library)
    fingerprint = fingerprint_of(library, dataset, spec, only)
    if _is_complete(out, fingerprint):
        return load_training_set(out)
    if only:
        labelling = with_lists(labelling, places, log)
    start_set(out)
    answer_once()
    options = PipelineOptions([f"--runner={LOCAL_RUNNER}", *runner_arguments])
    pipeline = beam.Pipeline(options=options)
    build(pipeline, places, labelling, spec, out, processes or pool.default_processes(), only)
    with decoding():
        result = pipeline.run()
        result.wait_until_finish()
    if interruption.requested():
        raise KeyboardInterrupt
    found = result.metrics().query(MetricsFilter().with_name("unlabelled"))["counters"]
    counts = Counter(clip.label for clip in read_clips(out))
    facts = SetFacts(
        dataset=dataset,
        library=printable(library),
        features=spec,
        fingerprint=fingerprint,
        genres=dataset_named(dataset).genres(counts),
        counts=dict(sorted(counts.items())),
        n_unlabelled=sum(counter.result for counter in found),
        left_out=read_left_out(out),
    )
    if not counts:
        raise DatasetError(library, _why_empty(facts))
    write_facts(facts, out)
    for line in summary(facts):
        log(line)
    return load_training_set(out)


def is_prepared(library: str, dataset: str, spec: FeatureSpec, out: str) -> bool:
    """Whether a folder has the set that `prepare` would make of all of a library as it is now."""
    return os.path.isdir(out) and _is_complete(out, fingerprint_of(library, dataset, spec))


def _is_complete(out: str, fingerprint: str) -> bool:
    """Whether the requested set is already there."""
    try:
        return read_facts(out).fingerprint == fingerprint
    except DatasetError:
        return False


def fingerprint_of(library: str, dataset: str, spec: FeatureSpec, only: str | None = None) -> str:
    """Hash of everything that a training set is made from: files by name, size and time."""
    settings = [_VERSION, printable(library), dataset, dataclasses.asdict(spec)]
    settings += [only] if only else []
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for track in _tracks_in(dataset_named(dataset).places(library)):
        digest.update(repr((track.uri, track.size_bytes, track.mtime_ns)).encode())
    for path in dataset_named(dataset).label_files(library):
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def summary(facts: SetFacts) -> list[str]:
    """Lines that describe a new set to a person."""
    labels = ", ".join(f"{label} {count:,}" for label, count in facts.counts.items())
    lines = [f"{facts.library}: {counted(sum(facts.counts.values()), 'clip')} ({labels})"]
    if facts.n_unlabelled:
        lines.append(f"{counted(facts.n_unlabelled, 'file')} without a label")
    if facts.left_out:
        lines.append(
            f"{counted(len(facts.left_out), 'file')} left out, the first: {facts.left_out[0]}"
        )
    return lines


def _why_empty(facts: SetFacts) -> str:
    """Why a library gave no training set."""
    reasons = (
        [f"{counted(facts.n_unlabelled, 'file')} without a label"] if facts.n_unlabelled else []
    )
    if facts.left_out:
        reasons.append(f"{len(facts.left_out):,} left out, the first: {facts.left_out[0]}")
    return f"no music to learn from ({'; '.join(reasons) or 'no audio files'})"
