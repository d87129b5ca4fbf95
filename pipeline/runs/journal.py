"""The journal of a run: every change, recorded before it happens."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

from genrebeam.transforms.storage import storage_of


class Journal:
    """Records changes before they happen, one JSON line each.

    Parameters
    ----------
    path : str
        In a bucket, a folder of that name without its ending, with one object for each line.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def lines(self) -> Iterator[str]:
        """The lines so far; none if there is no journal."""
        return storage_of(self.path).lines(self.path)

    def __call__(self, change: dict[str, Any]) -> None:
        # Undecodable bytes of paths are ``\\udcxx`` escapes, as `os.fsdecode` has them.
        line = f"{json.dumps({'time': now(), **change})}\n".encode("ascii")
        storage_of(self.path).append(self.path, line)


def now() -> str:
    """The present time for manifests and journals: ISO 8601, UTC, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
