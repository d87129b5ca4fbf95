"""``genrebeam similar``: the tracks that sound most like a given one."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from typing import Any

from genrebeam.pipeline.commands.command import (
    OK,
    SOME_FAILED,
    add_command,
    add_report_option,
    print_error,
    report_folder,
)
from genrebeam.pipeline.options.option import count

_SHOWN = ["uri", "artist", "title", "album", "duration_s"]


def add(commands: Any) -> None:
    """Declare the subcommand."""
    similar = add_command(
        commands,
        "similar",
        run,
        "list the tracks that sound most like a given one",
        "examples:\n"
        "  genrebeam similar song.mp3\n"
        "  genrebeam similar song.mp3 --count 5 --json\n"
        "  genrebeam similar song.mp3 | cut -f4            paths only\n"
        "\n"
        "It knows the tracks that tag has analysed. tag does not analyse a file whose genre it\n"
        "keeps; this analyses all, and writes nothing into the library:\n"
        "  genrebeam tag LIBRARY --existing replace --dry-run\n"
        "If TRACK is not part of the library, it is analysed now.\n"
        "exit codes: 0 done, 1 the track cannot be analysed, 2 wrong usage",
    )
    similar.add_argument("track", metavar="TRACK", help="one audio file")
    similar.add_argument(
        "--count",
        type=count,
        default=20,
        metavar="N",
        help="number of tracks to list (default: %(default)s)",
    )
    add_report_option(similar)
    similar.add_argument("--json", action="store_true", help="print one JSON object, for scripts")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from genrebeam.pipeline.by_ear.analysed import analysed_tracks
    from genrebeam.pipeline.by_ear.similar import nearest, seed_of, similarities
    from genrebeam.pipeline.views.by_ear import print_left_out, print_similar
    from genrebeam.transforms.records import TrackError, printable, reason_of

    analysed = analysed_tracks(report_folder(arguments, arguments.report, near=arguments.track))
    try:
        seed = seed_of(arguments.track, analysed)
    except (TrackError, OSError) as error:
        return print_error(f"{arguments.track}: {reason_of(error)}", SOME_FAILED)
    similarity = similarities(analysed, seed.embedding)
    missing: list[str] = []
    found = nearest(similarity, analysed.tracks["uri"], missing)
    found = itertools.islice((n for n in found if n != seed.number), arguments.count)
    rows = [
        {"similarity": round(float(similarity[n]), 4), **row}
        for n in found
        for row in analysed.tracks.slice(n, 1).select(_SHOWN).to_pylist()
    ]
    print_left_out(analysed, missing, sys.stderr)
    if arguments.json:
        model = {"name": analysed.model_name, "version": analysed.model_version}
        facts = {
            "track": printable(seed.path),
            "model": model,
            "not_analysed": analysed.n_not_analysed,
        }
        print(json.dumps({**facts, "similar": rows}))
    else:
        print_similar(rows, sys.stdout)
    return OK
