"""ExternalJoin: values of several sources by key, in memory that does not grow with them.

On one machine, what ``CoGroupByKey`` does on an engine. This many values stay in memory; beyond
that they go to files, each for some of the keys, which are read back one after the other.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, BinaryIO

_MOST_IN_MEMORY = 100_000
_FILES = 128

Groups = dict[str, dict[str, list[Any]]]


class ExternalJoin:
    """Collects values by key; a context manager that owns its files.

    Parameters
    ----------
    workplace : str
        Folder with room for what does not stay in memory.
    pack : callable
        Makes a value of plain ones for JSON; by default it is plain.
    unpack : callable
        Takes the source and what `pack` made, returns the value.

    Examples
    --------
    >>> with ExternalJoin(("listed", "earlier"), "/tmp") as match:
    ...     match.add("listed", "a.mp3", 1)
    ...     match.add("earlier", "a.mp3", 2)
    ...     list(match.groups())
    [('a.mp3', {'listed': [1], 'earlier': [2]})]
    """

    def __init__(
        self,
        sources: tuple[str, ...],
        workplace: str,
        pack: Callable[[Any], Any] = lambda value: value,
        unpack: Callable[[str, Any], Any] = lambda source, plain: plain,
    ) -> None:
        self.sources = sources
        self.workplace = workplace
        self._pack, self._unpack = pack, unpack
        self._held: list[tuple[str, str, Any]] = []
        self._files: list[BinaryIO] = []
        self._open = contextlib.ExitStack()

    def __enter__(self) -> ExternalJoin:
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
            yield from self._grouped(self._batches(file))

    def _spill(self) -> None:
        if not self._files:
            self._files = [
                self._open.enter_context(tempfile.TemporaryFile(dir=self.workplace))  # noqa: SIM115
                for _ in range(_FILES)
            ]
        parts: list[list[tuple[str, str, Any]]] = [[] for _ in self._files]
        for source, key, value in self._held:
            parts[hash(key) % _FILES].append((source, key, self._pack(value)))
        for file, part in zip(self._files, parts, strict=True):
            if part:
                # A name may have bytes that are no text: escapes in JSON.
                file.write(f"{json.dumps(part)}\n".encode("ascii"))
        self._held = []

    def _batches(self, file: BinaryIO) -> Iterator[list[tuple[str, str, Any]]]:
        for line in file:
            yield [
                (source, key, self._unpack(source, plain))
                for source, key, plain in json.loads(line)
            ]

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
