"""What is wrong with a command line, a configuration file or a folder that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager


class UsageError(Exception):
    """A request that cannot be met; its message is one line for the user."""


class UnknownArgumentError(UsageError):
    """Arguments that nobody declared."""

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(f"unknown option or argument: {' '.join(arguments)}")
        self.arguments = list(arguments)


def reading(path: str | None = None) -> AbstractContextManager[None]:
    """If the block raises an `OSError`, say that the path, or the error's, cannot be read."""
    return _as_usage_error(path, "read")


def writing(path: str) -> AbstractContextManager[None]:
    """If the block raises an `OSError`, say that the path cannot be written."""
    return _as_usage_error(path, "written")


@contextlib.contextmanager
def _as_usage_error(path: str | None, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path or error.filename}: cannot be {what} ({error.strerror})"
        ) from error
