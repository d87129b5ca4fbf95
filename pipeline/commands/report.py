"""``genrebeam report``: one page about one or many runs."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.commands.command import OK, add_command, no_others, own_output
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.views.terminal import safe

if TYPE_CHECKING:
    from genrebeam.pipeline.runs.run import Run


def add(commands: Any) -> None:
    """Declare the subcommand."""
    report = add_command(
        commands,
        "report",
        run,
        "make one web page about one or many runs",
        "examples:\n"
        "  genrebeam report genre-report                      all its runs\n"
        "  genrebeam report genre-report --run 20261120T101500.123Z-3fa9\n"
        "  genrebeam report nas/genre-report laptop/genre-report --out music.html\n"
        "\n"
        "If a file is in several runs, its latest row counts. The page is one file and needs no\n"
        "network.\n"
        "exit codes: 0 done, 2 wrong usage",
    )
    report.add_argument("reports", metavar="REPORT_DIR", nargs="+", help="a report folder")
    report.add_argument(
        "--run", metavar="ID", default=None, help="only this run (default: all runs)"
    )
    report.add_argument(
        "--out",
        metavar="FILE",
        default=None,
        help="file of the page (default: report.html in the first REPORT_DIR)",
    )


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    from genrebeam.pipeline.runs.run import rows_of
    from genrebeam.pipeline.views.report_page import write_report_page
    from genrebeam.transforms.storage import absolute

    folders = [absolute(folder) for folder in arguments.reports]
    runs = _runs(folders, arguments.run)
    path = own_output(arguments.out or os.path.join(folders[0], "report.html"), "<!doctype html>")

    try:
        write_report_page(runs, rows_of(runs), path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
    print(f"page: {safe(path)}")
    return OK


def _runs(folders: list[str], id: str | None) -> list[Run]:
    """All runs of the report folders, or the one with this id.

    Raises
    ------
    UsageError
        If a folder cannot be read, or there is no such run.
    """
    from genrebeam.pipeline.runs.run import runs_of

    try:
        runs = [run for folder in dict.fromkeys(folders) for run in runs_of(folder)]
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read ({error.strerror})") from error
    if id is not None:
        runs = [run for run in runs if run.id == id.removeprefix("run=")]
    if not runs:
        raise UsageError(f"{', '.join(folders)}: has no run{'' if id is None else f' {id}'}")
    return runs
