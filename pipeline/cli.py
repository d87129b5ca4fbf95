"""The command line: it runs a subcommand and turns typed errors into exit codes.

Exit codes: 0 all fine, 1 some files failed, 2 wrong usage, unreadable library or
another run at work on the same reports, 3 interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import io
import logging
import os
import re
import select
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from genrebeam import __version__
from genrebeam.model.extras import MissingExtraError
from genrebeam.pipeline.commands.command import INTERRUPTED, SOME_FAILED, USAGE, print_error
from genrebeam.pipeline.options.config import commands_of, nearest, parse
from genrebeam.pipeline.options.errors import UnknownArgumentError, UsageError
from genrebeam.pipeline.options.system import check_system
from genrebeam.pipeline.views.terminal import safe

# What stands before the message of an error.
_CLASS = r"^[\w.]*(Error|Exception): (\[Errno \d+\] )?"
# As the help lists them.
_COMMANDS = (
    *("tag", "watch", "apply", "undo", "history", "runs", "prune", "report", "inspect"),
    *("similar", "playlist", "map", "duplicates", "prepare", "train", "evaluate", "config"),
    "completion",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.
    """
    parser = build_parser()
    given = _without_aliases(sys.argv[1:] if arguments is None else arguments)
    try:
        known, others = parse(parser, given)
    except UsageError as error:
        return print_error(str(error), USAGE)
    if known.command is None:
        parser.print_help()
        return USAGE
    _quieten(verbose=known.verbose, debug=known.debug)
    try:
        check_system()
        if known.takes_others:
            return known.command(known, others)
        if others:
            raise UnknownArgumentError(others)
        return known.command(known)
    except MissingExtraError as error:
        _install(error.extra)
        return print_error(str(error), USAGE)
    except UnknownArgumentError as error:
        command = commands_of(parser)[known.subcommand]
        hint = _meant(error.arguments, command) or f"see genrebeam {known.subcommand} --help"
        return print_error(f"{error}; {hint}", USAGE)
    except UsageError as error:
        return print_error(str(error), USAGE)
    except KeyboardInterrupt:
        return print_error("interrupted", INTERRUPTED)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return SOME_FAILED
        if known.debug:
            raise
        return print_error(f"{_last_line(error)} (--debug shows more)", SOME_FAILED)


def _without_aliases(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``help COMMAND`` and ``version`` as the options that they stand for."""
    match arguments:
        case ["help", str(command), *_] if not command.startswith("-"):
            return [command, "--help"]
        case ["help", *_]:
            return ["--help"]
        case ["version"]:
            return ["--version"]
    return list(arguments)


def _meant(arguments: Sequence[str], command: argparse.ArgumentParser) -> str:
    """Which option an unknown one is nearest to; empty where none is near."""
    unknown = next((text.partition("=")[0] for text in arguments if text.startswith("-")), "")
    known = {
        option: option
        for action in command._actions
        if action.help is not argparse.SUPPRESS
        for option in action.option_strings
        if option.startswith("--")
    }
    return nearest(unknown, known)


def _nobody_reads() -> bool:
    """Whether the program that read our output has ended; then no more is printed."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or no real file
            poll.register(stream.fileno(), 0)
    return bool(poll.poll(0))


def program() -> NoReturn:
    """Run a command and end the process.

    The destructors of C++ libraries do not run. Some abort now and then because their threads
    are still alive, and the exit code would report a crash although all work is done.
    """
    code: int | str | None = SOME_FAILED
    # Libraries make a million objects that stay: to look for garbage among them as often as Python
    # does takes a fifteenth of a run.
    gc.set_threshold(20_000, 20, 50)

    def end() -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or never open
                stream.flush()
        os._exit(code if isinstance(code, int) else bool(code))

    # The handler registered first is called last, after everything else has ended.
    atexit.register(end)
    try:
        code = main()
    except SystemExit as ended:
        code = ended.code
    sys.exit(code)


def _install(extra: str) -> None:
    """Hand the command line back to ``run_local.sh``, if that started us: it adds the extra.

    If the extra is installed there and still not found, the script does not set the variable, so
    this is never tried in a circle.
    """
    if script := os.environ.get("_GENREBEAM_SCRIPT"):
        sys.stdout.flush()
        os.execv(script, [script, "with", extra, *sys.argv[1:]])


class _Parser(argparse.ArgumentParser):
    """Reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {safe(message)} (see {self.prog} --help)\n")


class _Stderr(logging.Handler):
    """Prints what a user must know, between frames of the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"genrebeam: {safe(record.getMessage())}", file=sys.stderr)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    parser = _Parser(
        prog="genrebeam",
        description="Analyse a music library, write genres into the files' tags, "
        "leave a Parquet report.",
        epilog="examples:\n"
        "  genrebeam tag ~/Music --dry-run    see what would be written\n"
        "  genrebeam tag ~/Music              tag the files that have no genre\n"
        "  genrebeam undo                     undo the latest run\n"
        "\n"
        "genrebeam help COMMAND explains a command.\n"
        "exit codes: 0 all fine, 1 some files failed, 2 wrong usage, 3 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"genrebeam {__version__}")
    parser.set_defaults(command=None, verbose=False, debug=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in _COMMANDS:
        import_module(f"genrebeam.pipeline.commands.{name}").add(commands)
    return parser


def _last_line(error: Exception) -> str:
    """The last line of an error; Beam puts a whole traceback into its messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    last = re.sub(r" \[while running '[^']*'\]$", "", last)  # the step in Beam's graph
    return f"the run stopped: {re.sub(_CLASS, '', last)}"


def _quieten(*, verbose: bool, debug: bool) -> None:
    """Silence the libraries' logs, which are for developers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may not fit the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO if debug else logging.CRITICAL)
    own = logging.getLogger("genrebeam")
    own.handlers, own.propagate = [_Stderr()], False
    own.setLevel(logging.INFO if verbose or debug else logging.WARNING)
    if not debug:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")


if __name__ == "__main__":
    program()
