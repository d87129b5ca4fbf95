"""The main job: walk a library, listen to every file, write its genre, leave a report."""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.runners.runner import PipelineResult

from genrebeam.pipeline.options.job import LOCAL_RUNNER, TaggingJob
from genrebeam.pipeline.runs import interruption
from genrebeam.pipeline.runs.run import Run, close_run, earlier_runs
from genrebeam.pipeline.views import progress
from genrebeam.transforms.audio.ptransforms import Hear
from genrebeam.transforms.endings import ends_or_goes_on
from genrebeam.transforms.genre.classify import begin_loading, end_loading
from genrebeam.transforms.genre.ptransforms import GenreModelHandler, SetFailuresApart, VoteTogether
from genrebeam.transforms.genre.together import group_key, with_group
from genrebeam.transforms.genre.vote import decide
from genrebeam.transforms.library.ptransforms import (
    ReadEarlier,
    SkipMoved,
    SkipUnchanged,
    TakeFailed,
    Walk,
)
from genrebeam.transforms.library.settle import read_tracks
from genrebeam.transforms.library.skip import compact, key_of, size_and_time
from genrebeam.transforms.records import Status, Track
from genrebeam.transforms.reports.ptransforms import WriteReport
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.tags.ptransforms import ReadTags, Tag
from genrebeam.transforms.tags.tag import TagPolicy

# On most nights these are enough: the last full run, and retries and interrupted runs since.
_FEW_RUNS = 3


def build(
    pipeline: beam.Pipeline,
    job: TaggingJob,
    run: Run,
    *,
    to_do: str | None = None,
    closes_itself: bool = False,
) -> None:
    """Build the graph of the main job.

    Parameters
    ----------
    pipeline : beam.Pipeline
    job : TaggingJob
    run : Run
        Where its report goes.
    to_do : str, optional
        File of the tracks that need work, if they are known (see ``local.py``).
    closes_itself : bool
        Whether the last step finishes the run: its manifest and its page.
    """
    stopping = interruption.Stopping(run.folder, job.library)
    options, policy = job.options, job.tag_policy

    if to_do is None:
        new, endings = _walk_and_skip(pipeline, job, run, policy, stopping)
    else:
        known = pipeline | "to do" >> beam.Create([os.fsencode(to_do)])
        # bytes
        new, endings = known | "read tracks" >> beam.FlatMap(_read_tracks, stopping), {}
    # Track
    untagged = new | "read tags" >> ends_or_goes_on(ReadTags(policy, stopping))
    # Track
    heard = (
        _spread(untagged.goes_on, options.consistent)
        # Track
        | "begin loading" >> beam.Map(begin_loading, job.bundle)
        # Track
        | "decode + features"
        >> ends_or_goes_on(Hear(job.bundle.features, job.n_segments, options.processes, stopping))
        # Features
    )
    classified = (
        heard.goes_on
        | "classify"
        >> RunInference(
            GenreModelHandler(
                job.bundle, embeddings=options.embeddings or options.consistent != "off"
            )
        )
        # Prediction
        | "set failures apart" >> ends_or_goes_on(SetFailuresApart())
        # Prediction
    )
    vote = functools.partial(
        decide,
        genres=job.bundle.genres,
        policy=job.vote_policy,
        taxonomy=job.taxonomy,
        families=job.bundle.families,
    )
    tagged = (
        classified.goes_on
        | "vote"
        >> (
            beam.Map(vote)
            if options.consistent == "off"
            else beam.ParDo(VoteTogether(vote, stopping, embeddings=options.embeddings))
        )
        # Decision
        | "tag" >> beam.ParDo(Tag(policy, run.journal))
        # Outcome
    )
    # One report step for each way that a track can end. With one step behind a Flatten, the direct
    # runner would hold back all rows until the last track is done.
    endings |= {
        "kept": untagged.outcomes,
        "unheard": heard.outcomes,
        "unclassified": classified.outcomes,
        "tagged": tagged,
    }
    reported = [
        outcomes
        | f"report {ending}"
        >> beam.ParDo(
            WriteReport(
                run.tracks, run.folder, job.bundle, job.decision_digest, progress.count_outcome
            )
        )
        for ending, outcomes in endings.items()
    ]
    # Parquet
    if closes_itself:
        _ = (
            reported
            | beam.Flatten()
            | "when all is reported" >> beam.combiners.Count.Globally()
            | "close" >> beam.Map(_close, run)
        )


def _spread(tracks: beam.PCollection, consistent: str) -> beam.PCollection:
    """Spread tracks over workers, those that vote together to the same one.

    They are brought together before they are heard, so that what is grouped is small, and so that
    an album has its genre as soon as it is heard.
    """
    if consistent == "off":
        return tracks | "spread" >> beam.Reshuffle()
    return (
        tracks
        | "key by group" >> beam.WithKeys(group_key, consistent)
        # (str, Track)
        | "group" >> beam.GroupByKey()
        # (str, iterable of Track)
        | "note group" >> beam.FlatMapTuple(with_group)
        # Track
    )


def _walk_and_skip(
    pipeline: beam.Pipeline,
    job: TaggingJob,
    run: Run,
    policy: TagPolicy,
    stopping: Callable[[], bool],
) -> tuple[beam.PCollection, dict[str, beam.PCollection]]:
    """Find the tracks that need work, and the rows of the others, inside the graph."""
    walked = (
        pipeline
        | "library" >> beam.Create([os.fsencode(job.library)])
        # bytes
        | "walk" >> ends_or_goes_on(Walk(job.options.formats, not job.options.dry_run, stopping))
        # Track
    )
    runs = _earlier_reports(job, run) if job.options.incremental else []
    earlier = (
        pipeline
        | "earlier runs" >> beam.Create([(os.fsencode(folder), id) for folder, id in runs])
        # (folder, run)
        | "read earlier" >> beam.ParDo(ReadEarlier())
        # (str, Earlier)
    )
    listed = walked.goes_on
    if not job.options.retry_failed:
        listed |= "count" >> beam.Map(progress.count_listed)
    # Track
    matched = (
        {"listed": listed | "key" >> beam.WithKeys(key_of), "earlier": earlier}
        # (str, Track), (str, Earlier)
        | "match" >> beam.CoGroupByKey()
        # (str, {"listed": Track, "earlier": Earlier})
    )
    if job.options.retry_failed:
        new = (
            matched
            | "take failed" >> beam.ParDo(TakeFailed(stopping))
            | "count" >> beam.Map(progress.count_listed)
        )
        # The others get no row, so what is known about them does not change.
        failed = walked.outcomes | "failed" >> beam.Filter(lambda row: row.status == Status.FAILED)
        return new, {"walked": failed}
    changed = matched | "skip unchanged" >> beam.ParDo(
        SkipUnchanged(job.decision_digest, stopping)
    ).with_outputs("outcomes", "gone", main="goes_on")
    endings = {"walked": walked.outcomes, "unchanged": changed.outcomes}
    if not runs:  # a first run has nothing to look up
        return changed.goes_on, endings
    found = (
        {
            "new": changed.goes_on | "key by size and time" >> beam.WithKeys(size_and_time),
            "gone": changed.gone,
        }
        # (str, Track), (str, Gone)
        | "match moved" >> beam.CoGroupByKey()
        # (str, {"new": Track, "gone": Gone})
        | "skip moved" >> ends_or_goes_on(SkipMoved(policy.form, stopping))
        # Track
    )
    return found.goes_on, {**endings, "moved": found.outcomes}


def _read_tracks(path: bytes, stopping: Callable[[], bool]) -> Iterator[Track]:
    for track in read_tracks(os.fsdecode(path)):
        if stopping():
            return
        yield track


def _close(_: int, run: Run) -> None:
    from genrebeam.pipeline.views.report_page import write_report_page

    write_report_page([run], close_run(run).rows, run.page)
    storage_of(run.home).remove_folder(_compacted(run))


def _earlier_reports(job: TaggingJob, run: Run) -> list[tuple[str, str]]:
    """Folders of the reports that hold the state of the library, and their runs."""
    runs = [(old.tracks, old.id) for old in earlier_runs(job, run)]
    if len(runs) <= _FEW_RUNS:
        return runs
    compact(runs, _compacted(run), run.workplace)
    return [(_compacted(run), run.id)]


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
    job : TaggingJob
    run : Run
    runner_arguments : sequence of str
        Beam's own options; by default the runner is the embedded one.
    to_do : str, optional
        File of the tracks that need work, if they are known. It is removed.

    Returns
    -------
    bool
        Whether the work is still to be done, by a job that starts after this process.
    """
    options = PipelineOptions([f"--runner={LOCAL_RUNNER}", *runner_arguments])
    is_template = options.view_as(GoogleCloudOptions).template_location is not None
    pipeline = beam.Pipeline(options=options)
    try:
        build(pipeline, job, run, to_do=to_do, closes_itself=is_template)
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
            os.remove(to_do)
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


def _log_death(told: threading.ExceptHookArgs) -> None:
    death = (told.exc_type, told.exc_value or told.exc_type(), told.exc_traceback)
    logging.getLogger(__name__).error("a thread died", exc_info=death)
