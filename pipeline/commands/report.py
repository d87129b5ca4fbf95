"""``genrebeam report``: a page of what runs did."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from pipeline.commands.command import OK, add_command, no_others
from pipeline.settings.options import UsageError
from pipeline.views.terminal import safe

if TYPE_CHECKING:
    from pipeline.runs.run import Run


def add(commands: Any) -> None:
    """Declare the subcommand."""
    report = add_command(
        commands,
        "report",
        run,
        "make one web page of what one or many runs did",
        "examples:\n"
        "  genrebeam report genre-report                      all its runs\n"
        "  genrebeam report genre-report --run 20261120T101500.123Z-3fa9\n"
        "  genrebeam report nas/genre-report laptop/genre-report --out music.html\n"
        "\n"
        "Of each file the latest row counts. The page is one file that needs no network.\n"
        "exit codes: 0 done, 2 wrong usage",
    )
    report.add_argument("reports", metavar="REPORT_DIR", nargs="+", help="home of reports")
    report.add_argument("--run", metavar="ID", default=None, help="only this run (default: all)")
    report.add_argument(
        "--out",
        metavar="FILE",
        default=None,
        help="the page (default: report.html in the first REPORT_DIR)",
    )


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    from pipeline.views.report_page import write_report_page
    from transforms.storage import absolute

    homes = [absolute(home) for home in arguments.reports]
    runs = _runs(homes, arguments.run)
    path = absolute(arguments.out or os.path.join(homes[0], "report.html"))

    try:
        write_report_page({run: run.read_rows() for run in runs}, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be made ({error.strerror})") from error
    print(f"page: {safe(path)}")
    return OK


def _runs(homes: list[str], id: str | None) -> list[Run]:
    """All runs, or the one that was asked for.

    Raises
    ------
    UsageError
        If a home cannot be read, or there is no such run.
    """
    from pipeline.runs.run import runs_of

    try:
        runs = [run for home in dict.fromkeys(homes) for run in runs_of(home)]
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read ({error.strerror})") from error
    if id is not None:
        runs = [run for run in runs if run.id == id.removeprefix("run=")]
    if not runs:
        raise UsageError(f"{', '.join(homes)}: has no run{'' if id is None else f' {id}'}")
    return runs
