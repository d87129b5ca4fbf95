"""``genrebeam config``: the value of each option, and where it comes from."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import textwrap
from typing import Any

from genrebeam.pipeline.commands.command import OK, add_command
from genrebeam.pipeline.options.config import (
    LIBRARY_KEYS,
    commands_of,
    in_force,
    options_of,
    toml_lines,
    user_file,
)
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.views.terminal import safe


def add(commands: Any) -> None:
    """Declare the subcommand."""
    keys = textwrap.fill(", ".join(sorted(LIBRARY_KEYS)), 88, break_on_hyphens=False)
    config = add_command(
        commands,
        "config",
        run,
        "print the value of each option, and where it comes from",
        "examples:\n"
        "  genrebeam config            options for every library\n"
        "  genrebeam config ~/Music    options for this library\n"
        "  genrebeam config --json     for scripts\n"
        "\n"
        "The first of these that sets an option counts:\n"
        "  1. the command line; --no-dry-run and the like turn a flag off again\n"
        "  2. the environment: GENREBEAM_EXISTING=merge, GENREBEAM_DRY_RUN=true\n"
        "  3. the file that --config or GENREBEAM_CONFIG names\n"
        "  4. genrebeam.toml in the library\n"
        "  5. genrebeam.toml in your configuration folder\n"
        "  6. its default\n"
        "\n"
        "A file has a table for each command. Its keys are the names of options:\n"
        "  [tag]\n"
        '  existing = "merge"\n'
        '  treat-as-missing = ["Other", "Misc"]\n'
        "  dry-run = true\n"
        "Relative paths start at the folder of the file. You may have got a library from\n"
        f"somebody else, so the file in it can only set\n{keys}.\n"
        "exit codes: 0 fine, 2 a file or a variable is wrong",
    )
    config.add_argument("library", metavar="LIBRARY", nargs="?", help="folder of music")
    config.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    commands = commands_of(arguments.parser)
    library = arguments.library
    if library and "://" not in library and not os.path.exists(library):
        raise UsageError(f"{library}: no such folder")
    files = [layer.path for layer in arguments.layers if layer.path]
    tables = {
        name: in_force(commands, name, arguments.layers)
        for name, command in commands.items()
        if options_of(command)
    }
    if arguments.json:
        settings = {
            name: {key: dataclasses.asdict(setting) for key, setting in table.items()}
            for name, table in tables.items()
        }
        print(json.dumps({"files": [safe(file) for file in files], **settings}))
        return OK
    print(f"# files read: {safe(', '.join(files)) or 'none'}")
    print(f"# your own file: {safe(user_file())}")
    for name, table in tables.items():
        print(f"\n[{name}]")
        for line in toml_lines(table):
            print(safe(line))
    return OK
