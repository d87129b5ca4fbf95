"""What a person sees on a terminal: the plan before a run, its progress, what came of it.

Names of files and genres come from anywhere: `safe` takes the power from characters that
command a terminal, and rich gets ``Text``, in which ``[red]`` is no markup.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from pipeline.views.progress import Progress
    from pipeline.views.summary import Summary

T = TypeVar("T")

_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_SECONDS_PER_FRAME = 0.2
_MOST_GENRES = 12
_MOST_GENRES_LIVE = 4
_WIDEST_BAR = 32
_WIDE = 60


def safe(text: str) -> str:
    """Text that cannot command a terminal: one line, without control characters.

    What moves the cursor, changes colours or turns the direction of writing, and bytes that
    are no text, appear as ``\\uXXXX``, as in TOML and JSON.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> safe("a\\x1b[31m[red]caf\\udce9\\n.mp3")
    'a\\\\u001b[31m[red]caf\\\\udce9\\\\u000a.mp3'
    """
    if text.isprintable():
        return text
    return "".join(
        _escape(ord(character)) if unicodedata.category(character) in _UNSAFE else character
        for character in text
    )


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody watches who can be shown more than lines."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def show_plan(stream: TextIO, rows: Iterable[tuple[str, str]]) -> None:
    """Show what a run is about to do.

    Parameters
    ----------
    stream : file
        A terminal.
    rows : iterable of (str, str)
        Name and value.
    """
    _console(stream).print(_pairs(rows), "")


def draw_progress(ended: threading.Event, stream: TextIO, look: Callable[[], Progress]) -> None:
    """Draw progress until it ends, and leave nothing behind.

    Parameters
    ----------
    ended : threading.Event
    stream : file
        A terminal.
    look : callable
        Gives the present state.
    """
    from rich.live import Live
    from rich.spinner import Spinner

    console, waiting = _console(stream), Spinner("line")
    with Live(console=console, auto_refresh=False, transient=True) as live:
        last = False
        while not last:
            last = ended.is_set()
            live.update(_frame(look(), waiting, console.width), refresh=True)
            ended.wait(_SECONDS_PER_FRAME)


def _frame(progress: Progress, waiting: RenderableType, width: int) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    cells = [f"{progress.heard:,}/{progress.to_hear:,}", f"{progress.clock} left"]
    if width >= _WIDE:
        cells.insert(1, f"{progress.rate:.1f} files/s")
    room = width - sum(len(cell) + 2 for cell in cells)
    first = _bar(progress.heard, progress.to_hear, max(1, min(_WIDEST_BAR, room)))
    if not progress.heard:  # by then all are known that need no hearing
        found = f"{progress.listed:,} files found, {progress.to_hear:,} to hear"
        first, cells = waiting, [found if progress.listed else "starting"]
    above = Table.grid(padding=(0, 2, 0, 0))
    above.add_row(first, *(Text(cell, no_wrap=True) for cell in cells))
    settled = {s: n for s, n in progress.statuses.items() if s in ("kept", "unchanged", "refused")}
    parts = [f"{n:,} {status}" for status, n in settled.items()]
    most = sorted(progress.genres.items(), key=lambda pair: (-pair[1], pair[0]))
    parts += [f"{safe(genre)} {n:,}" for genre, n in most[:_MOST_GENRES_LIVE]]
    below = Text(no_wrap=True, overflow="ellipsis")
    if failed := progress.statuses.get("failed"):
        below.append(f"{failed:,} failed" + (", " if parts else ""), "red")
    below.append(", ".join(parts))
    return Group(above, below)


def tracked(items: Iterable[T], total: int, stream: TextIO | None) -> Iterable[T]:
    """The same items, with a bar on a terminal while they are gone through.

    Parameters
    ----------
    items : iterable
    total : int
    stream : file or None
        None shows nothing.

    Returns
    -------
    iterable
    """
    if not is_terminal(stream):
        return items
    from rich.progress import track

    return track(items, "", total, console=_console(stream), transient=True)


def show_result(
    stream: TextIO,
    headline: str,
    found: Summary,
    library: str,
    notes: Iterable[tuple[str, str]],
) -> None:
    """Show what came of a run.

    Parameters
    ----------
    stream : file
        A terminal.
    headline : str
    found : Summary
    library : str
        Left out of the paths.
    notes : iterable of (str, str)
        Name and value of what to know beside it; never broken into lines, to be copied.
    """
    from rich.padding import Padding
    from rich.text import Text

    def short(path: str) -> str:
        return path.removeprefix(library.rstrip("/") + "/")

    console = _console(stream)
    console.print(Text(headline, "bold"), soft_wrap=True)
    for title, table in (
        ("genres", _genres(found.genres, console)),
        ("slowest", _pairs((f"{seconds:.1f} s", short(path)) for path, seconds in found.slowest)),
        ("failed", _pairs(((short(path), reason) for path, reason in found.failed), "red")),
    ):
        if table.row_count:
            console.print(Text(f"\n{title}", "dim"))
            console.print(Padding(table, (0, 0, 0, 2), expand=False))
        if title == "failed" and (more := found.n_failed - len(found.failed)):
            console.print(f"  and {more:,} more")
    console.print()
    for name, value in notes:
        console.print(Text(f"{name}: {safe(value)}"), soft_wrap=True)


def _genres(genres: Mapping[str, int], console: Console) -> Table:
    from rich.text import Text

    table = _grid()
    table.columns[0].max_width = max(8, console.width // 3)
    table.columns[1].justify = "right"
    most = max(genres.values(), default=0)
    widest = min(_WIDEST_BAR, console.width // 3)
    for genre, count in list(genres.items())[:_MOST_GENRES]:
        table.add_row(
            Text(safe(genre), no_wrap=True, overflow="ellipsis"),
            Text(f"{count:,}", no_wrap=True),
            _bar(1, 1, max(1, round(widest * count / most))),
        )
    if others := list(genres.values())[_MOST_GENRES:]:
        table.add_row(f"{len(others):,} others", f"{sum(others):,}")
    return table


def _pairs(rows: Iterable[tuple[str, str]], style: str = "") -> Table:
    from rich.text import Text

    table = _grid()
    for left, right in rows:
        table.add_row(
            Text(safe(left), overflow="fold"), Text(safe(right), style=style, overflow="fold")
        )
    return table


def _grid() -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column()
    return table


def _bar(done: int, total: int, width: int) -> RenderableType:
    from rich.progress_bar import ProgressBar

    return ProgressBar(
        total=max(1, total),
        completed=done,
        width=width,
        style="bright_black",
        complete_style="cyan",
        finished_style="cyan",
    )


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)
