"""What every subcommand has: a parser, exit codes, error messages of one line."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.views.terminal import safe

if TYPE_CHECKING:
    from genrebeam.pipeline.runs.run import Run, RunResult

REPORT_HERE = "default: that of the library you are in, else the one used last"
OK, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 3
EXIT_CODES = {
    OK: "everything worked",
    SOME_FAILED: "some files failed, or the command could not finish; after tag --quiet only if "
    "files failed that did not fail before",
    USAGE: "wrong usage, an unreadable library, or another run at work on the same reports",
    INTERRUPTED: "interrupted (Ctrl-C or SIGTERM)",
}


def add_command(
    commands: Any,
    name: str,
    run: Callable[..., int],
    summary: str,
    epilog: str,
    usage: str | None = None,
    *,
    takes_others: bool = False,
) -> argparse.ArgumentParser:
    """Declare a subcommand.

    Parameters
    ----------
    run : callable
        Takes the parsed arguments, returns the exit code.
    summary : str
        One line for the list of commands.
    epilog : str
        Examples and exit codes, shown as they are.
    usage : str, optional
        Replaces argparse's usage line, which lists every option.
    takes_others : bool
        Whether `run` also takes the arguments that nobody declared, such as Beam's.

    Returns
    -------
    argparse.ArgumentParser
        Add the arguments to it.
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
    parser.add_argument("-v", "--verbose", action="store_true", help="print more; tag: every file")
    parser.add_argument(
        "--debug", action="store_true", help="show the logs of libraries, and tracebacks"
    )
    parser.add_argument("--config", metavar="FILE", help="also read options from this file")
    parser.set_defaults(command=run, takes_others=takes_others)
    return parser


def add_output_arguments(
    parser: argparse.ArgumentParser, quiet: str = "print only what went wrong"
) -> None:
    """Declare the options that control a command's output.

    Parameters
    ----------
    quiet : str
        What ``--quiet`` does.
    """
    parser.add_argument("-q", "--quiet", action="store_true", help=quiet)
    parser.add_argument(
        "--json", action="store_true", help="print the result as one JSON object, for scripts"
    )


def add_report_option(parser: argparse._ActionsContainer) -> None:
    """Declare the option that names a report folder; `report_folder` reads it."""
    parser.add_argument("--report", metavar="DIR", help=f"the report folder ({REPORT_HERE})")


def report_folder(
    arguments: argparse.Namespace,
    named: str | None,
    *,
    near: str | None = None,
    run: str | None = None,
) -> str:
    """The report folder that a command reads; says which it is where that is not plain.

    Parameters
    ----------
    named : str or None
        By the user; else the one that ``tag`` is configured to use; else see `report_here`.
    near : str, optional
        A file that the command is about.
    run : str, optional
        Id of a run that it is about.

    Returns
    -------
    str
        Absolute path.

    Raises
    ------
    UsageError
        If there is none.
    """
    from genrebeam.pipeline.options.home import report_here
    from genrebeam.transforms.storage import absolute

    layers = getattr(arguments, "layers", ())
    configured = (layer.tables.get("tag", {}).get("report") for layer in layers)
    named = named or next(filter(None, configured), None)
    if named is not None:
        return absolute(os.path.expanduser(named))
    report, note = report_here(absolute(near) if near else None, run)
    if note and not getattr(arguments, "quiet", False):
        print_error(note, OK)
    return report


def print_error(message: str, code: int) -> int:
    """Print an error in one line and return the exit code."""
    print(f"genrebeam: {safe(message)}", file=sys.stderr)
    return code


def checked_output_path(path: str, beginning: str, option: str = "--out") -> str:
    """The absolute path of a file to write, checked not to be somebody else's file.

    What is in a bucket is not checked.

    Parameters
    ----------
    beginning : str
        What every file of its kind begins with; a file that does may be replaced.
    option : str
        That names another, for messages.

    Raises
    ------
    UsageError
        If another file has this name, or it cannot be read.
    """
    from genrebeam.transforms.storage import absolute, storage_of

    path = absolute(path)
    if "://" in path:
        return path
    if os.path.isdir(path):
        raise UsageError(f"{path}: cannot be written ({os.strerror(errno.EISDIR)})")
    if os.path.islink(path):
        raise UsageError(f"{path}: is a link; name the file itself, or another with {option}")
    try:
        with storage_of(path).open_header(path) as stream:
            found = stream.read(len(beginning) + 3).removeprefix(b"\xef\xbb\xbf")
    except FileNotFoundError:
        return path
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
    if not found.startswith(beginning.encode()):
        raise UsageError(f"{path}: another file has this name; choose another with {option}")
    return path


def try_write_page(run: Run, ended: RunResult) -> str | None:
    """Write the run's page and return its path; None where it cannot be written.

    The page shows only what is in the Parquet, so a run can do without it.
    """
    from genrebeam.pipeline.views.report_page import write_report_page

    try:
        write_report_page([run], ended.rows, run.page)
    except OSError as error:
        print_error(f"{run.page}: cannot be written ({error.strerror})", OK)
        return None
    run.mark_latest()
    return run.page
