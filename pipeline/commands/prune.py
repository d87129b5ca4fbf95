"""``genrebeam prune``: remove what old runs have left and nobody needs any more."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import re
from collections import Counter
from typing import Any

from genrebeam.pipeline.commands.command import (
    OK,
    add_command,
    add_output_arguments,
    add_report_option,
    report_folder,
)
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.views.terminal import counted, safe

_DAYS = {"d": 1, "w": 7, "y": 365}
_MOST_DAYS = 36_500


def add(commands: Any) -> None:
    """Declare the subcommand."""
    prune = add_command(
        commands,
        "prune",
        run,
        "remove what is no longer needed of old runs",
        "examples:\n"
        "  genrebeam prune --dry-run     list what would be removed\n"
        "  genrebeam prune --keep 30d    remove it from runs that are older than 30 days\n"
        "\n"
        "Pages go, and rows that only say that a file was skipped, once a later run has rows\n"
        "for the same files. A run goes as a whole if it changed no file and none of its rows\n"
        "is needed. Journals stay: every change can still be undone. So do embeddings, and all\n"
        "that history shows. genrebeam report --run ID makes a page again.\n"
        "exit codes: 0 done, 2 wrong usage",
    )
    prune.add_argument(
        "--keep",
        metavar="AGE",
        type=_age,
        default="30d",
        help="prune only runs older than AGE, such as 30d, 8w or 1y (default: %(default)s)",
    )
    add_report_option(prune)
    prune.add_argument(
        "-n", "--dry-run", action="store_true", help="list what would be removed, remove nothing"
    )
    add_output_arguments(prune)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from genrebeam.pipeline.runs.changes import check_has_runs
    from genrebeam.pipeline.runs.lock import locked
    from genrebeam.pipeline.runs.prune import removable
    from genrebeam.pipeline.views.by_ear import size

    report = report_folder(arguments, arguments.report)
    if "://" in report:
        raise UsageError(f"{report}: is in a bucket, whose own rules can remove old objects")
    before = datetime.datetime.now(datetime.UTC) - arguments.keep
    kinds: Counter[str] = Counter()
    n_bytes = 0
    try:
        check_has_runs(report)
        with contextlib.nullcontext() if arguments.dry_run else locked(report):
            for one in list(removable(report, before)):
                if arguments.dry_run and not arguments.quiet and not arguments.json:
                    print(safe(one.path))
                if not arguments.dry_run:
                    one.remove()
                kinds[one.kind] += 1
                n_bytes += one.n_bytes
    except OSError as error:
        raise UsageError(f"{error.filename or report}: {error.strerror}") from error
    if arguments.json:
        facts = {"report": report, "dry_run": arguments.dry_run, "bytes": n_bytes}
        print(json.dumps({**facts, "removed": dict(kinds)}))
    elif not arguments.quiet:
        parts = ", ".join(counted(n, kind) for kind, n in sorted(kinds.items()))
        what = "would be removed" if arguments.dry_run else "removed"
        print(f"{what}: {parts}, {size(n_bytes)}" if parts else "nothing to remove")
    return OK


def _age(text: str) -> datetime.timedelta:
    found = re.fullmatch(r"([0-9]{1,5})([dwy])", text)
    days = int(found[1]) * _DAYS[found[2]] if found else _MOST_DAYS + 1
    if days > _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no age such as 30d, 8w or 1y")
    return datetime.timedelta(days=days)
