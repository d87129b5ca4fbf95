"""The command line: one small function per subcommand, typed errors to exit codes.

Exit codes: 0 all fine, 1 some files failed, 2 wrong usage or unreadable library,
3 interrupted.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from pipeline import __version__
from pipeline.options import UsageError, add_tagging_arguments, check_job, check_runner_arguments

_OK, _SOME_FAILED, _USAGE, _INTERRUPTED = 0, 1, 2, 3
_DATASETS = ("gtzan",)
_SPLITS = {"filtered": "test", "valid": "valid", "train": "train"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    parser = _parser()
    known, others = parser.parse_known_args(arguments)
    if known.command is None:
        parser.print_help()
        return _USAGE
    _quieten(known.verbose)
    try:
        return known.command(known, others)
    except UsageError as error:
        return _complain(str(error), _USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted", _INTERRUPTED)
    except Exception as error:
        if known.verbose:
            raise
        return _complain(f"{_last_line(error)} (--verbose shows more)", _SOME_FAILED)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="genrebeam",
        description="Listen to a music library, write genres into the files' tags, "
        "leave a Parquet report.",
        epilog="example: genrebeam tag ~/Music --dry-run",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"genrebeam {__version__}")
    parser.set_defaults(command=None, verbose=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    tag = _command(
        commands,
        "tag",
        _tag,
        "tag a library",
        "examples:\n"
        "  genrebeam tag ~/Music --dry-run            see what would be written\n"
        "  genrebeam tag ~/Music                      tag what has no genre yet\n"
        "  genrebeam tag song.mp3 --existing replace  one file, whatever genre it has\n"
        "\n"
        "Options of Apache Beam (such as --runner) are passed on to it.\n"
        "exit codes: 0 all fine, 1 some files failed, 2 wrong usage, 3 interrupted",
    )
    tag.add_argument("library", metavar="LIBRARY", help="folder of music, or one file")
    add_tagging_arguments(tag)

    undo = _command(
        commands,
        "undo",
        _undo,
        "give files back what they were before a run",
        "examples:\n"
        "  genrebeam undo genre-report --dry-run   see what would be restored\n"
        "  genrebeam undo genre-report             undo the latest run that changed files\n"
        "  genrebeam undo genre-report --run 20261120T101500.123Z-3fa9\n"
        "\n"
        "Files are restored byte for byte. A file that was changed by others since is left as\n"
        "it is and listed. Undoing twice does no harm.\n"
        "exit codes: 0 all restored, 1 some could not be, 2 wrong usage",
    )
    undo.add_argument("report", metavar="REPORT_DIR", help="home of the reports")
    undo.add_argument("--run", metavar="ID", default=None, help="a run (default: the latest)")
    undo.add_argument("--dry-run", action="store_true", help="change nothing")

    train = _command(
        commands,
        "train",
        _train,
        "train a model and save it as a bundle",
        "example:\n  genrebeam train --data gtzan --out my-bundle",
    )
    train.add_argument("--dataset", choices=_DATASETS, default="gtzan", help="kind of data")
    train.add_argument("--data", metavar="DIR", required=True, help="folder of the data set")
    train.add_argument("--out", metavar="DIR", required=True, help="folder of the new bundle")
    train.add_argument("--recipe", default="genre-cnn", help="what to train (default: %(default)s)")
    train.add_argument("--name", default=None, help="the model's name (default: the recipe's)")
    train.add_argument("--seed", type=int, default=0, help="of all chance (default: %(default)s)")
    train.add_argument(
        "--epochs", type=int, default=None, help="most epochs, instead of the recipe's"
    )

    evaluate = _command(
        commands,
        "evaluate",
        _evaluate,
        "measure a bundle on music whose genre is known",
        "example:\n  genrebeam evaluate my-bundle --data gtzan --json",
    )
    evaluate.add_argument("bundle", metavar="BUNDLE", help="folder of the model")
    evaluate.add_argument("--dataset", choices=_DATASETS, default="gtzan", help="kind of data")
    evaluate.add_argument("--data", metavar="DIR", required=True, help="folder of the data set")
    evaluate.add_argument(
        "--split", choices=tuple(_SPLITS), default="filtered", help="list (default: %(default)s)"
    )
    evaluate.add_argument("--json", action="store_true", help="print all figures as JSON")
    return parser


def _command(
    commands: Any, name: str, function: Any, summary: str, epilog: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--verbose", action="store_true", help="show logs and tracebacks")
    parser.set_defaults(command=function)
    return parser


def _tag(arguments: argparse.Namespace, runner_arguments: list[str]) -> int:
    job = check_job(arguments.library, arguments)
    check_runner_arguments(runner_arguments)
    from pipeline import interruption, progress
    from pipeline.run import record_run, start_run
    from transforms.records import printable

    run = start_run(job.report)

    def execute() -> None:
        from pipeline.tagging import run_tagging
        from transforms import pool

        try:
            run_tagging(job, run, runner_arguments)
        finally:
            pool.stop()

    with interruption.handled(), progress.shown():
        facts = record_run(run, job, execute, interruption.requested)
    counts = facts["counts"]
    print(_summary(counts, facts["seconds"]))
    print(f"report: {printable(run.folder)}")
    if facts["state"] == "interrupted":
        return _complain("interrupted; the report has what was done", _INTERRUPTED)
    return _SOME_FAILED if counts.get("failed") else _OK


def _summary(counts: dict[str, int], seconds: float) -> str:
    from transforms.records import STATUSES

    parts = [f"{counts[s]:,} {s.replace('_', ' ')}" for s in STATUSES if counts.get(s)]
    total = sum(counts.values())
    return f"{total:,} files in {seconds:.1f} s: {', '.join(parts) or 'none'}"


def _undo(arguments: argparse.Namespace, others: list[str]) -> int:
    _no_others(others)
    from pipeline.run import find_run
    from transforms.records import printable
    from transforms.undo import read_journal, undo_all

    run = find_run(os.path.abspath(arguments.report), arguments.run)
    counts: dict[str, int] = {}
    if not arguments.dry_run:
        run.mark_undone()
    for undone in undo_all(read_journal(run.journal.lines()), dry_run=arguments.dry_run):
        counts[undone.status] = counts.get(undone.status, 0) + 1
        if undone.status in ("changed", "failed"):
            where = printable(undone.path) or run.journal.path
            print(f"{where}: {undone.reason}", file=sys.stderr)
    parts = [f"{count:,} {status.replace('_', ' ')}" for status, count in sorted(counts.items())]
    print(f"run {run.id}: {', '.join(parts) or 'changed no file'}")
    return _SOME_FAILED if counts.get("changed") or counts.get("failed") else _OK


def _train(arguments: argparse.Namespace, others: list[str]) -> int:
    _no_others(others)
    from model.recipes import RECIPES

    if arguments.recipe not in RECIPES:
        known = ", ".join(sorted(RECIPES))
        raise UsageError(f"unknown recipe {arguments.recipe!r}; known are {known}")
    music = _load_dataset(arguments)
    _load_keras()
    from model.training import train
    from transforms.vote import vote

    bundle = train(
        RECIPES[arguments.recipe],
        music,
        arguments.out,
        name=arguments.name or arguments.recipe,
        vote=vote,
        seed=arguments.seed,
        epochs=arguments.epochs,
    )
    print(f"{bundle.path}: {bundle.name} {bundle.version}")
    print(f"test track accuracy {bundle.metrics['test']['track_accuracy']:.1%}")
    return _OK


def _evaluate(arguments: argparse.Namespace, others: list[str]) -> int:
    _no_others(others)
    from model.bundle import BundleError, load_bundle

    try:
        bundle = load_bundle(arguments.bundle)
    except BundleError as error:
        raise UsageError(str(error)) from error
    music = _load_dataset(arguments)
    if music.labels != bundle.labels:
        raise UsageError(f"{arguments.bundle}: its labels are not those of {arguments.dataset}")
    _load_keras()
    from model.evaluation import evaluate_logits, predict_logits
    from transforms.vote import vote

    clips = music.splits[_SPLITS[arguments.split]]
    logits = predict_logits(bundle.load_network(), bundle.features, clips)
    figures = evaluate_logits(logits, clips.targets, temperature=bundle.temperature, vote=vote)
    if arguments.json:
        print(json.dumps(figures))
        return _OK
    low, high = figures["track_accuracy_ci95"]
    print(f"tracks             {figures['n_tracks']}")
    print(f"track accuracy     {figures['track_accuracy']:.1%}  (95 %: {low:.1%} to {high:.1%})")
    print(f"by majority vote   {figures['majority_accuracy']:.1%}")
    print(f"  of them refused  {figures['majority_refused']:.1%}")
    print(f"segment accuracy   {figures['segment_accuracy']:.1%}")
    print(f"calibration error  {figures['ece']:.3f}")
    return _OK


def _load_dataset(arguments: argparse.Namespace) -> Any:
    from model.datasets import DatasetError, load_gtzan_array

    try:
        return load_gtzan_array(arguments.data)
    except DatasetError as error:
        raise UsageError(str(error)) from error


def _load_keras() -> None:
    from model import native_noise

    with native_noise.silenced():
        import keras  # noqa: F401


def _no_others(others: list[str]) -> None:
    if others:
        raise UsageError(f"unknown option or argument: {' '.join(others)}")


def _complain(message: str, code: int) -> int:
    print(f"genrebeam: {message}", file=sys.stderr)
    return code


def _last_line(error: Exception) -> str:
    """What went wrong, without the traceback that Beam puts into its messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"the run stopped: {lines[-1] if lines else type(error).__name__}"


def _quieten(verbose: bool) -> None:
    """Libraries' logs are for developers; what a user must know is said by us."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names need not fit the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO if verbose else logging.CRITICAL)
    own, handler = logging.getLogger("genrebeam"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("genrebeam: %(message)s"))
    own.handlers, own.propagate = [handler], False
    own.setLevel(logging.INFO if verbose else logging.WARNING)
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")


if __name__ == "__main__":
    sys.exit(main())
