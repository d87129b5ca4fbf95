"""``genrebeam completion``: completion of commands, options and paths in a shell."""

from __future__ import annotations

import argparse
from typing import Any

from genrebeam.pipeline.commands.command import OK, add_command
from genrebeam.pipeline.options.config import commands_of
from genrebeam.transforms.formats import FORMATS

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


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    import shtab

    for name, command in commands_of(arguments.parser).items():
        for action in command._actions:
            is_plan = (name, action.dest) == ("apply", "file")
            if is_plan or action.dest in ("bundle", "formats") or action.metavar == "ID":
                vars(action)["complete"] = _own(action)
            elif action.metavar in ("DIR", "REPORT_DIR", "BUNDLE", "FOLDER"):
                vars(action)["complete"] = shtab.DIRECTORY
            elif action.metavar in ("FILE", "LIBRARY", "TRACK"):
                vars(action)["complete"] = shtab.FILE
    preamble: Any = _preamble()  # shtab takes one for each shell, but says that it takes text
    print(shtab.complete(arguments.parser, arguments.shell, preamble=preamble))
    return OK


def _own(action: argparse.Action) -> dict[str, str]:
    """The functions of `_preamble` that complete an argument."""
    name = {"ID": "run", "FILE": "plan"}.get(str(action.metavar), action.dest)
    function = f"_genrebeam_{name}"
    return {"bash": function, "zsh": function, "fish": f"({function})"}


def _preamble() -> dict[str, str]:
    """Functions of shells: runs of the report folder here, bundles, formats."""
    from genrebeam.model.bundle import BUNDLES  # late: not needed for --help

    state = "${XDG_STATE_HOME:-$HOME/.local/state}/genrebeam/reports"
    folders = f'${{GENREBEAM_REPORT:+"$GENREBEAM_REPORT"}} "{state}"'
    ids = "-name tracks -prune -o -path '*/runs/*' -prune -print 2>/dev/null | sed 's|.*/||'"
    runs = f"find {folders} {ids}"
    words = {
        "run": f"$({runs})",
        "plan": f"$({runs})",
        "bundle": " ".join(sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())),
        "formats": " ".join(sorted(FORMATS)),
    }
    also_files = {
        "bundle": ('compgen -d -- "$1"', "_files -/"),
        "plan": ('compgen -f -- "$1"', "_files"),
    }
    bash, zsh, fish = [], [], []
    for name, known in words.items():
        also, files = also_files.get(name, ("", ""))
        listed = f'compgen -W "{known}" -- "$1"'
        bash.append(f"_genrebeam_{name}() {{ {listed}; {also or 'true'}; }}")
        zsh.append(f"_genrebeam_{name}() {{ compadd -- {known}; {files or 'true'} }}")
    # fish has no defaults of variables; within its quotes only these are escaped.
    find = runs.replace("'", "\\'")
    listed_by = {
        "run": f"sh -c '{find}'",
        "plan": f"sh -c '{find}'; __fish_complete_path",
        "bundle": f"printf '%s\\n' {words['bundle']}; __fish_complete_directories",
        "formats": f"printf '%s\\n' {words['formats']}",
    }
    for name, listed in listed_by.items():
        fish.append(f"function _genrebeam_{name}\n    {listed}\nend")
    return {"bash": "\n".join(bash), "zsh": "\n".join(zsh), "fish": "\n".join(fish)}
