"""What is wrong with a command line, a configuration file or a folder that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence


class UsageError(Exception):
    """A request that cannot be met; its message is one line for the user."""


class UnknownArgumentError(UsageError):
    """Arguments that nobody declared."""

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(f"unknown option or argument: {' '.join(arguments)}")
        self.arguments = list(arguments)


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Raise a `UsageError` that names the path if the block raises an `OSError`."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Raise a `UsageError` that names the path if the block raises an `OSError`."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
