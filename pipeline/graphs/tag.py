"""The main job: walk a library, analyse every file, write its genre, leave a report."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.runners.runner import PipelineResult

from genrebeam.pipeline.graphs.introspection import answer_once
from genrebeam.pipeline.options.job import LOCAL_RUNNER, TaggingJob
from genrebeam.pipeline.runs import interruption
from genrebeam.pipeline.runs.run import (
    Run,
    close_run,
    known_runs,
    launch_run,
    runs_with_inputs,
)
from genrebeam.pipeline.views import progress
from genrebeam.transforms.audio.ptransforms import ExtractFeatures
from genrebeam.transforms.genre.classify import begin_loading, end_loading
from genrebeam.transforms.genre.evidence import Counts, counts_of
from genrebeam.transforms.genre.ptransforms import ClassifyTracks, NoteEvidence
from genrebeam.transforms.genre.together import group_key, with_group
from genrebeam.transforms.library.ptransforms import FindTracks, SkipPolicy
from genrebeam.transforms.library.skip import compact
from genrebeam.transforms.library.to_do import (
    genres_beside,
    read_genres,
    read_tracks,
    remove_to_do,
)
from genrebeam.transforms.matching import keyed
from genrebeam.transforms.outcomes import split_outcomes
from genrebeam.transforms.records import Features, Track
from genrebeam.transforms.reports.ptransforms import WriteReport
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.tags.ptransforms import CleanGenres, ReadTags, WriteTags

# On most nights these are enough: the last full run, and retries and interrupted runs since.
_FEW_RUNS = 3


# Files whose genre stays come out as these.
_STAYING = ("kept", "unchanged", "moved")


class TagLibrary(beam.PTransform):
    """The main job: a pipeline -> the PCollections of outcomes, by what ended them.

    Parameters
    ----------
    run : Run, optional
        By default one that begins when the graph is built and that its last step finishes.
    to_do : str, optional
        File of the tracks that need work, if they are known (see ``local.py``).
    closes_itself : bool
        Whether the last step finishes a given run: its manifest and its page.

    Examples
    --------
    A library as a part of another pipeline. Only one run at a time may use a report folder, which
    ``genrebeam tag`` sees to by a lock.

    >>> import apache_beam as beam, numpy, os, soundfile, tempfile
    >>> from genrebeam import TaggingOptions, TagLibrary, check_job
    >>> library, report = tempfile.mkdtemp(), tempfile.mkdtemp()
    >>> song = os.path.join(library, "song.flac")
    >>> soundfile.write(song, numpy.sin(numpy.arange(9 * 22050) / 20) / 2, 22050)
    >>> job = check_job(library, TaggingOptions(report=report, bundle="gtzan", dry_run=True))
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     outcomes = pipeline | TagLibrary(job)
    ...     _ = outcomes["tagged"] | beam.Map(lambda outcome: print(outcome.status))
    would_tag
    """

    def __init__(
        self,
        job: TaggingJob,
        run: Run | None = None,
        *,
        to_do: str | None = None,
        closes_itself: bool = False,
    ) -> None:
        super().__init__()
        self.job = job
        self.run = run
        self.to_do = to_do
        self.closes_itself = closes_itself or run is None

    def expand(self, pipeline: beam.Pipeline) -> dict[str, beam.PCollection]:
        job, options, policy = self.job, self.job.options, self.job.tag_policy
        run = self.run or launch_run(job)
        stopping = interruption.Stopping(run.folder, *job.roots)
        endings: dict[str, beam.PCollection] = {}
        if self.to_do is None:
            new, endings = pipeline | "find" >> FindTracks(
                job.roots,
                options.formats,
                SkipPolicy(
                    _earlier_reports(job, run),
                    *(job.settled_by, options.form, options.retry_failed),
                    [(old.tracks, old.id) for old in runs_with_inputs(job, run)],
                ),
                tidy=not options.dry_run,
                stopping=stopping,
                observe=progress.count_listed,
                exclude=options.exclude,
            )
        else:
            new = (
                pipeline
                | "to do" >> beam.Create([os.fsencode(self.to_do)])
                # bytes
                | "read tracks" >> beam.FlatMap(_read_tracks, stopping).with_output_types(Track)
            )
        # Track
        read = new | "read tags" >> split_outcomes(ReadTags(policy, stopping))
        untagged, endings["kept"] = read.passed, read.outcomes
        # Track
        if options.existing == "clean":
            cleaned = untagged | "clean" >> beam.ParDo(
                CleanGenres(job.taxonomy.clean, policy, run.journal)
            )
            return self._reported({**endings, "cleaned": cleaned}, run)
        if job.learns_from_library:
            counts = self._counts(pipeline, [endings[name] for name in _STAYING if name in endings])
            untagged = {"tracks": untagged, "counts": counts} | "note evidence" >> NoteEvidence()
        # Track
        features, not_analysed = (
            _spread(untagged, job.votes_together)
            # Track
            | "begin loading" >> beam.Map(begin_loading, job.bundle).with_output_types(Track)
            # Track
            | "extract"
            >> ExtractFeatures(
                *(job.bundle.features, job.n_segments),
                processes=options.processes,
                stopping=stopping,
            )
        )
        # Features
        features |= "count decoded" >> beam.Map(progress.count_decoded).with_output_types(Features)
        decisions, unclassified = features | "classify" >> ClassifyTracks(
            *(job.bundle, job.vote_policy, job.taxonomy),
            together=job.votes_together != "off",
            embeddings=options.embeddings,
            stopping=stopping,
        )
        # Decision
        tagged = decisions | "write" >> WriteTags(policy, run.journal)
        # Outcome
        endings |= {
            "not_analysed": not_analysed,
            "unclassified": unclassified,
            "tagged": tagged,
        }
        return self._reported(endings, run)

    def _reported(
        self, endings: dict[str, beam.PCollection], run: Run
    ) -> dict[str, beam.PCollection]:
        reported = endings | "report" >> WriteReport(
            run.tracks, run.folder, self.job.run_facts, progress.count_outcome
        )
        # Parquet
        if self.closes_itself:
            _ = (
                tuple(reported.values())
                | beam.Flatten()
                | "when all is reported" >> beam.combiners.Count.Globally()
                | "close" >> beam.Map(_close, run).with_output_types(type(None))
            )
        return endings

    def _counts(
        self, pipeline: beam.Pipeline, staying: Sequence[beam.PCollection]
    ) -> beam.PCollection:
        """What files whose genre stays say of others: (str, dict)."""
        counts = (
            staying
            | "files that stay" >> beam.Flatten()
            # Outcome
            | "count genres"
            >> beam.FlatMap(counts_of, self.job.model_genres).with_output_types(tuple[str, Counts])
        )
        if self.to_do is None:
            return counts
        unchanged = (
            pipeline
            | "genres of unchanged" >> beam.Create([os.fsencode(genres_beside(self.to_do))])
            # bytes
            | "read genres" >> beam.FlatMap(_read_genres).with_output_types(tuple[str, Counts])
        )
        return (counts, unchanged) | "all genres" >> beam.Flatten()


def _spread(tracks: beam.PCollection, consistent: str) -> beam.PCollection:
    """Spread tracks over workers, those that vote together to the same one.

    They are brought together before they are analysed, so that what is grouped is small, and
    so that an album has its genre as soon as it is analysed.
    """
    if consistent == "off":
        return tracks | "spread" >> beam.Reshuffle()
    return (
        tracks
        | "key by group" >> keyed(group_key, consistent)
        # (str, Track)
        | "group" >> beam.GroupByKey()
        # (str, iterable of Track)
        | "note group" >> beam.FlatMapTuple(with_group).with_output_types(Track)
        # Track
    )


def _read_tracks(path: bytes, stopping: Callable[[], bool]) -> Iterator[Track]:
    for track in read_tracks(os.fsdecode(path)):
        if stopping():
            return
        yield track


def _read_genres(path: bytes) -> Iterator[tuple[str, Counts]]:
    return read_genres(os.fsdecode(path))


def _close(_: int, run: Run) -> None:
    from genrebeam.pipeline.views.report_page import write_report_page

    write_report_page([run], close_run(run).rows, run.page)
    run.mark_latest()
    storage_of(run.home).remove_folder(_compacted(run))


def _earlier_reports(job: TaggingJob, run: Run) -> list[tuple[str, str, bool, str]]:
    """Reports that hold the state of the library, as `read_earlier` takes them."""
    known = known_runs(job, run)
    holding = [(tracks, id, within) for tracks, id, holds, within in known if holds]
    if len(holding) <= _FEW_RUNS:
        return known
    compact(holding, _compacted(run), run.workplace)
    return [(_compacted(run), run.id, True, ""), *(one for one in known if not one[2])]


def _compacted(run: Run) -> str:
    return os.path.join(run.folder, "earlier")


def run_tagging(
    job: TaggingJob,
    run: Run,
    runner_arguments: Sequence[str] = (),
    *,
    to_do: str | None = None,
) -> bool:
    """Run the main job to its end, or turn it into a template's job.

    Parameters
    ----------
    runner_arguments : sequence of str
        Beam's own options; by default the runner is the embedded one.
    to_do : str, optional
        File of the tracks that need work, if they are known. It is removed.

    Returns
    -------
    bool
        Whether the work is still to be done, by a job that starts after this process.
    """
    answer_once()
    options = PipelineOptions([f"--runner={LOCAL_RUNNER}", *runner_arguments])
    is_template = options.view_as(GoogleCloudOptions).template_location is not None
    pipeline = beam.Pipeline(options=options)
    try:
        _ = pipeline | "tag" >> TagLibrary(job, run, to_do=to_do, closes_itself=is_template)
        result = pipeline.run()
        if options.view_as(PortableOptions).environment_type != "LOOPBACK":
            progress.hide()
        _wait_for(result)
        interruption.remove_note(run.folder)
    except BaseException:
        # An engine may go on with the work out of our sight.
        interruption.leave_note(run.folder)
        raise
    finally:
        end_loading()
        if to_do is not None:
            remove_to_do(to_do)
        elif not is_template:
            storage_of(run.home).remove_folder(_compacted(run))
    return is_template


def _wait_for(result: PipelineResult) -> None:
    """Wait for a pipeline's end. If a thread of Beam's dies, only the logs say so."""
    before, threading.excepthook = threading.excepthook, _log_death
    try:
        result.wait_until_finish()
    except Exception as error:
        if not type(error).__module__.startswith("grpc"):  # named, not imported: it is Beam's
            raise
        for thread in threading.enumerate():
            if thread.name == "wait_until_finish_read":
                thread.join(timeout=5)
        raise ConnectionError(
            "Beam's job server is gone; work that it had begun is ending"
        ) from error
    finally:
        threading.excepthook = before


def _log_death(facts: threading.ExceptHookArgs) -> None:
    death = (facts.exc_type, facts.exc_value or facts.exc_type(), facts.exc_traceback)
    logging.getLogger(__name__).error("a thread died", exc_info=death)
