"""What every view on a terminal is made of.

Names of files and genres come from anywhere: `safe` takes the power from characters that
command a terminal, and rich gets ``Text``, in which ``[red]`` is no markup.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO, TypeGuard, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

T = TypeVar("T")

WIDEST_BAR = 32
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def safe(text: str) -> str:
    r"""Text that cannot command a terminal: one line, without control characters.

    What moves the cursor, changes colours or turns the direction of writing, and bytes that
    are no text, appear as ``\uXXXX``, as in TOML and JSON.

    Examples
    --------
    >>> safe("a\x1b[31m[red]caf\udce9\n.mp3")
    'a\\u001b[31m[red]caf\\udce9\\u000a.mp3'
    """
    if text.isprintable():
        return text
    return "".join(
        _escape(ord(character)) if unicodedata.category(character) in _UNSAFE else character
        for character in text
    )


def counted(number: int, thing: str) -> str:
    """A number of things, in the singular or the plural.

    Examples
    --------
    >>> counted(1, "file"), counted(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def clock(seconds: float, *, hours: bool = False) -> str:
    """A time as players show it; `hours` are shown where there is none, too, if asked for.

    Examples
    --------
    >>> clock(189.3), clock(3725), clock(189.3, hours=True)
    ('3:09', '1:02:05', '0:03:09')
    """
    n_minutes, rest = divmod(round(seconds), 60)
    n_hours, minutes = divmod(n_minutes, 60)
    return f"{n_hours}:{minutes:02d}:{rest:02d}" if n_hours or hours else f"{minutes}:{rest:02d}"


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def is_terminal(stream: TextIO | None) -> TypeGuard[TextIO]:
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
    console_of(stream).print(pairs(rows), "")


def tracked(items: Iterable[T], total: int, stream: TextIO | None) -> Iterable[T]:
    """The same items, with a bar on a terminal while they are gone through.

    Parameters
    ----------
    stream : file or None
        None shows nothing.
    """
    if not is_terminal(stream):
        return items
    from rich.progress import track

    return track(items, "", total, console=console_of(stream), transient=True)


def busy(message: str, stream: TextIO | None) -> AbstractContextManager[Any]:
    """Say on a terminal what is being done, for as long as it takes.

    Parameters
    ----------
    stream : file or None
        None shows nothing.
    """
    if not is_terminal(stream):
        return nullcontext()
    from rich.text import Text

    return console_of(stream).status(Text(safe(message)))


def pairs(rows: Iterable[tuple[str, str]], style: str = "") -> Table:
    """A table of names and values."""
    from rich.text import Text

    table = grid()
    for left, right in rows:
        table.add_row(
            Text(safe(left), overflow="fold"), Text(safe(right), style=style, overflow="fold")
        )
    return table


def grid() -> Table:
    """An empty table of two columns."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column()
    return table


def bar(done: int, total: int, width: int) -> RenderableType:
    """A bar that is filled as far as something is done."""
    from rich.progress_bar import ProgressBar

    return ProgressBar(
        total=max(1, total),
        completed=done,
        width=width,
        style="bright_black",
        complete_style="cyan",
        finished_style="cyan",
    )


def console_of(stream: TextIO) -> Console:
    """A terminal to print on, which takes no text for markup."""
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)
