"""``genrebeam undo``: give files back what they were."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import Any

from pipeline.commands.command import OK, SOME_FAILED, add_command, add_output_arguments, no_others
from pipeline.options import UsageError
from pipeline.terminal import safe, tracked


def add(commands: Any) -> None:
    """Declare the subcommand."""
    undo = add_command(
        commands,
        "undo",
        run,
        "give files back what they were before a run",
        "examples:\n"
        "  genrebeam undo genre-report --dry-run   see what would be restored\n"
        "  genrebeam undo genre-report             undo the latest run that changed files\n"
        "  genrebeam undo genre-report --run 20261120T101500.123Z-3fa9\n"
        "\n"
        "Files are restored byte for byte. A file that was changed by others since is left as\n"
        "it is and listed. Undoing twice does no harm.\n"
        "exit codes: 0 all restored, 1 some could not be, 2 wrong usage",
    )
    undo.add_argument("report", metavar="REPORT_DIR", help="home of the reports")
    undo.add_argument("--run", metavar="ID", default=None, help="a run (default: the latest)")
    undo.add_argument("--dry-run", action="store_true", help="change nothing")
    add_output_arguments(undo)


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    from pipeline.lock import locked
    from pipeline.run import find_run
    from transforms.places import absolute
    from transforms.undo import read_journal, undo_all

    report = absolute(arguments.report)
    run = find_run(report, arguments.run)
    counts: dict[str, int] = {}
    with contextlib.nullcontext() if arguments.dry_run else locked(report):
        try:
            if not arguments.dry_run:
                run.mark_undone()
            changes = list(read_journal(run.journal.lines()))
        except OSError as error:
            raise UsageError(f"{run.folder}: {error.strerror}; nothing undone") from error
        restored = undo_all(changes, dry_run=arguments.dry_run)
        watched = None if arguments.quiet else sys.stderr
        for undone in tracked(restored, len(changes), watched):
            counts[undone.status] = counts.get(undone.status, 0) + 1
            if undone.status in ("changed", "failed"):
                where = undone.path or run.journal.path
                print(f"{safe(where)}: {safe(undone.reason)}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"run": run.id, "dry_run": arguments.dry_run, "counts": counts}))
    elif not arguments.quiet:
        parts = [f"{n:,} {status.replace('_', ' ')}" for status, n in sorted(counts.items())]
        print(f"run {run.id}: {', '.join(parts) or 'changed no file'}")
    return SOME_FAILED if counts.get("changed") or counts.get("failed") else OK
