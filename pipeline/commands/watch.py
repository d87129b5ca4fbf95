"""``genrebeam watch``: tag new music in a library as soon as it is complete."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

from genrebeam.model.extras import require
from genrebeam.pipeline.commands.command import add_command
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.option import add_options, count, declared_in
from genrebeam.pipeline.options.tagging import TaggingOptions

_MIN_AGE_S = 10


def add(commands: Any) -> None:
    """Declare the subcommand."""
    watch = add_command(
        commands,
        "watch",
        run,
        "tag new music in a library as soon as it is complete",
        "examples:\n"
        "  genrebeam watch ~/Music                     until Ctrl-C\n"
        "  genrebeam watch ~/Music --existing replace  with options of genrebeam tag\n"
        "  genrebeam watch /mnt/nas/Music --poll 300   look every 5 minutes\n"
        "  genrebeam watch ~/Music --once              wait for copies in progress, then end\n"
        "\n"
        "It takes the options of genrebeam tag, and reads their values from [tag] in\n"
        "configuration files. Each run prints what changed in one line, and each failure once.\n"
        "exit codes: 0 all fine, 1 some files failed (only with --once), 2 wrong usage,\n"
        "3 ended in the middle of a run",
        usage="genrebeam watch LIBRARY [OPTION ...]",
        takes_others=True,
    )
    watch.add_argument("library", metavar="LIBRARY", help="folder of music")
    watch.add_argument(
        "--once", action="store_true", help="exit when no file is still being written"
    )
    watch.add_argument(
        "--poll",
        metavar="SECONDS",
        type=count,
        help="poll for changes every SECONDS (default: the system reports them; 60 on network "
        "drives, where it cannot)",
    )
    add_options(watch, TaggingOptions)


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    from genrebeam.pipeline.runs.watching import POLL_S, Watch
    from genrebeam.transforms.storage.mounts import is_shared

    if not arguments.once:
        require("watch", "watch")
    library: str = arguments.library
    if "://" in library:
        raise UsageError(f"{library}: what is in a bucket cannot be watched")
    if not os.path.isdir(library):
        raise UsageError(f"{library}: no such folder")
    watch = Watch(library, [*_options(arguments), *others], arguments.min_age or _MIN_AGE_S)
    with watch.stopped_by_signals():
        if arguments.once:
            return watch.once()
        return watch.forever(arguments.poll or (POLL_S if is_shared(library) else None))


def _options(arguments: argparse.Namespace) -> Iterator[str]:
    """The options that are set, as `genrebeam tag` takes them; it looks others up by itself."""
    if arguments.config:
        yield from ("--config", arguments.config)
    if arguments.debug:
        yield "--debug"
    for one in declared_in(TaggingOptions):
        setting = arguments.settings.get(one.key)
        value = getattr(arguments, one.name)
        if one.name == "min_age" or (setting and setting.source == "default"):
            continue
        if one.is_flag:
            yield f"--{one.key}" if value else f"--no-{one.key}"
        elif value is not None:
            yield f"--{one.key}={','.join(value) if isinstance(value, tuple) else value}"
