"""``genrebeam apply``: write what a person chose on a report page, or what a dry run showed."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import glob
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.commands.command import (
    INTERRUPTED,
    OK,
    SOME_FAILED,
    add_command,
    add_output_arguments,
    print_error,
    report_folder,
    try_write_page,
)
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.option import add_options, options_from
from genrebeam.pipeline.options.tagging import WritingOptions
from genrebeam.pipeline.views.terminal import counted, safe
from genrebeam.transforms.records import LEFT_ALONE, Status, printable

if TYPE_CHECKING:
    from genrebeam.pipeline.runs.apply import ResolvedChoices
    from genrebeam.pipeline.runs.corrections import Corrections
    from genrebeam.pipeline.runs.run import Run, RunResult
    from genrebeam.transforms.records import Outcome
    from genrebeam.transforms.tags.tag import TagPolicy

_MOST_SHOWN = 20


def add(commands: Any) -> None:
    """Declare the subcommand."""
    apply = add_command(
        commands,
        "apply",
        run,
        "write the genres that you chose on a report page, or that a dry run showed",
        "examples:\n"
        "  genrebeam apply                              the newest in Downloads, after asking\n"
        "  genrebeam apply corrections.json --dry-run   list what would be written\n"
        "  genrebeam apply corrections.json             write it\n"
        "  genrebeam apply corrections.json --report nas/music-reports\n"
        "  genrebeam apply 20261120T101500.123Z-3fa9    write what this dry run showed\n"
        "  genrebeam undo                               take it back\n"
        "\n"
        "Only files that the page's report names are written, and only if they are still as the\n"
        "page showed them. Later runs of tag leave these genres alone. Applying twice does no\n"
        "harm.\n"
        "exit codes: 0 all applied, 1 some could not be applied, 2 wrong usage, 3 interrupted",
    )
    apply.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="corrections.json, as a report page saved it, or the id or folder of a dry run "
        "(default: the newest corrections in your folder for downloads, after asking)",
    )
    apply.add_argument(
        "--report",
        metavar="DIR",
        help="the report folder (default: where it was when the page was made; for a dry run "
        "that of the library you are in)",
    )
    apply.add_argument(
        "--library",
        metavar="FOLDER",
        help="root of the music: only files in it are written (default: the library of the "
        "report's run, if you made it)",
    )
    apply.add_argument(
        "-n", "--dry-run", action="store_true", help="list the files, change nothing"
    )
    add_options(apply, WritingOptions)
    add_output_arguments(apply)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from genrebeam.pipeline.runs.apply import look_up, rehearse
    from genrebeam.transforms.storage import absolute, path_of
    from genrebeam.transforms.tags.tag import TagPolicy

    if arguments.file is not None and _names_a_run(arguments.file):
        return _apply_run(arguments)
    corrections = _corrections(arguments)
    if corrections is None:
        return print_error("nothing was written", OK)
    report = absolute(arguments.report or path_of(corrections.report))
    library = None if arguments.library is None else absolute(arguments.library)
    known = look_up(corrections, report, library)
    for choice, reason in known.unknown[:_MOST_SHOWN]:
        print(f"{safe(choice.uri)}: {safe(reason)}", file=sys.stderr)
    options = options_from(arguments, WritingOptions)
    policy = TagPolicy(dry_run=arguments.dry_run, form=options.form, write=options.write)
    if arguments.dry_run:
        shown = [one for some in known.by_library.values() for one in some]
        return _tell_plan(rehearse(shown, policy), len(known.unknown), arguments)
    return _tell(_write(report, known, policy, arguments), known, report, arguments)


def _names_a_run(name: str) -> bool:
    return os.path.isdir(name) or not (os.path.exists(name) or name.endswith(".json"))


def _apply_run(arguments: argparse.Namespace) -> int:
    """Write what a dry run showed; say in a dry run what that would be now."""
    from genrebeam.pipeline.runs.apply import ResolvedChoices
    from genrebeam.pipeline.runs.lock import locked
    from genrebeam.pipeline.runs.plan import find_plan, write_plan, write_planned
    from genrebeam.transforms.storage import absolute

    name = os.path.normpath(arguments.file)
    # `latest` is a link to a run.
    folder, id = os.path.split(os.path.realpath(name) if os.path.islink(name) else name)
    named = arguments.report or (os.path.dirname(folder) if folder else None)
    report = report_folder(arguments, named, run=id)
    library = None if arguments.library is None else absolute(arguments.library)
    plan = find_plan(report, id, library)
    if arguments.dry_run:
        policy = plan.policy(dry_run=True)
        outcomes = [
            write_planned(row, plan.library, policy, plan.run.journal) for row in plan.rows()
        ]
        return _tell_plan(outcomes, 0, arguments, "file")
    with locked(plan.run.home) as note:
        watched = None if arguments.quiet else sys.stderr
        run, ended = write_plan(plan, note=note, watched=watched)
        try_write_page(run, ended)
    return _tell([(run, ended)], ResolvedChoices({}, ()), plan.run.home, arguments, "file")


def _corrections(arguments: argparse.Namespace) -> Corrections | None:
    """The corrections to apply; None where a person was asked and does not want them.

    Raises
    ------
    UsageError
        If there are none that can be read, or nobody can be asked.
    """
    from genrebeam.pipeline.runs.corrections import CorrectionsError, read_corrections

    if arguments.file is not None:
        try:
            return read_corrections(arguments.file)
        except CorrectionsError as error:
            raise UsageError(str(error)) from error
    import platformdirs

    folder = platformdirs.user_downloads_dir()
    newest = _newest(folder)
    if newest is None:
        raise UsageError(f"{folder}: has no corrections that a page has saved; name the file")
    what = _described(newest)
    if arguments.dry_run:
        print(safe(what), file=sys.stderr)
    elif not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"name the file; the newest is {newest.path}")
    elif not _is_wanted(what):
        return None
    return newest


def _newest(folder: str) -> Corrections | None:
    """The corrections in a folder that were saved last; a browser may have numbered their name."""
    from genrebeam.pipeline.runs.corrections import CorrectionsError, read_corrections

    paths = glob.glob(os.path.join(glob.escape(folder), "corrections*.json"))
    for path in sorted(filter(os.path.isfile, paths), key=_saved_at, reverse=True):
        with contextlib.suppress(CorrectionsError):
            return read_corrections(path)
    return None


def _saved_at(path: str) -> float:
    try:
        return os.path.getmtime(path)
    except OSError:  # deleted meanwhile
        return 0.0


def _described(corrections: Corrections) -> str:
    n_choices = len(corrections.choices)
    when = f"{datetime.datetime.fromtimestamp(_saved_at(corrections.path)):%Y-%m-%d %H:%M}"
    return (
        f"{corrections.path}, saved {when}: {counted(n_choices, 'choice')} "
        f"for the report {corrections.report}"
    )


def _is_wanted(what: str) -> bool:
    print(safe(what), file=sys.stderr)
    print("Apply them? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _write(
    report: str, known: ResolvedChoices, policy: TagPolicy, arguments: argparse.Namespace
) -> list[tuple[Run, RunResult]]:
    """Write the choices, in one run for each library, and leave the runs' pages."""
    from genrebeam.pipeline.runs.apply import write_choices
    from genrebeam.pipeline.runs.lock import locked

    watched = None if arguments.quiet else sys.stderr
    done = []
    with locked(report) as note:
        for library, shown in known.by_library.items():
            one, ended = write_choices(report, library, shown, policy, note=note, watched=watched)
            done.append((one, ended))
            try_write_page(one, ended)
            if ended.manifest["state"] == "interrupted":
                break
    return done


def _tell(
    done: list[tuple[Run, RunResult]],
    known: ResolvedChoices,
    report: str,
    arguments: argparse.Namespace,
    thing: str = "choice",
) -> int:
    counts: dict[str, int] = {}
    for _, ended in done:
        for status, n in ended.manifest["counts"].items():
            counts[status] = counts.get(status, 0) + n
        _name_left_alone(ended)
    _count_unknown(counts, len(known.unknown))
    if arguments.json:
        facts = {"runs": [one.id for one, _ in done], "report": printable(report)}
        print(json.dumps({**facts, "dry_run": False, "counts": counts}))
    elif not arguments.quiet:
        print(_counted(counts, thing))
        for one, _ in done:
            print(f"report: {safe(one.page)}")
            if any(True for _ in one.journal.lines()):
                print(f"undo: {safe(one.undo_command)}")
    if any(ended.manifest["state"] == "interrupted" for _, ended in done):
        return print_error("interrupted; the same command does the rest", INTERRUPTED)
    return SOME_FAILED if _is_any_left(counts) else OK


def _name_left_alone(ended: RunResult) -> None:
    left = [
        row
        for piece in ended.rows
        for row in piece.select(["uri", "status", "reason"]).to_pylist()
        if row["status"] in LEFT_ALONE
    ]
    for row in left[:_MOST_SHOWN]:
        print(f"{safe(row['uri'])}: {safe(row['reason'])}", file=sys.stderr)
    if len(left) > _MOST_SHOWN:
        print(f"and {len(left) - _MOST_SHOWN:,} more; see the report", file=sys.stderr)


def _tell_plan(
    outcomes: list[Outcome], n_unknown: int, arguments: argparse.Namespace, thing: str = "choice"
) -> int:
    """Print what would be written."""
    counts: dict[str, int] = {}
    files: list[dict[str, Any]] = []
    for outcome in outcomes:
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
        path, tags = printable(outcome.track.uri), outcome.track.tags
        if outcome.status in LEFT_ALONE:
            print(f"{safe(path)}: {safe(outcome.reason)}", file=sys.stderr)
        elif outcome.status == Status.WOULD_TAG:
            before = list(map(printable, tags.genres or tags.shadow))
            after = list(outcome.genres_after)
            files.append({"path": path, "genres": before, "becomes": after})
    _count_unknown(counts, n_unknown)
    if arguments.json:
        print(json.dumps({"runs": [], "dry_run": True, "counts": counts, "files": files}))
    elif not arguments.quiet:
        for file in files:
            change = f"{', '.join(file['genres']) or 'no genre'} -> {', '.join(file['becomes'])}"
            print(f"{safe(file['path'])}: {safe(change)}")
        print(_counted(counts, thing))
    return SOME_FAILED if _is_any_left(counts) else OK


def _count_unknown(counts: dict[str, int], n_unknown: int) -> None:
    if n_unknown:
        counts["unknown"] = n_unknown
        if n_unknown > _MOST_SHOWN:
            more = n_unknown - _MOST_SHOWN
            print(f"and {more:,} more that the report does not know", file=sys.stderr)


def _counted(counts: dict[str, int], thing: str) -> str:
    names = [*Status, "unknown"]
    parts = [f"{counts[name]:,} {name.replace('_', ' ')}" for name in names if counts.get(name)]
    total = sum(counts.values())
    return f"{counted(total, thing)}: {', '.join(parts) or 'nothing to do'}"


def _is_any_left(counts: dict[str, int]) -> bool:
    return any(counts.get(name) for name in (*LEFT_ALONE, "unknown"))
