"""The main job: walk a library, listen to every file, write its genre, leave a report."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline import interruption, progress
from pipeline.options import LOCAL_RUNNER, TaggingJob, add_tagging_arguments
from pipeline.run import Run, earlier_runs
from transforms.classify import GenreModelHandler, SetFailuresApart
from transforms.fields import TagForm
from transforms.hear import Hear
from transforms.library import Walk
from transforms.report import WriteReport
from transforms.rewrite import WritePolicy
from transforms.skip import ReadEarlier, SkipUnchanged, key_of
from transforms.tag import ReadTags, Tag, TagPolicy
from transforms.vote import VotePolicy, decide


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
        | "walk" >> _ends_or_goes_on(Walk(job.formats, not job.dry_run, stopping))
        # Track
    )
    earlier = (
        pipeline
        | "earlier runs"
        >> beam.Create([(os.fsencode(old.tracks), old.id) for old in earlier_runs(job, run)])
        # (folder, run)
        | "read earlier" >> beam.ParDo(ReadEarlier())
        # (str, Earlier)
    )
    listed = (
        walked.goes_on
        | "count" >> beam.Map(progress.count_listed)
        # Track
        | "key" >> beam.WithKeys(key_of)
        # (str, Track)
    )
    changed = (
        {"listed": listed, "earlier": earlier}
        | "match" >> beam.CoGroupByKey()
        # (str, {"listed": Track, "earlier": Earlier})
        | "skip unchanged" >> _ends_or_goes_on(SkipUnchanged(job.settings, stopping))
        # Track
    )
    untagged = changed.goes_on | "read tags" >> _ends_or_goes_on(ReadTags(policy, stopping))
    # Track
    heard = (
        untagged.goes_on
        | "spread" >> beam.Reshuffle()
        # Track
        | "decode + features"
        >> _ends_or_goes_on(Hear(job.bundle.features, job.n_segments, job.processes, stopping))
        # Features
    )
    classified = (
        heard.goes_on
        | "classify" >> RunInference(GenreModelHandler(job.bundle, embeddings=job.embeddings))
        # Prediction
        | "set failures apart" >> _ends_or_goes_on(SetFailuresApart())
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
    for ending, outcomes in {
        "walked": walked.outcomes,
        "unchanged": changed.outcomes,
        "kept": untagged.outcomes,
        "unheard": heard.outcomes,
        "unclassified": classified.outcomes,
        "tagged": tagged,
    }.items():
        _ = outcomes | f"report {ending}" >> beam.ParDo(
            WriteReport(run.tracks, run.folder, job.bundle, job.settings, progress.count_outcome)
        )
        # Parquet


def _ends_or_goes_on(step: beam.DoFn) -> beam.PTransform:
    """A step in which a track's way can end: ``outcomes`` beside those that go on."""
    return beam.ParDo(step).with_outputs("outcomes", main="goes_on")


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
    build(pipeline, job, run)
    pipeline.run().wait_until_finish()
