"""The base of every error that reaches the user: which path, and why."""

from __future__ import annotations

from pathlib import Path


class PathError(Exception):
    """Something that cannot be used, and why.

    Parameters
    ----------
    reason : str
        One clause, without the path.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path = str(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
