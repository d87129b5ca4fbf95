"""``genrebeam playlist``: a playlist of tracks that sound like a given one."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

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
from genrebeam.pipeline.options.option import count
from genrebeam.pipeline.views.terminal import counted, safe

if TYPE_CHECKING:
    from genrebeam.pipeline.by_ear.analysed import Analysed
    from genrebeam.pipeline.by_ear.playlist import Entry
    from genrebeam.pipeline.by_ear.similar import Seed


def add(commands: Any) -> None:
    """Declare the subcommand."""
    playlist = add_command(
        commands,
        "playlist",
        run,
        "make a playlist of tracks that sound like a given one",
        "examples:\n"
        "  genrebeam playlist --like song.mp3 --out like-song.m3u8\n"
        "  genrebeam playlist --like song.mp3 --length 20 | mpv --playlist=-\n"
        "\n"
        "It starts with TRACK; the nearest tracks follow. No recording comes twice. Between two\n"
        "tracks of one artist there are two by others, as long as there are others. Paths are\n"
        "relative to the playlist's folder. playlist replaces its own earlier file, but no other\n"
        "file of that name.\n"
        "It knows the tracks that tag has analysed: see genrebeam similar --help.\n"
        "exit codes: 0 done, 1 the track cannot be analysed, 2 wrong usage",
    )
    playlist.add_argument("--like", metavar="TRACK", required=True, help="one audio file")
    playlist.add_argument(
        "--length",
        type=count,
        default=40,
        metavar="N",
        help="number of tracks, if there are this many (default: %(default)s)",
    )
    playlist.add_argument(
        "--out",
        metavar="FILE",
        help="file of the playlist (default: print it, with paths from the current folder)",
    )
    add_report_option(playlist)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    out = None if arguments.out is None else checked_output_path(arguments.out, "#EXTM3U")
    from genrebeam.pipeline.by_ear.analysed import analysed_tracks
    from genrebeam.pipeline.by_ear.playlist import m3u8
    from genrebeam.pipeline.by_ear.similar import seed_of
    from genrebeam.pipeline.views.by_ear import print_left_out
    from genrebeam.transforms.records import TrackError, reason_of
    from genrebeam.transforms.storage import storage_of

    analysed = analysed_tracks(report_folder(arguments, arguments.report, near=arguments.like))
    try:
        seed = seed_of(arguments.like, analysed)
    except (TrackError, OSError) as error:
        return print_error(f"{arguments.like}: {reason_of(error)}", SOME_FAILED)
    missing: list[str] = []
    entries = _entries(analysed, seed, arguments.length, missing)
    text, left_out = m3u8(entries, os.path.dirname(out) if out else os.getcwd())
    print_left_out(analysed, missing, sys.stderr)
    for uri in left_out:
        print_error(f"{safe(uri)}: left out, a playlist cannot hold such a name", OK)
    if out is None:
        with contextlib.suppress(BrokenPipeError):  # the reader has enough, as head does
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
        return OK
    with writing(out), storage_of(out).writing(out) as stream:
        stream.write(text.encode())
    print(f"playlist: {safe(out)} ({counted(len(entries) - len(left_out), 'track')})")
    return OK


def _entries(analysed: Analysed, seed: Seed, length: int, missing: list[str]) -> list[Entry]:
    """The tracks of the playlist; files that no longer exist go into `missing`."""
    import numpy as np

    from genrebeam.pipeline.by_ear.analysed import is_there
    from genrebeam.pipeline.by_ear.playlist import POOL, Entry, choose
    from genrebeam.pipeline.by_ear.similar import nearest, similarities
    from genrebeam.transforms.records import printable

    similarity = similarities(analysed, seed.embedding)
    near = nearest(similarity, analysed.tracks["uri"], missing)
    pool = list(itertools.islice((n for n in near if n != seed.number), POOL * length))
    embeddings = np.zeros((1 + len(pool), len(seed.embedding)), np.float32)
    embeddings[0] = seed.embedding
    places = {number: place for place, number in enumerate(pool, 1)}
    for numbers, found in analysed.embeddings(np.array(pool, int)):
        embeddings[[places[number] for number in numbers]] = found
    columns = ["uri", "artist", "title", "duration_s"]
    chosen_rows = pool if seed.number is None else [seed.number, *pool]
    entries = [
        Entry(**row) for row in analysed.tracks.select(columns).take(chosen_rows).to_pylist()
    ]
    if seed.number is None:
        entries.insert(0, _entry_of(seed.path))
    chosen = [entries[place] for place in choose(entries, embeddings, length)]
    if not is_there(chosen[0].uri):
        missing.insert(0, printable(chosen.pop(0).uri))
    return chosen


def _entry_of(path: str) -> Entry:
    """A file that is in no report."""
    from genrebeam.pipeline.by_ear.playlist import Entry
    from genrebeam.transforms.tags.header import read_header_if_any

    tags, audio, _ = read_header_if_any(path)
    return Entry(path, tags.artist, tags.title, audio.duration_s)
