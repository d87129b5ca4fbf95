"""``genrebeam report``: one page about one or many runs."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.commands.command import (
    OK,
    REPORT_HERE,
    SOME_FAILED,
    add_command,
    checked_output_path,
    print_error,
    report_folder,
)
from genrebeam.pipeline.options.errors import UsageError, reading, writing
from genrebeam.pipeline.views.terminal import counted, safe

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
        "  genrebeam report                                   all runs on this library\n"
        "  genrebeam report --open                            show the newest run\n"
        "  genrebeam report --run 20261120T101500.123Z-3fa9\n"
        "  genrebeam report --csv                             a table for spreadsheets\n"
        "  genrebeam report nas/genre-report laptop/genre-report --out music.html\n"
        "\n"
        "If a file is in several runs, its latest row counts. The page is one file and needs no\n"
        "network.\n"
        "exit codes: 0 done, 2 wrong usage",
    )
    report.add_argument(
        "reports", metavar="REPORT_DIR", nargs="*", help=f"a report folder ({REPORT_HERE})"
    )
    report.add_argument("--report", metavar="DIR", help="the same as REPORT_DIR")
    report.add_argument("--run", metavar="ID", help="only this run (default: all runs)")
    report.add_argument(
        "--out",
        metavar="FILE",
        help="file to write; - prints a table (default: report.html or report.csv in the first "
        "REPORT_DIR)",
    )
    report.add_argument(
        "--open",
        action="store_true",
        help="show the newest run's page in the browser, or with --out the page that is made",
    )
    report.add_argument(
        "--csv", action="store_true", help="write a table for spreadsheets instead of a page"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from genrebeam.pipeline.runs.run import rows_of
    from genrebeam.pipeline.views.report_page import write_report_page
    from genrebeam.transforms.storage import absolute

    if arguments.open and arguments.csv:
        raise UsageError("--open shows a page, and --csv makes none")
    if arguments.out == "-" and not arguments.csv:
        raise UsageError("--out - prints a table; add --csv")
    if arguments.reports and arguments.report:
        raise UsageError("name report folders once, as REPORT_DIR or with --report")
    named = arguments.reports or [report_folder(arguments, arguments.report, run=arguments.run)]
    folders = [absolute(folder) for folder in named]
    runs = _runs(folders, arguments.run)
    if arguments.open and not arguments.out:
        return _open_newest(runs)
    if arguments.csv:
        return _write_table(runs, arguments.out or os.path.join(folders[0], "report.csv"))
    path = checked_output_path(
        arguments.out or os.path.join(folders[0], "report.html"), "<!doctype html>"
    )

    with writing(path):
        write_report_page(runs, rows_of(runs), path)
    print(f"page: {safe(path)}")
    return _opened(path) if arguments.open else OK


def _open_newest(runs: list[Run]) -> int:
    """Show the page of the newest run that has one."""
    newest = max((run for run in runs if run.has_page), key=lambda run: run.id, default=None)
    if newest is None:
        raise UsageError("no run has a page; without --open, report makes one")
    print(f"page: {safe(newest.page)}")
    return _opened(newest.page)


def _opened(path: str) -> int:
    import webbrowser

    if "://" in path:
        raise UsageError(f"{path}: is in a bucket; copy it here to open it")
    if not webbrowser.open(pathlib.Path(path).as_uri()):
        return print_error(f"no browser can be started; open {path}", SOME_FAILED)
    return OK


def _write_table(runs: list[Run], path: str) -> int:
    import io

    from genrebeam.pipeline.runs.run import rows_of, superseded
    from genrebeam.pipeline.views.table_file import COLUMNS, write_csv
    from genrebeam.transforms.storage import storage_of

    rows, ids = rows_of(runs, COLUMNS[:-1]), sorted(run.id for run in runs)
    gone_after = superseded({run: run.read_manifest() for run in runs})
    if path == "-":
        write_csv(rows, ids, sys.stdout, gone_after)
        return OK
    path = checked_output_path(path, "uri,status,")
    with writing(path), storage_of(path).writing(path) as stream:
        text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
        n_rows = write_csv(rows, ids, text, gone_after)
        text.detach()
    print(f"table: {safe(path)} ({counted(n_rows, 'file')})")
    return OK


def _runs(folders: list[str], id: str | None) -> list[Run]:
    """All runs of the report folders, or the one with this id.

    Raises
    ------
    UsageError
        If a folder cannot be read, or there is no such run.
    """
    from genrebeam.pipeline.runs.run import runs_of

    with reading():
        runs = [run for folder in dict.fromkeys(folders) for run in runs_of(folder)]
    if id is not None:
        runs = [run for run in runs if run.id == id.removeprefix("run=")]
    known = {run: run.read_manifest() for run in runs}
    if id is not None and runs and (earlier := known[runs[0]].get("rows_in")):
        raise UsageError(f"run {runs[0].id} found nothing new; see run {earlier}")
    runs = [run for run in runs if "rows_in" not in known[run]]
    if not runs:
        raise UsageError(f"{', '.join(folders)}: has no run{'' if id is None else f' {id}'}")
    return runs
