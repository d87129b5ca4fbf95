"""Write ``docs/genrebeam.1``, the manual page, from the argument parsers.

::

    python -m tools.man > docs/genrebeam.1

A test fails while the file is out of date.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from genrebeam import __version__
from genrebeam.pipeline.cli import build_parser
from genrebeam.pipeline.commands.command import EXIT_CODES
from genrebeam.pipeline.options.config import FILE_NAME, PREFIX, commands_of


def manual() -> str:
    """The page, in roff."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    parser = build_parser()
    yield f'.TH GENREBEAM 1 "" "genrebeam {__version__}" "User Commands"'
    yield from (".SH NAME", r"genrebeam \- write genres into the files of a music library")
    yield from (".SH SYNOPSIS", r".B genrebeam", r".I COMMAND", "[OPTION ...]")
    yield from (".SH DESCRIPTION", _text(str(parser.description)))
    yield ".SH COMMANDS"
    for name, command in commands_of(parser).items():
        yield f".SS genrebeam {_text(name)}"
        yield _text(str(command.description))
        yield from _arguments(command)
    yield ".SH FILES"
    yield f"Every option can be set in {_text(FILE_NAME)}, in the library or in your configuration"
    yield f"folder, or in the environment as {PREFIX}NAME. See genrebeam config."
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", f".B {code}", _text(meaning))


def _arguments(command: argparse.ArgumentParser) -> Iterator[str]:
    for action in command._actions:
        if action.help in (None, argparse.SUPPRESS):
            continue
        value = action.metavar or "|".join(map(str, action.choices or (action.dest.upper(),)))
        names = ", ".join(action.option_strings) or str(value)
        takes = f" {value}" if action.option_strings and action.nargs != 0 else ""
        yield from (".TP", f".B {_text(names + takes)}")
        yield _text(str(action.help) % {"default": action.default, "prog": command.prog})


def _text(text: str) -> str:
    r"""Text that roff does not take for a request.

    Examples
    --------
    >>> _text("a-b\\c")
    'a\\-b\\ec'
    """
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return "\n".join(
        rf"\&{line}" if line[:1] in (".", "'") else line for line in escaped.split("\n")
    )


if __name__ == "__main__":
    sys.stdout.write(manual())
