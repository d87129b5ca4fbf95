"""``genrebeam duplicates``: the same recording in several files."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

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
from genrebeam.pipeline.views.terminal import safe, tracked


def add(commands: Any) -> None:
    """Declare the subcommand."""
    duplicates = add_command(
        commands,
        "duplicates",
        run,
        "list files that hold the same recording, whatever their format and tags",
        "examples:\n"
        "  genrebeam duplicates\n"
        "  genrebeam duplicates --page duplicates.html     to play them in a browser\n"
        "  genrebeam duplicates --json | jq .groups\n"
        "  genrebeam duplicates | cut -f1,7                group and path, the best one first\n"
        "\n"
        "Nothing is deleted or changed. Tracks whose embeddings are near each other are\n"
        "compared by sound. This finds copies in other formats, but not other recordings of a\n"
        "piece, excerpts, or copies at another speed.\n"
        "It knows the tracks that tag has analysed: see genrebeam similar --help.\n"
        "exit codes: 0 done, 1 some files could not be compared, 2 wrong usage",
    )
    add_report_option(duplicates)
    duplicates.add_argument(
        "--page", metavar="FILE", help="also write a web page to play the files"
    )
    duplicates.add_argument(
        "--json", action="store_true", help="print one JSON object, for scripts"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from genrebeam.pipeline.by_ear.analysed import analysed_tracks
    from genrebeam.pipeline.by_ear.duplicates import candidates, compare_sound, groups, those_there
    from genrebeam.pipeline.views.by_ear import print_duplicates, print_left_out
    from genrebeam.pipeline.views.duplicates_page import write_duplicates_page
    from genrebeam.transforms.audio.pool import default_processes

    page = (
        checked_output_path(arguments.page, "<!doctype html>", "--page") if arguments.page else None
    )
    analysed = analysed_tracks(report_folder(arguments, arguments.report))
    missing: list[str] = []
    failed: dict[str, str] = {}
    near = those_there(candidates(analysed), analysed, missing)
    compared = compare_sound(near, analysed, default_processes(), failed)
    same = [pair for pair in tracked(compared, len(near), sys.stderr) if pair is not None]
    found = groups(same, analysed.tracks.drop(["part", "row", "fingerprint"]))
    print_left_out(analysed, missing, sys.stderr)
    for uri, reason in failed.items():
        print_error(f"{uri}: {reason}", SOME_FAILED)
    if page:
        with writing(page):
            write_duplicates_page(found, analysed.model, page)
        print(f"page: {safe(page)}", file=sys.stderr)
    if arguments.json:
        model = {"name": analysed.model_name, "version": analysed.model_version}
        listed = [{"likeness": round(g.likeness, 4), "tracks": g.tracks} for g in found]
        print(
            json.dumps({"model": model, "not_analysed": analysed.n_not_analysed, "groups": listed})
        )
    else:
        print_duplicates(found, sys.stdout)
    return SOME_FAILED if failed else OK
