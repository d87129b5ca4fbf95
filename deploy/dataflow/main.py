"""The start of a Flex Template: its parameters become the command line of ``genrebeam tag``.

A template's parameters all come as ``--name=value``, with underscores, and with ``true`` or
``false`` for flags; see ``metadata.json``. Those that are not options of ours are Beam's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.options.option import declared_in
from genrebeam.pipeline.options.tagging import TaggingOptions


def command_line(parameters: Sequence[str]) -> list[str]:
    """Turn a template's parameters into arguments of ``genrebeam``.

    Parameters
    ----------
    parameters : sequence of str
        As the template's launcher gives them.

    Examples
    --------
    >>> command_line(["--top_k=2", "--library=gs://b/Music", "--dry_run=true", "--region=eu"])
    ['tag', '--top-k=2', 'gs://b/Music', '--dry-run', '--region=eu']
    """
    options = {option.key: option for option in declared_in(TaggingOptions)}
    arguments = ["tag"]
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        key = name.removeprefix("--").replace("_", "-")
        if key == "library":
            arguments.append(value)
        elif key not in options:
            arguments.append(parameter)
        elif options[key].is_flag:
            arguments.append(f"--{key}" if value == "true" else f"--no-{key}")
        else:
            arguments.append(f"--{key}={value}")
    return arguments


if __name__ == "__main__":
    sys.exit(main(command_line(sys.argv[1:])))
