"""The journal of a run: every change, noted before it happens."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

from transforms.storage import storage_of


class Journal:
    """Notes changes, one JSON line each, before they happen.

    Parameters
    ----------
    path : str
        In a bucket, of a folder without the ending, with one object per line.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def lines(self) -> Iterator[str]:
        """What was noted so far; nothing where there is no journal."""
        return storage_of(self.path).lines(self.path)

    def __call__(self, change: dict[str, Any]) -> None:
        # Undecodable bytes of paths are ``\\udcxx`` escapes, as `os.fsdecode` has them.
        line = f"{json.dumps({'time': now(), **change})}\n".encode("ascii")
        storage_of(self.path).append(self.path, line)


def now() -> str:
    """The time, as manifests and journals have it: ISO 8601, UTC, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
