"""``genrebeam tag``: tag a library."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands.command import INTERRUPTED, OK, SOME_FAILED, add_command, complain
from pipeline.options import add_tagging_arguments, check_job, check_runner_arguments


def add(commands: Any) -> None:
    """Declare the subcommand."""
    tag = add_command(
        commands,
        "tag",
        run,
        "tag a library",
        "examples:\n"
        "  genrebeam tag ~/Music --dry-run            see what would be written\n"
        "  genrebeam tag ~/Music                      tag what has no genre yet\n"
        "  genrebeam tag song.mp3 --existing replace  one file, whatever genre it has\n"
        "\n"
        "Options of Apache Beam (such as --runner) are passed on to it.\n"
        "exit codes: 0 all fine, 1 some files failed, 2 wrong usage, 3 interrupted",
    )
    tag.add_argument("library", metavar="LIBRARY", help="folder of music, or one file")
    add_tagging_arguments(tag)


def run(arguments: argparse.Namespace, runner_arguments: list[str]) -> int:
    """Run the subcommand."""
    job = check_job(arguments.library, arguments)
    check_runner_arguments(runner_arguments)
    from pipeline import interruption, progress
    from pipeline.run import record_run, start_run
    from transforms.records import printable

    run = start_run(job.report)

    def execute() -> None:
        from pipeline.tagging import run_tagging
        from transforms import pool

        try:
            run_tagging(job, run, runner_arguments)
        finally:
            pool.stop()

    with interruption.handled(), progress.shown():
        facts = record_run(run, job, execute, interruption.requested)
    counts = facts["counts"]
    print(_summary(counts, facts["seconds"]))
    print(f"report: {printable(run.folder)}")
    if facts["state"] == "interrupted":
        return complain("interrupted; the report has what was done", INTERRUPTED)
    return SOME_FAILED if counts.get("failed") else OK


def _summary(counts: dict[str, int], seconds: float) -> str:
    from transforms.records import STATUSES

    parts = [f"{counts[s]:,} {s.replace('_', ' ')}" for s in STATUSES if counts.get(s)]
    total = sum(counts.values())
    return f"{total:,} files in {seconds:.1f} s: {', '.join(parts) or 'none'}"
