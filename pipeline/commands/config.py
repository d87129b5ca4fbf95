"""``genrebeam config``: which options are in force, and from where."""

from __future__ import annotations

import argparse
import dataclasses
import json
import textwrap
from typing import Any

from pipeline.commands.command import OK, add_command, no_others
from pipeline.settings.config import (
    LIBRARY_KEYS,
    commands_of,
    in_force,
    options_of,
    toml_lines,
    user_file,
)
from pipeline.views.terminal import safe


def add(commands: Any) -> None:
    """Declare the subcommand."""
    keys = textwrap.fill(", ".join(sorted(LIBRARY_KEYS)), 88, break_on_hyphens=False)
    config = add_command(
        commands,
        "config",
        run,
        "print which options are in force, and from where",
        "examples:\n"
        "  genrebeam config            what holds for every library\n"
        "  genrebeam config ~/Music    what holds for this one\n"
        "  genrebeam config --json     for scripts\n"
        "\n"
        "What an option is comes from the first of these that sets it:\n"
        "  1. the command line; --no-dry-run takes back a flag that was set below\n"
        "  2. the environment: GENREBEAM_EXISTING=merge, GENREBEAM_DRY_RUN=true\n"
        "  3. the file that --config or GENREBEAM_CONFIG names\n"
        "  4. genrebeam.toml in the library\n"
        "  5. genrebeam.toml in your configuration folder\n"
        "  6. its default\n"
        "\n"
        "A file has a table for each command, with its options by name:\n"
        "  [tag]\n"
        '  existing = "merge"\n'
        '  treat-as-missing = ["Other", "Misc"]\n'
        "  dry-run = true\n"
        "Paths in it are relative to its folder. A library may come from others, so that its\n"
        f"file can only set\n{keys}.\n"
        "exit codes: 0 fine, 2 something in a file or the environment is wrong",
    )
    config.add_argument("library", metavar="LIBRARY", nargs="?", help="folder of music")
    config.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    commands = commands_of(arguments.parser)
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
    print(f"# your own would be {safe(user_file())}")
    for name, table in tables.items():
        print(f"\n[{name}]")
        for line in toml_lines(table):
            print(safe(line))
    return OK
