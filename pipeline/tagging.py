"""The main job: walk a library, listen to every file, write its genre, leave a report."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline import interruption, progress
from pipeline.endings import ends_or_goes_on
from pipeline.options import LOCAL_RUNNER, TaggingJob, add_tagging_arguments
from pipeline.run import Run, earlier_runs
from transforms.classify import GenreModelHandler, SetFailuresApart
from transforms.fields import TagForm
from transforms.hear import Hear
from transforms.library import Walk
from transforms.report import WriteReport
from transforms.rewrite import WritePolicy
from transforms.skip import (
    ReadEarlier,
    SkipMoved,
    SkipUnchanged,
    TakeFailed,
    compact,
    key_of,
    size_and_time,
)
from transforms.tag import ReadTags, Tag, TagPolicy
from transforms.vote import VotePolicy, decide

# The last that saw all, and the retries and interruptions since, most nights.
_FEW_RUNS = 3


class TaggingOptions(PipelineOptions):
    """The job's options as Beam sees them; declared once, in ``pipeline/options.py``."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_tagging_arguments(parser)


def build(pipeline: beam.Pipeline, job: TaggingJob, run: Run) -> None:
    """Build the graph of the main job.

    Parameters
    ----------
    pipeline : beam.Pipeline
    job : TaggingJob
    run : Run
        Where its report goes.
    """
    stopping = interruption.requested
    policy = TagPolicy(
        existing=job.existing,
        dry_run=job.dry_run,
        max_genres=job.max_genres,
        treat_as_missing=job.treat_as_missing,
        write_confidence=job.write_confidence,
        model=f"{job.bundle.name} {job.bundle.version}",
        form=TagForm(job.id3_version, job.separator),
        write=WritePolicy(job.keep_mtime, job.in_place_links),
    )
    votes = VotePolicy(job.vote, job.top_k, job.min_confidence)

    walked = (
        pipeline
        | "library" >> beam.Create([os.fsencode(job.library)])
        # bytes
        | "walk" >> ends_or_goes_on(Walk(job.formats, not job.dry_run, stopping))
        # Track
    )
    runs = _earlier_reports(job, run) if job.incremental else []
    earlier = (
        pipeline
        | "earlier runs" >> beam.Create([(os.fsencode(folder), id) for folder, id in runs])
        # (folder, run)
        | "read earlier" >> beam.ParDo(ReadEarlier())
        # (str, Earlier)
    )
    endings = {"walked": walked.outcomes}
    listed = walked.goes_on
    if job.retry_failed:
        # The others get no row: what is known of them stays what it was.
        failed = walked.outcomes | "failed" >> beam.Filter(lambda row: row.status == "failed")
        endings["walked"] = failed
    else:
        listed |= "count" >> beam.Map(progress.count_listed)
    # Track
    matched = (
        {"listed": listed | "key" >> beam.WithKeys(key_of), "earlier": earlier}
        # (str, Track), (str, Earlier)
        | "match" >> beam.CoGroupByKey()
        # (str, {"listed": Track, "earlier": Earlier})
    )
    if job.retry_failed:
        new = (
            matched
            | "take failed" >> beam.ParDo(TakeFailed(stopping))
            | "count" >> beam.Map(progress.count_listed)
        )
    else:
        changed = matched | "skip unchanged" >> beam.ParDo(
            SkipUnchanged(job.settings, stopping)
        ).with_outputs("outcomes", "gone", main="goes_on")
        new, endings["unchanged"] = changed.goes_on, changed.outcomes
        if runs:  # a first run has nothing to look up
            unknown = new | "key by size and time" >> beam.WithKeys(size_and_time)
            # (str, Track)
            found = (
                {"new": unknown, "gone": changed.gone}
                | "match moved" >> beam.CoGroupByKey()
                # (str, {"new": Track, "gone": (str, Earlier)})
                | "skip moved" >> ends_or_goes_on(SkipMoved(policy.form, stopping))
            )
            new, endings["moved"] = found.goes_on, found.outcomes
    # Track
    untagged = new | "read tags" >> ends_or_goes_on(ReadTags(policy, stopping))
    # Track
    heard = (
        untagged.goes_on
        | "spread" >> beam.Reshuffle()
        # Track
        | "decode + features"
        >> ends_or_goes_on(Hear(job.bundle.features, job.n_segments, job.processes, stopping))
        # Features
    )
    classified = (
        heard.goes_on
        | "classify" >> RunInference(GenreModelHandler(job.bundle, embeddings=job.embeddings))
        # Prediction
        | "set failures apart" >> ends_or_goes_on(SetFailuresApart())
        # Prediction
    )
    tagged = (
        classified.goes_on
        | "vote" >> beam.Map(decide, job.bundle.genres, votes, job.taxonomy)
        # Decision
        | "tag" >> beam.ParDo(Tag(policy, run.journal))
        # Outcome
    )
    # A report step for each way that a track can end, not one behind a Flatten: the direct
    # runner would hold all rows back until the last track is done.
    endings |= {
        "kept": untagged.outcomes,
        "unheard": heard.outcomes,
        "unclassified": classified.outcomes,
        "tagged": tagged,
    }
    for ending, outcomes in endings.items():
        _ = outcomes | f"report {ending}" >> beam.ParDo(
            WriteReport(run.tracks, run.folder, job.bundle, job.settings, progress.count_outcome)
        )
        # Parquet


def _earlier_reports(job: TaggingJob, run: Run) -> list[tuple[str, str]]:
    """Folders of parts that know the state of the library, and their runs."""
    runs = [(old.tracks, old.id) for old in earlier_runs(job, run)]
    if len(runs) <= _FEW_RUNS:
        return runs
    compact(runs, _compacted(run))
    return [(_compacted(run), run.id)]


def _compacted(run: Run) -> str:
    return os.path.join(run.folder, "earlier")


def run_tagging(job: TaggingJob, run: Run, runner_arguments: Sequence[str] = ()) -> None:
    """Run the main job to its end.

    Parameters
    ----------
    job : TaggingJob
    run : Run
    runner_arguments : sequence of str
        Beam's own options; by default the runner is the embedded one.
    """
    options = PipelineOptions([f"--runner={LOCAL_RUNNER}", *runner_arguments])
    pipeline = beam.Pipeline(options=options)
    try:
        build(pipeline, job, run)
        pipeline.run().wait_until_finish()
    finally:
        shutil.rmtree(_compacted(run), ignore_errors=True)
