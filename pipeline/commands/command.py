"""What every subcommand is made of: a parser, exit codes, a line where something is wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from pipeline.settings.options import UsageError
from pipeline.views.terminal import safe

OK, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 3
EXIT_CODES = {
    OK: "everything worked",
    SOME_FAILED: "some files failed, or the command could not finish",
    USAGE: "wrong usage, an unreadable library, or another run at work on the same reports",
    INTERRUPTED: "interrupted (Ctrl-C or SIGTERM)",
}


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace, list[str]], int],
    summary: str,
    epilog: str,
    usage: str | None = None,
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
    usage : str, optional
        Instead of argparse's, where that lists more options than anybody reads.

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
        usage=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--verbose", action="store_true", help="show logs and tracebacks")
    parser.add_argument(
        "--config", metavar="FILE", default=None, help="read options from this file too"
    )
    parser.set_defaults(command=run)
    return parser


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how much a command tells, and in which form."""
    parser.add_argument("--quiet", action="store_true", help="tell only what went wrong")
    parser.add_argument(
        "--json", action="store_true", help="tell what was done as one JSON object, for scripts"
    )


def no_others(others: list[str]) -> None:
    """Complain about arguments that nobody declared.

    Raises
    ------
    UsageError
    """
    if others:
        raise UsageError(f"unknown option or argument: {' '.join(others)} (see --help)")


def complain(message: str, code: int) -> int:
    """Tell what is wrong in one line; gives back the exit code."""
    print(f"genrebeam: {safe(message)}", file=sys.stderr)
    return code
