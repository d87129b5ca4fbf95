"""``genrebeam map``: a page that shows every track of a library as a point."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from genrebeam.model.extras import require
from genrebeam.pipeline.commands.command import (
    OK,
    SOME_FAILED,
    add_command,
    add_report_option,
    checked_output_path,
    print_error,
    report_folder,
)
from genrebeam.pipeline.options.errors import writing
from genrebeam.pipeline.views.terminal import busy, counted, safe


def add(commands: Any) -> None:
    """Declare the subcommand."""
    library_map = add_command(
        commands,
        "map",
        run,
        "make a web page with every track as a point, near those that sound like it",
        "examples:\n"
        "  genrebeam map\n"
        "  genrebeam map --report nas/genre-report --out ~/Music/map.html\n"
        "\n"
        "The page is one file and needs no network. Draw around points to get a playlist; its\n"
        "paths are relative to the folder of the page, or whole.\n"
        "It knows the tracks that tag has analysed: see genrebeam similar --help.\n"
        "exit codes: 0 done, 1 no track is there any more, 2 wrong usage",
    )
    add_report_option(library_map)
    library_map.add_argument(
        "--out",
        metavar="FILE",
        help="file of the page (default: map.html in the report folder)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    require("pages", "the map")
    from genrebeam.pipeline.by_ear.analysed import analysed_tracks
    from genrebeam.pipeline.by_ear.map import MORE_FACTS, map_of_library
    from genrebeam.pipeline.views.by_ear import print_left_out
    from genrebeam.pipeline.views.map_page import write_map_page

    report = report_folder(arguments, arguments.report)
    path = checked_output_path(arguments.out or os.path.join(report, "map.html"), "<!doctype html>")
    analysed = analysed_tracks(report, MORE_FACTS)
    missing: list[str] = []
    with busy(f"placing {counted(len(analysed.tracks), 'track')}", sys.stderr):
        library_map = map_of_library(analysed, missing)
    print_left_out(analysed, missing, sys.stderr)
    n_tracks = len(library_map.tracks)
    if not n_tracks:
        return print_error(f"{report}: none of its tracks is there any more", SOME_FAILED)
    with writing(path):
        write_map_page(library_map, analysed.model, path)
    print(f"map: {safe(path)} ({counted(n_tracks, 'track')})")
    return OK
