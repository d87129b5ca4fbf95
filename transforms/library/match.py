"""Match: values of several sources by key, in memory that does not grow with them.

On one machine, what ``CoGroupByKey`` does on an engine. So many values stay in memory; beyond
that they go to files, each for some of the keys, which are read back one after the other.
"""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO

_MOST_IN_MEMORY = 100_000
_FILES = 128

Groups = dict[str, dict[str, list[Any]]]


class Match:
    """Collects values by key; a context manager that owns its files.

    Parameters
    ----------
    sources : tuple of str
    workplace : str
        Folder with room for what does not stay in memory.

    Examples
    --------
    >>> with Match(("listed", "earlier"), "/tmp") as match:
    ...     match.add("listed", "a.mp3", 1)
    ...     match.add("earlier", "a.mp3", 2)
    ...     list(match.groups())
    [('a.mp3', {'listed': [1], 'earlier': [2]})]
    """

    def __init__(self, sources: tuple[str, ...], workplace: str) -> None:
        self.sources = sources
        self.workplace = workplace
        self._held: list[tuple[str, str, Any]] = []
        self._files: list[BinaryIO] = []
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Match:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()
        self._held, self._files = [], []

    def add(self, source: str, key: str, value: Any) -> None:
        """Add a value.

        Raises
        ------
        OSError
            If the disk is full.
        """
        self._held.append((source, key, value))
        if len(self._held) >= _MOST_IN_MEMORY:
            self._spill()

    def groups(self) -> Iterator[tuple[str, dict[str, list[Any]]]]:
        """All keys, each with the values of every source; call it once, at the end."""
        if not self._files:
            yield from self._grouped([self._held])
            return
        self._spill()
        for file in self._files:
            file.seek(0)
            yield from self._grouped(unpickled(file))

    def _spill(self) -> None:
        if not self._files:
            self._files = [
                self._open.enter_context(tempfile.TemporaryFile(dir=self.workplace))  # noqa: SIM115
                for _ in range(_FILES)
            ]
        parts: list[list[tuple[str, str, Any]]] = [[] for _ in self._files]
        for item in self._held:
            parts[hash(item[1]) % _FILES].append(item)
        for file, part in zip(self._files, parts, strict=True):
            if part:
                pickle.dump(part, file, pickle.HIGHEST_PROTOCOL)
        self._held = []

    def _grouped(
        self, batches: Iterator[list[tuple[str, str, Any]]] | list[list[tuple[str, str, Any]]]
    ) -> Iterator[tuple[str, dict[str, list[Any]]]]:
        groups: Groups = {}
        for batch in batches:
            for source, key, value in batch:
                if key not in groups:
                    groups[key] = {name: [] for name in self.sources}
                groups[key][source].append(value)
        yield from groups.items()


def unpickled(file: BinaryIO) -> Iterator[Any]:
    """All that was pickled into a file, one after the other."""
    while True:
        try:
            yield pickle.load(file)
        except EOFError:
            return
