"""``genrebeam completion``: completion of commands, options and paths in a shell."""

from __future__ import annotations

import argparse
from typing import Any

from genrebeam.pipeline.commands.command import OK, add_command, no_others
from genrebeam.pipeline.options.config import commands_of

_SHELLS = ("bash", "zsh", "fish")


def add(commands: Any) -> None:
    """Declare the subcommand."""
    completion = add_command(
        commands,
        "completion",
        run,
        "print a script that completes commands and options in a shell",
        "examples:\n"
        "  genrebeam completion bash > ~/.local/share/bash-completion/completions/genrebeam\n"
        '  genrebeam completion zsh > "${fpath[1]}/_genrebeam"\n'
        "  genrebeam completion fish > ~/.config/fish/completions/genrebeam.fish",
    )
    completion.add_argument("shell", choices=_SHELLS, help="bash, zsh or fish")


def run(arguments: argparse.Namespace, others: list[str]) -> int:
    """Run the subcommand."""
    no_others(others)
    import shtab

    for command in commands_of(arguments.parser).values():
        for action in command._actions:
            if action.metavar in ("DIR", "REPORT_DIR", "BUNDLE"):
                vars(action)["complete"] = shtab.DIRECTORY
            elif action.metavar in ("FILE", "LIBRARY", "TRACK"):
                vars(action)["complete"] = shtab.FILE
    print(shtab.complete(arguments.parser, arguments.shell))
    return OK
