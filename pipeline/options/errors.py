"""What is wrong with a command line, a configuration file or a folder that it names."""

from __future__ import annotations

from collections.abc import Sequence


class UsageError(Exception):
    """A request that cannot be met; its message is one line for the user."""


class UnknownArgumentError(UsageError):
    """Arguments that nobody declared."""

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(f"unknown option or argument: {' '.join(arguments)}")
        self.arguments = list(arguments)
