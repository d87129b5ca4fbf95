"""``genrebeam inspect``: see what the model finds in one track."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from genrebeam.model.extras import require
from genrebeam.pipeline.commands.command import OK, SOME_FAILED, add_command, print_error
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.job import bundle_named
from genrebeam.pipeline.views.terminal import clock, safe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from genrebeam.pipeline.views.inspection.inspection import Inspection

# Most genres to print, and the least probability: none shows as 0 %.
_MOST_GENRES, _LEAST = 5, 0.005
# Width in columns of everything, of a genre's name, of a full bar; and steps in one block.
_WIDEST, _LONGEST_NAME, _BAR, _PARTS = 100, 24, 32, 8
# From empty to full, for terminals with Unicode and without.
_BARS, _STRIPS = " ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█"
_ASCII_BARS, _ASCII_STRIPS = "-#", " .:-=+*%#"


def add(commands: Any) -> None:
    """Declare the subcommand."""
    inspect = add_command(
        commands,
        "inspect",
        run,
        "show one track, its segments, and what tag would write and why",
        "examples:\n"
        "  genrebeam inspect song.mp3              print the vote, write song.inspect.html here\n"
        "  genrebeam inspect song.mp3 --png --out ~/Desktop\n"
        "  genrebeam inspect song.mp3 --json | jq .vote\n"
        "\n"
        "The page shows the waveform, genre over time, mel spectrogram, MFCC, chroma, spectral\n"
        "rolloff and centroid, and zero crossings. The track is only read. inspect replaces its\n"
        "own earlier page or picture, but no other file of that name.\n"
        "exit codes: 0 fine, 1 the track cannot be decoded, 2 wrong usage, 3 interrupted",
    )
    inspect.add_argument("track", metavar="TRACK", help="one audio file")
    inspect.add_argument(
        "--bundle",
        metavar="DIR",
        help="the model: a folder, or one that comes with genrebeam, default or gtzan "
        "(default: default)",
    )
    inspect.add_argument(
        "--out",
        metavar="DIR",
        default=".",
        help="folder for the page (default: the current folder)",
    )
    inspect.add_argument("--png", action="store_true", help="also write the page as a picture")
    inspect.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    require("pages", "the page of inspect")
    track = _checked_track(arguments.track)
    kinds = {"page": "html", "picture": "png"} if arguments.png else {"page": "html"}
    outputs = {name: _checked_output(track, arguments.out, kind) for name, kind in kinds.items()}
    if not os.path.getsize(track):
        return print_error(f"{track}: empty file", SOME_FAILED)
    from rich.console import Console

    from genrebeam.model.bundle import BundleError
    from genrebeam.pipeline.views.inspection.inspection import inspect
    from genrebeam.pipeline.views.inspection.page import write_page
    from genrebeam.pipeline.views.inspection.picture import write_png
    from genrebeam.transforms.records import TrackError, printable, reason_of

    console = Console(highlight=False, markup=False, emoji=False)
    try:
        bundle = bundle_named(arguments.bundle)
        with console.status("classifying"):
            inspection = inspect(track, bundle)
    except BundleError as error:
        raise UsageError(str(error)) from error
    except (TrackError, OSError) as error:
        return print_error(f"{track}: {reason_of(error)}", SOME_FAILED)
    try:
        os.makedirs(arguments.out, exist_ok=True)
        write_page(outputs["page"], inspection)
        if arguments.png:
            write_png(outputs["picture"], inspection)
    except OSError as error:
        return print_error(f"{arguments.out}: cannot be written ({error.strerror})", SOME_FAILED)
    if arguments.json:
        written = {name: printable(path) for name, path in outputs.items()}
        print(json.dumps({**inspection.figures(), **written}))
        return OK
    _print(console, inspection)
    for name, path in outputs.items():
        print(f"{name}: {safe(path)}")
    return OK


def _checked_track(track: str) -> str:
    from genrebeam.transforms.formats import FORMATS, format_of

    if "://" in track:
        raise UsageError(f"{track}: only local files can be inspected")
    if os.path.isdir(track):
        raise UsageError(f"{track}: is a folder; inspect takes one file")
    if not os.path.isfile(track):
        raise UsageError(f"{track}: no such file")
    if format_of(track) not in FORMATS:
        raise UsageError(f"{track}: not one of the formats {', '.join(sorted(FORMATS))}")
    return track


def _checked_output(track: str, folder: str, kind: str) -> str:
    """Path of a page or picture, checked not to be somebody else's file."""
    from genrebeam.pipeline.views.inspection.words import GENERATOR

    if os.path.exists(folder) and not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        raise UsageError(f"{folder}: not a writable folder")
    name = os.path.splitext(os.path.basename(track))[0]
    path = os.path.join(folder, f"{name}.inspect.{kind}")
    try:
        with open(path, "rb") as stream:
            if GENERATOR.encode() not in stream.read(1000):
                raise UsageError(f"{path}: another file has this name; choose a folder with --out")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _print(console: Console, inspection: Inspection) -> None:
    from rich.cells import cell_len, set_cell_size
    from rich.table import Table
    from rich.text import Text

    from genrebeam.model.backbones.subjects import by_subject
    from genrebeam.pipeline.views.inspection.words import facts, heading, percent, verdicts

    title, artist = heading(inspection)
    console.print(Text(safe(title), "bold"))
    if artist:
        console.print(Text(safe(artist)))
    if inspection.not_music is not None:
        message = f"Not music: {inspection.not_music}; below is the genre it would get if it were"
        console.print(Text(safe(message), "bold"))
    table = Table.grid(padding=(0, 2, 0, 0))
    rows = [(name, fact, "") for name, fact in facts(inspection)]
    rows += [(rule, text, "bold" if won else "") for rule, text, won in verdicts(inspection)]
    for name, text, style in rows:
        table.add_row(Text(name, overflow="fold"), Text(safe(text), style, overflow="fold"))
    console.print(table)
    console.print()

    means = inspection.whole
    first, *others = inspection.ranking[:_MOST_GENRES]
    likely = [first, *(genre for genre in others if means[genre] >= _LEAST)]
    names = [safe(inspection.names[genre]) for genre in likely]
    room = min(_LONGEST_NAME, max(map(cell_len, names)))
    chart = {genre: set_cell_size(name, room) for genre, name in zip(likely, names, strict=True)}
    bars, strips = _BARS, _STRIPS
    if console.options.ascii_only:
        bars, strips = _ASCII_BARS, _ASCII_STRIPS
    columns = max(1, min(console.width, _WIDEST) - room - 2)
    vote, over_time = _vote(inspection, chart, bars), _over_time(inspection, chart, strips, columns)
    for line in (*vote, Text(), *over_time, Text()):
        console.print(line, no_wrap=True, overflow="crop")
    if said := by_subject(inspection.sounds):
        table = Table.grid(padding=(0, 2, 0, 0))
        for subject, words in said.items():
            sounds = ", ".join(f"{word} {percent(score)}" for word, score in words)
            table.add_row(Text(subject, "dim", overflow="fold"), Text(sounds, overflow="fold"))
        console.print(Text("labels of the pretrained network, with mean scores", "dim"))
        console.print(table)
        console.print()


def _vote(inspection: Inspection, rows: dict[int, str], blocks: str) -> Iterator[Text]:
    """The vote: a heading, then a line for each genre with its probability and votes."""
    from rich.text import Text

    from genrebeam.pipeline.views.inspection.words import chance, colours, percent

    means, votes, colour = inspection.whole, inspection.mean.votes, colours(inspection)
    yield Text(f"{_blank(rows)} {chance(inspection):>7}  votes", "dim")
    for genre, name in rows.items():
        whole, part = divmod(round(means[genre] * _BAR * _PARTS), _PARTS)
        bar = blocks[-1] * whole + blocks[part * (len(blocks) - 1) // _PARTS]
        n_votes = votes[inspection.names[genre]]
        line = Text(f"{name}  {percent(means[genre]):>6} {n_votes:>6}  ")
        yield line.append(bar, colour[genre])


def _over_time(
    inspection: Inspection, rows: dict[int, str], blocks: str, columns: int
) -> Iterator[Text]:
    """The same genres from segment to segment, with the time below."""
    import numpy as np
    from rich.text import Text

    from genrebeam.pipeline.views.inspection.words import colours, time_ticks

    probabilities, colour = inspection.probabilities, colours(inspection)
    starts = np.arange(columns) * len(probabilities) // columns
    # Where there are more segments than columns, each column shows the mean of some.
    counts = np.maximum(np.diff(starts, append=len(probabilities)), 1)
    shares = np.add.reduceat(probabilities, starts) / counts[:, None]
    yield Text(f"{_blank(rows)}  each segment: the higher, the more probable", "dim")
    for genre, name in rows.items():
        levels = np.ceil(shares[:, genre] * (len(blocks) - 1) - 0.25).astype(int)
        yield Text(f"{name}  ").append("".join(blocks[i] for i in levels), colour[genre])
    end, times = inspection.spans_s[-1][1], ""
    for seconds in time_ticks(end, most=max(1, columns // 8)):
        further = times.ljust(round(seconds / end * columns)) + clock(seconds)
        times = further if len(further) <= columns else times
    yield Text(f"{_blank(rows)}  {times}", "dim")


def _blank(rows: dict[int, str]) -> str:
    from rich.cells import cell_len

    return " " * max(map(cell_len, rows.values()))
