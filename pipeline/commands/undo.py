"""``genrebeam undo``: restore the files that a run changed."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.commands.command import (
    OK,
    SOME_FAILED,
    add_command,
    add_output_arguments,
    no_others,
)
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.views.terminal import safe, tracked

if TYPE_CHECKING:
    from genrebeam.pipeline.runs.changes import Entry
    from genrebeam.pipeline.runs.run import Run
    from genrebeam.transforms.tags.undo import Undone


def add(commands: Any) -> None:
    """Declare the subcommand."""
    undo = add_command(
        commands,
        "undo",
        run,
        "restore files as they were before a run",
        "examples:\n"
        "  genrebeam undo genre-report --dry-run   list what would be restored\n"
        "  genrebeam undo genre-report             undo the latest run that changed files\n"
        "  genrebeam undo genre-report --status    list the runs that changed files\n"
        "  genrebeam undo genre-report --run 20261120T101500.123Z-3fa9\n"
        "  genrebeam undo genre-report --since 2026-11-20\n"
        "  genrebeam undo genre-report --track song.mp3 --album 'Kind of Blue'\n"
        "\n"
        "Files are restored byte for byte. A file that somebody else has changed since is left\n"
        "alone and listed. A file that was moved is recognised by its content. Undoing twice\n"
        "does no harm.\n"
        "exit codes: 0 all restored, 1 some could not be restored, 2 wrong usage",
    )
    undo.add_argument("report", metavar="REPORT_DIR", help="the report folder")
    which = undo.add_mutually_exclusive_group()
    which.add_argument(
        "--run", metavar="ID", default=None, help="undo this run (default: the latest that fits)"
    )
    which.add_argument(
        "--since", metavar="DATE", default=None, help="undo all runs since a date or time"
    )
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
        default=None,
        help="folder to search for files that were moved (default: the run's library)",
    )
    undo.add_argument("--dry-run", action="store_true", help="list the files, change nothing")
    add_output_arguments(undo)


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    from genrebeam.pipeline.runs.changes import Selection, moment
    from genrebeam.pipeline.runs.lock import locked
    from genrebeam.transforms.storage import absolute

    report = absolute(arguments.report)
    if arguments.status:
        return _show_runs(report, arguments)
    selection = Selection(
        arguments.run,
        moment(arguments.since) if arguments.since else None,
        tuple(map(absolute, arguments.track)),
        tuple(arguments.album),
    )
    counts: dict[str, int] = {}
    files: list[dict[str, Any]] = []
    with contextlib.nullcontext() if arguments.dry_run else locked(report):
        try:
            chosen = selection.find(report)
        except OSError as error:
            raise UsageError(f"{report}: {error.strerror}; nothing undone") from error
        for one, entries in chosen:
            try:
                if not arguments.dry_run:
                    one.mark_undone()
            except OSError as error:
                raise UsageError(f"{one.folder}: {error.strerror}; nothing undone") from error
            for entry, undone in _undo(one, entries, arguments):
                counts[undone.status] = counts.get(undone.status, 0) + 1
                if undone.status in ("changed", "failed"):
                    where = undone.path or one.journal.path
                    print(f"{safe(where)}: {safe(undone.reason)}", file=sys.stderr)
                elif undone.status == "would_restore":
                    files.append(_listed(one, entry, undone))
    _tell(arguments, [one.id for one, _ in chosen], counts, files)
    return SOME_FAILED if counts.get("changed") or counts.get("failed") else OK


def _undo(
    run: Run, entries: list[Entry], arguments: argparse.Namespace
) -> Iterator[tuple[Entry, Undone]]:
    """Undo the changes of a run, the last one first, and record what was restored."""
    from genrebeam.transforms.storage import absolute
    from genrebeam.transforms.tags.undo import Elsewhere, undo

    library = arguments.library or (run.read_manifest() or {}).get("library") or ""
    library = absolute(library) if library else ""
    elsewhere = Elsewhere(library, [entry["path"] for entry in entries if "path" in entry])
    watched = None if arguments.quiet else sys.stderr
    for entry in tracked(list(reversed(entries)), len(entries), watched):
        undone = undo(entry, dry_run=arguments.dry_run, elsewhere=elsewhere)
        if undone.status == "restored":
            # The file is restored: a full disk now does not make that a failure.
            with contextlib.suppress(OSError):
                run.undone({"path": entry["path"], "found_at": undone.path})
        yield entry, undone


def _listed(run: Run, entry: Entry, undone: Undone) -> dict[str, Any]:
    return {
        "run": run.id,
        "path": undone.path,
        "genres": entry.get("genres_after", []),
        "restored_to": entry.get("genres_before", []),
        "note": undone.reason,
    }


def _tell(
    arguments: argparse.Namespace,
    ids: list[str],
    counts: dict[str, int],
    files: list[dict[str, Any]],
) -> None:
    if arguments.json:
        told = {"run": ids[0], "runs": ids, "dry_run": arguments.dry_run, "counts": counts}
        print(json.dumps({**told, "files": files} if arguments.dry_run else told))
        return
    if arguments.quiet:
        return
    for file in files:
        change = " -> ".join(", ".join(file[of]) or "no genre" for of in ("genres", "restored_to"))
        note = f" ({file['note']})" if file["note"] else ""
        print(f"{safe(file['path'])}: {safe(change)}{safe(note)}")
    parts = [f"{n:,} {status.replace('_', ' ')}" for status, n in sorted(counts.items())]
    runs = f"run {ids[0]}" if len(ids) == 1 else f"{len(ids)} runs"
    print(f"{runs}: {', '.join(parts) or 'changed no file'}")


def _show_runs(report: str, arguments: argparse.Namespace) -> int:
    """List the runs that changed files, and what was undone."""
    from genrebeam.pipeline.runs.changes import began, shown
    from genrebeam.pipeline.runs.run import runs_of

    found = []
    try:
        for one in runs_of(report):
            n_changed = sum(1 for _ in one.journal.lines())
            if n_changed:
                facts = one.read_manifest() or {}
                found.append(
                    {
                        "run": one.id,
                        "began": began(one).isoformat(),
                        "library": facts.get("library"),
                        "changed": n_changed,
                        "restored": sum(1 for _ in one.undone.lines()),
                        "undone_at": facts.get("undone_at"),
                    }
                )
    except OSError as error:
        raise UsageError(f"{report}: cannot be read ({error.strerror})") from error
    if arguments.json:
        print(json.dumps({"runs": found}))
        return OK
    for facts in found:
        taken = ""
        if facts["undone_at"]:
            taken = f", {facts['restored']:,} restored {shown(facts['undone_at'])}"
        line = f"{shown(facts['began'])}, {facts['changed']:,} files changed{taken}"
        print(f"{facts['run']}: {line}, {safe(facts['library'] or 'library unknown')}")
    if not found:
        print(f"{safe(report)}: no run has changed files")
    return OK
