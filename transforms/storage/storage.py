"""What every storage can do: a disk, or buckets of one kind.

Music is read, and changed on condition that nobody else has changed it. What runs leave appears
whole or not at all. Paths are joined with a slash everywhere.
"""

from __future__ import annotations

import datetime
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

# First byte of a part of a file, and the one behind its last.
Span = tuple[int, int]


class ChangedMeanwhile(OSError):
    """A file that is not the version that it was to be."""


class Held(Exception):
    """A lock that another holds.

    Parameters
    ----------
    note : bytes
        What the other noted.
    advice : str
        How a person removes the lock of one that was killed; empty where it goes by itself.
    """

    def __init__(self, note: bytes, advice: str = "") -> None:
        super().__init__(note, advice)
        self.note = note
        self.advice = advice


@dataclass(frozen=True)
class Found:
    """A file as it was at one time.

    Parameters
    ----------
    uri : str
        Where it is; of a link, where it leads.
    size : int
        In bytes.
    mtime_ns : int
        When its content was written, in ns. A bucket tells seconds; there, what is below a
        second tells the version, so that two contents of one second differ.
    version : Any
        Equal only for the same content of the same file.
    n_names : int
        Hard links on a disk.
    properties : dict
        What an upload would reset, by the names of the storage's client. Those of a listing are
        not complete.
    """

    uri: str
    size: int
    mtime_ns: int
    version: Any
    n_names: int = 1
    properties: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def encoding(self) -> str | None:
        """How the content is packed, such as gzip."""
        names = ("content_encoding", "ContentEncoding")
        return next((self.properties[name] for name in names if self.properties.get(name)), None)


class Storage(ABC):
    """A disk, or buckets of one kind. Every method may raise `OSError`."""

    # --- paths ---

    @abstractmethod
    def absolute(self, path: str) -> str:
        """A path that means the same wherever it is read."""

    @abstractmethod
    def real(self, path: str) -> str:
        """The path that a link stands for."""

    @abstractmethod
    def relative(self, path: str, folder: str) -> str:
        """A path as it is seen from a local folder, where it can be."""

    @abstractmethod
    def has_folder(self, path: str) -> bool:
        """Whether a folder is there; in a bucket every folder is taken to be."""

    # --- what runs leave ---

    @abstractmethod
    def files_in(self, folder: str) -> list[str]:
        """Paths of the files in a folder, by name; none where there is no such folder."""

    @abstractmethod
    def folders_in(self, folder: str) -> list[str]:
        """Names of the folders in a folder, not of links; in a bucket none where it is missing."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Content of a file."""

    @property
    @abstractmethod
    def reader(self) -> Callable[[str], bytes] | None:
        """Reads a file in place of `open`, which cannot; importable by name. None on a disk."""

    @abstractmethod
    def opened(self, paths: Iterable[str]) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        """Files to be read one after the other: path, and what opens it or raises `OSError`."""

    @abstractmethod
    def writing(
        self, path: str, workplace: str | None = None, below: str | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Write a file, which is there at the end of the block; one that is there is replaced.

        Parameters
        ----------
        workplace : str, optional
            Folder on the same disk where it is until it is whole; by default its own.
        below : str, optional
            A folder below which no folder on the way may be a link.
        """

    @abstractmethod
    def make_folder(self, path: str) -> None:
        """Make a folder that survives a power cut; in a bucket there is nothing to be made."""

    @abstractmethod
    def remove_folder(self, path: str) -> None:
        """Remove a folder with its files, as far as that can be done."""

    @abstractmethod
    def begin_journal(self, path: str, below: str | None = None) -> None:
        """Make sure that the first line, too, survives a power cut; see `writing`."""

    @abstractmethod
    def append(self, path: str, line: bytes, below: str | None = None) -> None:
        """Append a line to a journal, forced to the disk, whole or not at all; see `writing`."""

    @abstractmethod
    def lines(self, path: str) -> Iterator[str]:
        """Lines of a journal in the order of time; none where there is no journal."""

    @abstractmethod
    def lock(
        self, path: str, describe: Callable[[str], bytes]
    ) -> AbstractContextManager[Callable[[str], None]]:
        """Hold a lock for the time of the block.

        Parameters
        ----------
        describe : callable
            Gives what to note for whoever comes second, from the name of the run.

        Yields
        ------
        callable
            Notes the run that has begun, by its name.

        Raises
        ------
        Held
            If another holds it.
        """

    # --- music ---

    @abstractmethod
    def objects_below(self, folder: str) -> Iterator[Found] | None:
        """All files below a folder, in one listing; None where folders are walked one by one."""

    @abstractmethod
    def seems_there(self, path: str) -> bool:
        """As `exists`, without asking: in a bucket every file is taken to be there."""

    @abstractmethod
    def find(self, path: str) -> Found:
        """A file as it is now."""

    @abstractmethod
    def open_in_place(self, path: str) -> BinaryIO | None:
        """Open a file to read many small places of it; None where each would be a request."""

    @abstractmethod
    def open_header(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to read its tags; of a large object only the places that are read come."""

    @abstractmethod
    def localised(self, path: str, found: Found | None = None) -> AbstractContextManager[str]:
        """Path of a local file with this content, to be read only for the time of the block.

        Parameters
        ----------
        found : Found, optional
            What is there, where it was looked up already.
        """

    @abstractmethod
    def check_writable(self, path: str, *, in_place_links: bool = False) -> None:
        """Refuse a file that may not be written, before any work on it.

        Raises
        ------
        TagWriteError, HardLinked
        """

    @abstractmethod
    def changing(self, found: Found, format: str) -> AbstractContextManager[tuple[str, str]]:
        """Local paths of a file's content, and of a copy of it to be changed, then `put`."""

    def trying(self, found: Found, format: str) -> AbstractContextManager[tuple[str, str]]:
        """As `changing`, for a copy that is never `put`: nothing is left beside the file."""
        return self.changing(found, format)

    def check_put(self, found: Found, copy: str) -> None:  # noqa: B027  most put anything
        """Refuse a copy that `put` would refuse.

        Raises
        ------
        HardLinked
        """

    @abstractmethod
    def put(
        self,
        found: Found,
        copy: str,
        announce: Callable[[Found | None], None],
        *,
        mtime_ns: int | None = None,
    ) -> Found:
        """Put a changed copy in its file's place, in one step or not at all.

        Parameters
        ----------
        found : Found
            The only version that may be replaced; what is not content stays.
        copy : str
            Of `changing`.
        announce : callable
            Called right before, with the file as it will be, where that is known.
        mtime_ns : int, optional
            The time that the file shall have, where a storage lets one choose.

        Returns
        -------
        Found
            As it is now.

        Raises
        ------
        ChangedMeanwhile
            If the file is no longer the version that was found.
        HardLinked
            If it has several names, and the change is more than one small step.
        """


def moment_ns(written: datetime.datetime, version: str) -> int:
    """A time in ns to the second, and the version below: it is more exact than any clock."""
    rest = int.from_bytes(hashlib.blake2b(version.encode(), digest_size=8).digest())
    return int(written.timestamp()) * 1_000_000_000 + rest % 1_000_000_000
