"""``genrebeam tag``: tag a library."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.commands.command import (
    INTERRUPTED,
    OK,
    SOME_FAILED,
    add_command,
    add_output_arguments,
    print_error,
    try_write_page,
)
from genrebeam.pipeline.options.config import Setting, toml
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.job import (
    TaggingJob,
    check_job,
    check_runner_arguments,
    with_a_folder_in_common,
)
from genrebeam.pipeline.options.option import add_options, declared_in, options_from
from genrebeam.pipeline.options.tagging import TaggingOptions
from genrebeam.pipeline.views.terminal import counted, is_terminal, safe, show_plan
from genrebeam.transforms.records import Status, printable

if TYPE_CHECKING:
    from genrebeam.pipeline.runs.manifest import Manifest
    from genrebeam.pipeline.runs.run import Run, RunResult
    from genrebeam.pipeline.views.summary import Summary

_MOST_NAMED = 3


def add(commands: Any) -> None:
    """Declare the subcommand."""
    tag = add_command(
        commands,
        "tag",
        run,
        "write genres into the files of a library",
        "examples:\n"
        "  genrebeam tag ~/Music --dry-run            see what would be written\n"
        "  genrebeam tag ~/Music                      tag the files that have no genre\n"
        "  genrebeam tag song.mp3 --existing replace  tag one file, even if it has a genre\n"
        "  genrebeam tag New/ Later/*.mp3 -n          several folders and files\n"
        "  genrebeam tag ~/Music --formats mp3,flac --min-confidence 0.6\n"
        "  GENREBEAM_EXISTING=merge genrebeam tag ~/Music --quiet    for cron and the like\n"
        "  genrebeam tag ~/Music --retry-failed       try only the files that failed\n"
        "  genrebeam tag ~/Music --json | jq .counts\n"
        "\n"
        "Every option can be set in a file or in the environment; --no-dry-run and the like turn\n"
        "a flag off again. See genrebeam config --help.\n"
        "Options of Apache Beam, such as --runner, are passed on to it.\n"
        "exit codes: 0 all fine, 1 some files failed (with --quiet: new failures only), 2 wrong\n"
        "usage or another run is at work, 3 interrupted",
        usage="genrebeam tag LIBRARY ... [OPTION ...]",
        takes_others=True,
    )
    tag.add_argument(
        "library", metavar="LIBRARY", nargs="+", help="folder of music, or a file; one or several"
    )
    add_output_arguments(tag, "print what changed in one line, and new failures")
    tag.add_argument(
        "--all-failures",
        action="store_true",
        help="with --quiet: also report files that failed in the same way in the run before",
    )
    add_options(tag, TaggingOptions)


def run(arguments: argparse.Namespace, runner_arguments: list[str]) -> int:
    """Run the subcommand."""
    options = options_from(arguments, TaggingOptions)
    jobs = [check_job(paths, options) for paths in with_a_folder_in_common(arguments.library)]
    if len(jobs) > 1 and arguments.json:
        raise UsageError(f"{jobs[0].library} and {jobs[1].library}: --json takes one library")
    for job in jobs:
        check_runner_arguments(runner_arguments, job)
    codes = [OK]
    for job in jobs:
        codes.append(_run_alone(job, arguments, runner_arguments))
        if codes[-1] == INTERRUPTED:
            break
    return max(codes)


def _run_alone(job: TaggingJob, arguments: argparse.Namespace, runner_arguments: list[str]) -> int:
    """One run, while no other is at work on its report folder."""
    from genrebeam.pipeline.runs.joining import join_homes
    from genrebeam.pipeline.runs.lock import locked
    from genrebeam.pipeline.runs.run import runs_before, start_run

    with locked(job.report) as note:
        join_homes(job.report, job.library, job.roots)
        if job.options.retry_failed and not any(holds for *_, holds in runs_before(job, None)):
            raise UsageError(f"{job.report}: no earlier run over {job.library} to retry")
        run = start_run(job.report)
        note(run.id)
        return _run(job, run, arguments, runner_arguments)


def _run(
    job: TaggingJob, run: Run, arguments: argparse.Namespace, runner_arguments: list[str]
) -> int:
    from genrebeam.pipeline.runs import interruption
    from genrebeam.pipeline.runs.failures import known_failures
    from genrebeam.pipeline.runs.run import record_run, runs_before
    from genrebeam.pipeline.runs.unchanged import drop_if_unchanged
    from genrebeam.pipeline.views import progress
    from genrebeam.pipeline.views.summary import summarise

    if not arguments.quiet and is_terminal(sys.stderr):
        show_plan(sys.stderr, _plan(job, run, arguments.settings))

    def execute() -> bool:
        from genrebeam.pipeline.graphs.local import list_work, runs_here
        from genrebeam.pipeline.inference.decoding import decoding

        to_do = processes = None
        if runs_here(runner_arguments):
            to_do, processes = list_work(job, run), job.options.processes
            if to_do is None:
                return False
        with decoding(processes):  # started beside the import of Beam
            from genrebeam.pipeline.graphs.tag import run_tagging

            return run_tagging(job, run, runner_arguments, to_do=to_do)

    with interruption.handled(run.folder), progress.shown(quiet=arguments.quiet):
        ended = record_run(run, job, execute, interruption.requested)
        facts = ended.manifest
        holds, known = None, frozenset[str]()
        only_new = arguments.quiet and not arguments.all_failures
        with contextlib.suppress(OSError):  # the run is done, whatever it leaves
            before = list(runs_before(job, run))
            if only_new:
                known = known_failures(run, [(old, facts) for old, facts, _ in before], ended.rows)
            earlier = [(old, facts) for old, facts, still_holds in before if still_holds]
            holds = drop_if_unchanged(run, job, earlier, ended)
        if holds is not None:
            page = holds.page if holds.has_page else None
        else:
            page = None if facts["state"] == "launched" else try_write_page(run, ended)
    if not (arguments.quiet or arguments.json):
        _list_tracks(job, ended, every=arguments.verbose)
    found = summarise(ended.rows, known=known)
    _tell(
        *(job, holds or run, ended, page, found),
        quiet=arguments.quiet,
        as_json=arguments.json,
        failure="new failure" if only_new else "failure",
    )
    if facts["state"] == "interrupted":
        left = progress.files_left()
        rest = f"; {counted(left, 'file')} left for the next run" if left else ""
        return print_error(
            f"interrupted; the report has every file that was done{rest}", INTERRUPTED
        )
    return SOME_FAILED if found.n_failed else OK


def _plan(job: TaggingJob, run: Run, settings: dict[str, Setting]) -> Iterator[tuple[str, str]]:
    named = ", ".join(job.roots[:_MOST_NAMED])
    more = len(job.roots) - _MOST_NAMED
    yield "library", f"{named} and {more:,} more" if more > 0 else named
    yield (
        "model",
        f"{job.bundle.name} {job.bundle.version}, knows {counted(len(job.bundle.genres), 'genre')}",
    )
    values = vars(job.options)
    declared = declared_in(TaggingOptions)
    message = [one.plan(values[one.name]) for one in declared if one.plan]
    yield "policy", "; ".join(words for words in message if words)
    n_segments = job.n_segments
    segments = "all segments" if n_segments is None else counted(n_segments, "segment")
    segments += f" of {job.bundle.features.segment_seconds:.1f} s"
    yield "analyses", f"{segments} of each file, {job.options.vote} decides"
    yield "report", run.page
    for one in declared:
        if one.key not in settings and not one.plan:
            yield "option", f"{one.key} = {toml(values[one.name])}"
    for key, setting in settings.items():
        if setting.source != "default":
            yield "configured", f"{key} = {toml(setting.value)} ({setting.source}: {setting.where})"


def _list_tracks(job: TaggingJob, ended: RunResult, *, every: bool) -> None:
    """Print a line for each track that was decided about, as far as somebody wants to know."""
    from genrebeam.pipeline.views.listing import every_track, some_tracks

    named = all(map(os.path.isfile, job.roots))
    library = os.path.dirname(job.library) if os.path.isfile(job.library) else job.library
    if every:
        lines = every_track(ended.rows, library)
    elif job.options.dry_run or named:
        lines = some_tracks(ended.rows, library, named=named)
    else:
        return
    for line in lines:
        print(line)


def _tell(
    job: TaggingJob,
    run: Run,
    ended: RunResult,
    page: str | None,
    found: Summary,
    *,
    quiet: bool,
    as_json: bool,
    failure: str,
) -> None:
    """Print the result: tables on a terminal, two lines in a pipe, what changed, or JSON."""
    from genrebeam.pipeline.views.summary import show_result

    facts = ended.manifest
    report = page or run.folder
    if as_json:
        message: dict[str, Any] = {
            "run": facts["run"],
            "state": facts["state"],
            "library": facts["library"],
            "model": facts["model"],
            "seconds": facts["seconds"],
        }
        message |= {"report": printable(run.folder), "tracks": printable(run.tracks)}
        message["page"] = page and printable(page)
        message["dry_run"] = job.options.dry_run
        message |= {"counts": facts["counts"], "genres": found.genres}
        message |= {
            "changes": found.changes(facts["counts"], failure=failure),
            "too_recent": found.n_recent,
        }
        print(json.dumps(message))
    elif not quiet and is_terminal(sys.stdout):
        notes = [("report", report), ("tracks", run.tracks)]
        if facts["counts"].get(Status.TAGGED):
            notes.append(("undo", run.undo_command))
        show_result(sys.stdout, _headline(facts), found, facts["library"], notes)
        return
    elif not quiet:
        print(_headline(facts))
        print(f"report: {safe(report)}")
    elif changes := found.changes(facts["counts"], failure=failure):
        print(changes)
    for path, reason in found.failed:
        print(f"{safe(path)}: {safe(reason)}", file=sys.stderr)
    if more := found.n_failed - len(found.failed):
        print(f"and {more:,} more failed; see {safe(report)}", file=sys.stderr)


def _headline(facts: Manifest) -> str:
    if facts["state"] == "launched":
        return "launched; the job does the rest"
    counts = facts["counts"]
    known = [status for status in Status if status != Status.UNSURE and counts.get(status)]
    parts = [f"{counts[status]:,} {status.replace('_', ' ')}" for status in known]
    if unsure := counts.get(Status.UNSURE):
        parts.append(f"{unsure:,} unsure: review them")
    total = sum(counts.values())
    took = f"{counted(total, 'file')} in {facts['seconds']:.1f} s"
    nothing = "no music found" if facts["state"] == "finished" else "none was done"
    return f"{took}: {', '.join(parts) or nothing}"
