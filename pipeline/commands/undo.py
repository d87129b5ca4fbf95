"""``genrebeam undo``: restore the files that a run changed."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.commands.command import (
    OK,
    REPORT_HERE,
    SOME_FAILED,
    add_command,
    add_output_arguments,
    add_report_option,
    report_folder,
)
from genrebeam.pipeline.options.errors import UsageError, reading
from genrebeam.pipeline.views.terminal import counted, safe, tracked

if TYPE_CHECKING:
    from genrebeam.pipeline.runs.changes import Entry
    from genrebeam.pipeline.runs.run import Run
    from genrebeam.pipeline.runs.undo import Undone, UndoScope

# What becomes of files that stay as they are, each of which is listed.
_LEFT = {"changed", "gone", "failed"}
_WORDS = {
    "as_before": "as before",
    "changed": "left alone (changed since)",
    "gone": "no longer there",
    "would_restore": "would restore",
}


def add(commands: Any) -> None:
    """Declare the subcommand."""
    undo = add_command(
        commands,
        "undo",
        run,
        "restore files as they were before a run",
        "examples:\n"
        "  genrebeam undo --dry-run   list what would be restored\n"
        "  genrebeam undo             undo the latest run that is not undone yet\n"
        "  genrebeam undo --status    list the runs that changed files\n"
        "  genrebeam undo --run 20261120T101500.123Z-3fa9\n"
        "  genrebeam undo --since 2026-11-20\n"
        "  genrebeam undo --track song.mp3 --album 'Kind of Blue'\n"
        "\n"
        "Files are restored byte for byte. A file that somebody else has changed since is left\n"
        "alone and listed. A file that was moved is recognised by its content. The next undo\n"
        "takes back the run before. A report that another person or machine has made needs\n"
        "--library: nothing outside of it is changed.\n"
        "exit codes: 0 all restored, 1 some could not be restored, 2 wrong usage",
    )
    folder = undo.add_mutually_exclusive_group()
    folder.add_argument(
        "folder", metavar="REPORT_DIR", nargs="?", help=f"the report folder ({REPORT_HERE})"
    )
    add_report_option(folder)
    which = undo.add_mutually_exclusive_group()
    which.add_argument("--run", metavar="ID", help="undo this run (default: the latest that fits)")
    which.add_argument("--since", metavar="DATE", help="undo all runs since a date or time")
    which.add_argument(
        "--status", action="store_true", help="list the runs that changed files, change nothing"
    )
    undo.add_argument(
        "--track",
        metavar="FILE",
        action="append",
        default=[],
        help="only this file, or the files of this folder; can be repeated",
    )
    undo.add_argument(
        "--album",
        metavar="NAME",
        action="append",
        default=[],
        help="only files of this album, as their tags name it; can be repeated",
    )
    undo.add_argument(
        "--library",
        metavar="FOLDER",
        help="root of the music: only files in it are restored, also those that were moved "
        "(default: the run's library)",
    )
    undo.add_argument("-n", "--dry-run", action="store_true", help="list the files, change nothing")
    add_output_arguments(undo)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from genrebeam.pipeline.options.home import folder_here
    from genrebeam.pipeline.runs.changes import (
        Selection,
        check_has_runs,
        moment,
        next_to_undo,
        place_of,
    )
    from genrebeam.pipeline.runs.lock import locked
    from genrebeam.transforms.records import reason_of
    from genrebeam.transforms.storage import absolute

    report = report_folder(
        arguments,
        arguments.report or arguments.folder,
        near=next(iter(arguments.track), None),
        run=arguments.run,
    )
    if arguments.status:
        return _show_runs(report, arguments)
    is_plain = not (arguments.report or arguments.folder or arguments.run or arguments.track)
    near = folder_here(report) if is_plain else ""
    selection = Selection(
        arguments.run,
        moment(arguments.since) if arguments.since else None,
        tuple(map(absolute, arguments.track)),
        tuple(arguments.album),
        near=near,
    )
    counts: dict[str, int] = {}
    files: list[dict[str, Any]] = []
    try:
        check_has_runs(report)
        with contextlib.nullcontext() if arguments.dry_run else locked(report):
            chosen = selection.find(report)
            places = [place_of(one, entries, arguments.library) for one, entries in chosen]
            for (one, entries), place in zip(chosen, places, strict=True):
                if not arguments.dry_run:
                    one.mark_undone()
                for entry, undone in _undo(one, entries, place, arguments):
                    counts[undone.status] = counts.get(undone.status, 0) + 1
                    if undone.status in _LEFT:
                        where = undone.path or one.journal.path
                        print(f"{safe(where)}: {safe(undone.reason)}", file=sys.stderr)
                    elif undone.status == "would_restore":
                        files.append(_listed(one, entry, undone))
        following = None if arguments.dry_run else next_to_undo(report, near)
    except OSError as error:
        raise UsageError(f"{report}: {reason_of(error)}; nothing undone") from error
    _tell(arguments, [one.id for one, _ in chosen], counts, files, following)
    return SOME_FAILED if counts.keys() & _LEFT else OK


def _undo(
    run: Run, entries: Sequence[Entry], place: UndoScope, arguments: argparse.Namespace
) -> Iterator[tuple[Entry, Undone]]:
    """Undo the changes of a run, the last one first, and record what became of them."""
    from genrebeam.pipeline.runs.changes import GONE, changed_later, seen_beside
    from genrebeam.pipeline.runs.journal import Note, now, read_notes
    from genrebeam.pipeline.runs.undo import MovedFiles, undo
    from genrebeam.transforms.tags.change import Change

    moved = MovedFiles(place.library, functools.partial(seen_beside, run))
    undone_before = {note.path for note in read_notes(run.undone) if note.status == "restored"}
    later: dict[str, str] | None = None
    # What is gone is noted only where the library is there.
    settled = {"restored", "as_before", "changed", *((GONE,) if moved.folder else ())}
    watched = None if arguments.quiet else sys.stderr
    for entry in tracked(list(reversed(entries)), len(entries), watched):
        undone = undo(entry, dry_run=arguments.dry_run, moved=moved, place=place)
        if undone.status == "changed" and isinstance(entry, Change):
            later = changed_later(run) if later is None else later
            if entry.path in undone_before:
                undone = dataclasses.replace(undone, status="as_before", reason="undone already")
            elif entry.path in later:
                # No other has changed it: one of ours, which has to be undone first.
                by = f"changed by run {later[entry.path]} since; undo that one first"
                undone = dataclasses.replace(undone, status="failed", reason=by)
        if isinstance(entry, Change) and undone.status in settled:
            note = Note(entry.path, undone.path, now(), undone.status)
            # A file is restored: a full disk now does not make that a failure.
            with contextlib.suppress(OSError):
                if not arguments.dry_run:
                    run.undone.append(note.to_line())
        yield entry, undone


def _listed(run: Run, entry: Entry, undone: Undone) -> dict[str, Any]:
    return {
        "run": run.id,
        "path": undone.path,
        "genres": getattr(entry, "genres_after", ()),
        "restored_to": getattr(entry, "genres_before", ()),
        "note": undone.reason,
    }


def _tell(
    arguments: argparse.Namespace,
    ids: list[str],
    counts: dict[str, int],
    files: list[dict[str, Any]],
    following: tuple[Run, int] | None,
) -> None:
    if arguments.json:
        facts = {"run": ids[0] if ids else None, "runs": ids, "dry_run": arguments.dry_run}
        facts |= {"counts": counts, "next": following and following[0].id}
        print(json.dumps({**facts, "files": files} if arguments.dry_run else facts))
        return
    if arguments.quiet:
        return
    for file in files:
        change = " -> ".join(", ".join(file[of]) or "no genre" for of in ("genres", "restored_to"))
        note = f" ({file['note']})" if file["note"] else ""
        print(f"{safe(file['path'])}: {safe(change)}{safe(note)}")
    parts = [f"{n:,} {_WORDS.get(status, status)}" for status, n in sorted(counts.items())]
    runs = f"run {safe(ids[0])}" if len(ids) == 1 else counted(len(ids), "run")
    print(f"{runs}: {', '.join(parts) or 'changed no file'}" if ids else "undone already")
    if following:
        run, n_left = following
        files_left = f"{counted(n_left, 'file')}"
        print(f"left to undo: {files_left} of run {safe(run.id)} with the next undo")
    elif not arguments.dry_run:
        print("nothing is left to undo")


def _show_runs(report: str, arguments: argparse.Namespace) -> int:
    """List the runs that changed files, and what was undone."""
    from genrebeam.pipeline.runs.changes import began, shown
    from genrebeam.pipeline.runs.journal import read_notes
    from genrebeam.pipeline.runs.run import runs_of
    from genrebeam.transforms.tags.change import Change

    found: list[dict[str, Any]] = []
    with reading(report):
        for one in runs_of(report):
            n_changed = sum(isinstance(change, Change) for change in one.journal.changes())
            if n_changed:
                known = one.read_manifest()
                found.append(
                    {
                        "run": one.id,
                        "began": began(one).isoformat(),
                        "library": known.get("library"),
                        "changed": n_changed,
                        "restored": sum(
                            note.status == "restored" for note in read_notes(one.undone)
                        ),
                        "undone_at": known.get("undone_at"),
                    }
                )
    if arguments.json:
        print(json.dumps({"runs": found}))
        return OK
    for facts in found:
        taken = ""
        if facts["undone_at"]:
            taken = f", {facts['restored']:,} restored {shown(facts['undone_at'])}"
        line = f"{shown(facts['began'])}, {counted(facts['changed'], 'file')} changed{taken}"
        print(f"{safe(facts['run'])}: {line}, {safe(facts['library'] or 'library unknown')}")
    if not found:
        print(f"{safe(report)}: no run has changed files")
    return OK
