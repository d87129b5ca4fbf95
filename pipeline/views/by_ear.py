"""Similar tracks and duplicates as a person or a script reads them.

On a terminal a table; else lines of fields with tabs between them, the path last.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from genrebeam.pipeline.by_ear.analysed import Analysed
from genrebeam.pipeline.by_ear.duplicates import Group
from genrebeam.pipeline.views.terminal import clock, console_of, counted, is_terminal, safe

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def print_similar(rows: Iterable[dict[str, Any]], stream: TextIO) -> None:
    """Print tracks, the nearest first.

    Parameters
    ----------
    rows : iterable of dict
        With ``similarity``, ``artist``, ``title`` and ``uri``.
    """
    cells = (
        (f"{row['similarity']:.3f}", row["artist"] or "", row["title"] or "", row["uri"])
        for row in rows
    )
    if not is_terminal(stream):
        return _print_lines(cells, stream)
    with_short = ((*others, _short(uri)) for *others, uri in cells)
    return _print_table(with_short, stream, heading=("similarity", "artist", "title", "file"))


def print_duplicates(groups: Sequence[Group], stream: TextIO) -> None:
    """Print files with the same recording, the best of each group first."""
    if not is_terminal(stream):
        return _print_lines(_fields(groups), stream)
    for group in groups:
        _print_table(((*quality(row), _short(row["uri"])) for row in group.tracks), stream)
        print(file=stream)
    spare = [row["size_bytes"] for group in groups for row in group.tracks[1:]]
    if spare:
        found = f"duplicate recordings: {len(groups):,}; copies beside the best file of each"
        print(f"{found}: {len(spare):,}, {size(sum(spare))}", file=stream)
    else:
        print("no duplicates", file=stream)
    return None


def print_left_out(analysed: Analysed, missing: Sequence[str], stream: TextIO) -> None:
    """Say which tracks of the library could not be among those found.

    Parameters
    ----------
    missing : sequence of str
        Files that are no longer there.
    """
    if analysed.n_not_analysed:
        n_missing, command = analysed.n_not_analysed, analysed.how_to_analyse
        all_tracks = counted(n_missing + len(analysed.tracks), "track")
        left_out = f"{n_missing:,} of {all_tracks} were not analysed by this model, left out"
        why = "tag does not analyse a file whose genre it keeps"
        print(f"genrebeam: {safe(f'{left_out}; {why}; to analyse all: {command}')}", file=stream)
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        print(f"genrebeam: no longer there, left out: {safe(missing[0])}{more}", file=stream)


def _fields(groups: Sequence[Group]) -> Iterator[tuple[str, ...]]:
    for number, group in enumerate(groups, 1):
        for row in group.tracks:
            seconds = None if row["duration_s"] is None else round(row["duration_s"], 3)
            facts = (row["format"], row["bitrate_bps"], seconds, row["size_bytes"])
            texts = ("" if fact is None else str(fact) for fact in facts)
            yield str(number), f"{group.likeness:.3f}", *texts, row["uri"]


def quality(row: dict[str, Any]) -> tuple[str, ...]:
    """Format, bitrate, duration and size of a file; empty where it is not known."""
    bitrate, seconds = row["bitrate_bps"], row["duration_s"]
    return (
        row["format"],
        "" if bitrate is None else f"{bitrate / 1000:.0f} kbit/s",
        "" if seconds is None else clock(seconds),
        size(row["size_bytes"]),
    )


def size(n_bytes: float) -> str:
    """A number of bytes as people read it."""
    power = 0
    while n_bytes >= 1000 and power < len(_UNITS) - 1:
        n_bytes, power = n_bytes / 1000, power + 1
    return f"{n_bytes:.3g} {_UNITS[power]}"


def _short(uri: str) -> str:
    """A path as one would type it here."""
    inside = uri.startswith(os.path.join(os.getcwd(), ""))
    return os.path.relpath(uri) if inside else uri


def _print_lines(rows: Iterable[Sequence[str]], stream: TextIO) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever reads has enough, as head does
        for row in rows:
            print("\t".join(map(safe, row)), file=stream)


def _print_table(
    rows: Iterable[Sequence[str]], stream: TextIO, heading: Sequence[str] | None = None
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(*(heading or ()), box=None, show_header=heading is not None, header_style="dim")
    for row in rows:
        table.add_row(*(Text(safe(cell), overflow="fold") for cell in row))
    console_of(stream).print(table)
