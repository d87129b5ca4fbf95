"""``genrebeam runs``: the runs of a report folder."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.commands.command import (
    OK,
    add_command,
    add_report_option,
    report_folder,
)
from genrebeam.pipeline.options.errors import reading
from genrebeam.pipeline.views.terminal import counted, safe
from genrebeam.transforms.records import Status

if TYPE_CHECKING:
    from genrebeam.pipeline.runs.run import Run


def add(commands: Any) -> None:
    """Declare the subcommand."""
    runs = add_command(
        commands,
        "runs",
        run,
        "list the runs, the oldest first",
        "examples:\n"
        "  genrebeam runs              runs on the library you are in\n"
        "  genrebeam runs --all        runs on all libraries\n"
        "  genrebeam runs --json | jq '.runs[-1].run'\n"
        "\n"
        "exit codes: 0 done, 2 wrong usage",
    )
    add_report_option(runs)
    runs.add_argument(
        "--all", action="store_true", help="the runs of all report folders in your state folder"
    )
    runs.add_argument("--json", action="store_true", help="print one JSON object, for scripts")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from genrebeam.pipeline.options.home import homes
    from genrebeam.pipeline.runs.run import runs_of

    if arguments.all:
        folders = [home.path for home in homes()]
    else:
        folders = [report_folder(arguments, arguments.report)]
    with reading():
        runs = [one for folder in folders for one in runs_of(folder)]
        runs.sort(key=lambda one: one.id)
        at_work = _may_be_at_work(runs)
        found = [_facts(one, at_work) for one in runs]
    if arguments.json:
        print(json.dumps({"runs": found}))
        return OK
    for facts in found:
        print(safe(_line(facts)))
    if not found:
        print(f"{safe(', '.join(folders) or 'your state folder')}: no run")
    return OK


def _may_be_at_work(runs: list[Run]) -> set[Run]:
    """Of runs, the oldest first, the newest of each report folder that is locked."""
    from genrebeam.pipeline.runs.lock import is_free

    newest = {one.home: one for one in runs}
    return {one for home, one in newest.items() if not is_free(home)}


def _facts(one: Run, at_work: set[Run]) -> dict[str, Any]:
    from genrebeam.pipeline.runs.changes import began, left

    known = one.read_manifest()
    state = known.get("state", "running")
    if state == "running" and one not in at_work:
        state = "killed"
    undone_at = known.get("undone_at")
    return {
        "run": one.id,
        "began": began(one).isoformat(),
        "library": known.get("library"),
        "report": one.home,
        "page": one.page if one.has_page else None,
        "command": known.get("command", "tag"),
        "dry_run": bool(known.get("options", {}).get("dry_run")),
        "state": state,
        "counts": known.get("counts", {}),
        "seconds": known.get("seconds"),
        "undone_at": undone_at,
        "left_to_undo": len(left(one)) if undone_at else None,
    }


def _line(facts: dict[str, Any]) -> str:
    from genrebeam.pipeline.runs.changes import shown

    counts = [
        f"{facts['counts'][status]:,} {status.replace('_', ' ')}"
        for status in Status
        if facts["counts"].get(status)
    ]
    notes = [facts["library"] or "library unknown", ", ".join(counts) or "no file"]
    if facts["command"] != "tag":
        notes.append(facts["command"])
    if facts["dry_run"]:
        notes.append("dry run")
    if facts["state"] != "finished":
        notes.append(facts["state"])
    if facts["undone_at"]:
        n_left = facts["left_to_undo"]
        rest = f", but {counted(n_left, 'file')}" if n_left else ""
        notes.append(f"undone {shown(facts['undone_at'])}{rest}")
    return f"{facts['run']}  {shown(facts['began'])}  {'; '.join(notes)}"
