"""Local: on one machine, the files that need work are found before the graph is built.

Importing Beam takes a second, and Beam holds in memory every element that it groups. A run with
nothing to do needs neither.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence

from genrebeam.pipeline.options.job import LOCAL_RUNNER, TaggingJob
from genrebeam.pipeline.runs.interruption import Stopping
from genrebeam.pipeline.runs.reanalysis import ReanalysisCounter
from genrebeam.pipeline.runs.run import Run, known_runs, runs_with_inputs
from genrebeam.pipeline.views import progress
from genrebeam.transforms.genre.evidence import LibraryGenres
from genrebeam.transforms.library.local import skip_known, take_what_failed
from genrebeam.transforms.library.skip import read_earlier, read_stored
from genrebeam.transforms.library.to_do import (
    genres_beside,
    inputs_beside,
    remove_to_do,
    write_genres,
    write_track,
)
from genrebeam.transforms.library.walk import list_library
from genrebeam.transforms.records import Outcome, Track
from genrebeam.transforms.reports.write import ReportWriter


def runs_here(runner_arguments: Sequence[str]) -> bool:
    """Whether the options for Beam let the run take place in this process."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--runner", default=LOCAL_RUNNER)
    parser.add_argument("--template_location")
    known, _ = parser.parse_known_args(list(runner_arguments))
    return known.runner == LOCAL_RUNNER and known.template_location is None


def list_work(job: TaggingJob, run: Run) -> str | None:
    """List a library and report the files that need no work.

    Returns
    -------
    str or None
        Path of a to-do list (see `genrebeam.transforms.library.to_do`) of the tracks that need
        work, which whoever reads it removes. None if there are none.

    Raises
    ------
    OSError
        If the disk is full.
    """
    report = ReportWriter(run.tracks, run.folder, job.run_facts)
    library = LibraryGenres(job.model_genres)
    n_tracks, again = 0, ReanalysisCounter(job)
    handle, path = tempfile.mkstemp(prefix="to-do-", dir=run.workplace)
    try:
        with open(handle, "wb") as stream, open(inputs_beside(path), "xb") as inputs:
            for found in _found(job, run, again):
                if isinstance(found, Outcome):
                    report.add(found)
                    progress.count_outcome(found)
                    library.add(found)
                else:
                    write_track(found, stream, inputs)
                    n_tracks += 1
        report.flush()
        again.warn()
        if n_tracks:
            write_genres(library.counts(), genres_beside(path))
    finally:
        if not n_tracks:
            remove_to_do(path)
    return path if n_tracks else None


def _found(job: TaggingJob, run: Run, again: ReanalysisCounter) -> Iterator[Track | Outcome]:
    stopping = Stopping(run.folder, *job.roots)
    listed = itertools.chain.from_iterable(
        list_library(
            root,
            job.options.formats,
            tidy=not job.options.dry_run,
            exclude=job.options.exclude,
        )
        for root in job.roots
    )
    known = known_runs(job, run)
    earlier = itertools.chain.from_iterable(itertools.starmap(read_earlier, known))
    if job.options.retry_failed:
        found = take_what_failed(listed, earlier, workplace=run.workplace, stopping=stopping)
        yield from _counted(found)
    elif known:
        yield from skip_known(
            _counted(listed),
            earlier,
            job.settled_by,
            job.options.form,
            workplace=run.workplace,
            stopping=stopping,
            stored=itertools.chain.from_iterable(
                read_stored(old.tracks, old.id) for old in runs_with_inputs(job, run)
            ),
            decide_again=again.add,
        )
    else:
        for one in _counted(listed):
            if stopping():
                return
            yield one


def _counted(found: Iterator[Track | Outcome]) -> Iterator[Track | Outcome]:
    for one in found:
        yield progress.count_listed(one) if isinstance(one, Track) else one
