"""``genrebeam history``: every genre that a file has had."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
from typing import TYPE_CHECKING, Any

from genrebeam.pipeline.commands.command import (
    OK,
    SOME_FAILED,
    add_command,
    add_report_option,
    print_error,
    report_folder,
)
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.views.terminal import safe

if TYPE_CHECKING:
    from genrebeam.pipeline.runs.history import Event

_WORDS = {
    "found": "found with",
    "tagged": "tagged",
    "would_tag": "would be tagged",
    "given_back": "restored to",
    "now": "has now",
}


def add(commands: Any) -> None:
    """Declare the subcommand."""
    history = add_command(
        commands,
        "history",
        run,
        "show every genre that a file has had, when, and from which model",
        "examples:\n"
        "  genrebeam history ~/Music/song.mp3\n"
        "  genrebeam history song.mp3 --report nas/genre-report --json\n"
        "\n"
        "A file that was moved is recognised by its content.\n"
        "exit codes: 0 done, 1 no run has seen the file, 2 wrong usage",
    )
    history.add_argument(
        "file", metavar="FILE", help="path of the file, now or at any earlier time"
    )
    add_report_option(history)
    history.add_argument("--json", action="store_true", help="print one JSON object, for scripts")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    import pyarrow as pa

    from genrebeam.pipeline.runs.history import history_of, now
    from genrebeam.transforms.storage import absolute

    path = absolute(arguments.file)
    report = report_folder(arguments, arguments.report, near=path)
    try:
        events = history_of(path, report)
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{report}: cannot be read ({reason})") from error
    if not events:
        return print_error(f"{path}: not in any run in {report}", SOME_FAILED)
    present = now(path, datetime.datetime.now(datetime.UTC).isoformat())
    events += [present] if present else []
    if arguments.json:
        print(json.dumps({"file": path, "events": [dataclasses.asdict(event) for event in events]}))
    else:
        for event in events:
            print(safe(_line(event, path)))
    return OK


def _line(event: Event, path: str) -> str:
    from genrebeam.pipeline.runs.changes import shown

    facts = []
    if event.model:
        sure = "" if event.confidence is None else f", {100 * event.confidence:.0f} % sure"
        facts.append(f"{event.model}{sure}")
    if event.run:
        facts.append(f"run {event.run}")
    if event.path != path:
        facts.append(f"as {event.path}")
    genres = ", ".join(event.genres) or "no genre"
    note = f"  ({'; '.join(facts)})" if facts else ""
    return f"{shown(event.time)}  {_WORDS[event.what]} {genres}{note}"
