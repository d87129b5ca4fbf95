"""What every subcommand is made of: a parser, exit codes, a line where something is wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from pipeline.options import UsageError

OK, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 3


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace, list[str]], int],
    summary: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Declare a subcommand.

    Parameters
    ----------
    commands : argparse subparsers
    name : str
    run : callable
        Takes the parsed arguments and those left over, returns the exit code.
    summary : str
        One line for the list of commands.
    epilog : str
        Examples and exit codes, shown as they are.

    Returns
    -------
    argparse.ArgumentParser
        For its arguments.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--verbose", action="store_true", help="show logs and tracebacks")
    parser.set_defaults(command=run)
    return parser


def no_others(others: list[str]) -> None:
    """Complain about arguments that nobody declared.

    Raises
    ------
    UsageError
    """
    if others:
        raise UsageError(f"unknown option or argument: {' '.join(others)}")


def complain(message: str, code: int) -> int:
    """Tell what is wrong in one line; gives back the exit code."""
    print(f"genrebeam: {message}", file=sys.stderr)
    return code
