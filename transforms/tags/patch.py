"""Patch: what turns a tagged file back into the old one, small enough for a journal.

Tagging moves the sound but does not change it. So a patch holds only those bytes of the old file
that the new one lacks; all others are copied from the new one. All bytes of both versions are
checked. A digest tells whether a file is the new version. A checksum, which takes a sixth of the
time, is enough to tell whether the old version has come out right.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

# A shorter equal stretch is not worth a piece of its own, in bytes.
_SHORTEST = 64
# Stretches that have moved are searched for in blocks of so many bytes.
_BLOCK = 4096
_MOST_SEARCHES = 1000
_SEARCH_WINDOW = 1 << 22
_CHUNK = 1 << 20
_CHECKSUM = "crc32:"

Piece = tuple[int, int] | bytes


class PatchError(ValueError):
    """A file that is not the one that the patch was made for."""


@dataclass(frozen=True)
class Patch:
    """How the old version of a file is put together from the new one.

    Parameters
    ----------
    pieces : tuple
        In the order of the old file: ``(offset, length)`` is copied from the new file,
        ``bytes`` are inserted.
    old_digest, new_digest : str
        Of the whole files. The old one's is a checksum if it begins with ``crc32:``.
    """

    pieces: tuple[Piece, ...]
    old_digest: str
    new_digest: str

    @property
    def changes_nothing(self) -> bool:
        """Whether both versions are the same."""
        return self.old_digest == self.new_digest

    def to_json(self) -> dict[str, str]:
        """The patch as plain values for a journal."""
        plain = [
            base64.b64encode(piece).decode("ascii") if isinstance(piece, bytes) else piece
            for piece in self.pieces
        ]
        packed = zlib.compress(json.dumps(plain, separators=(",", ":")).encode("ascii"))
        return {
            "pieces": base64.b64encode(packed).decode("ascii"),
            "old_digest": self.old_digest,
            "new_digest": self.new_digest,
        }

    @staticmethod
    def from_json(facts: dict[str, Any]) -> Patch:
        """The patch that `to_json` was called on."""
        plain = json.loads(zlib.decompress(base64.b64decode(facts["pieces"])))
        pieces = tuple(
            base64.b64decode(piece) if isinstance(piece, str) else (piece[0], piece[1])
            for piece in plain
        )
        return Patch(pieces, facts["old_digest"], facts["new_digest"])

    def is_old(self, file: BinaryIO) -> bool:
        """Whether a file is the old version."""
        known = _checksum if self.old_digest.startswith(_CHECKSUM) else digest
        return known(file) == self.old_digest

    def check(self, new: BinaryIO) -> None:
        """Raise `PatchError` if a file is not the one that the patch was made for."""
        if digest(new) != self.new_digest:
            raise PatchError("changed since it was tagged")

    def apply(self, new: BinaryIO, old: BinaryIO) -> None:
        """Write the old version of a file.

        Parameters
        ----------
        new : file
            The file as it is now, open for reading.
        old : file
            Open for writing and reading.

        Raises
        ------
        PatchError
            If `new` is not the file that the patch was made for, or the result is not the
            old version.
        """
        self.check(new)
        for piece in self.pieces:
            if isinstance(piece, bytes):
                old.write(piece)
                continue
            offset, length = piece
            new.seek(offset)
            while length:
                chunk = new.read(min(length, _CHUNK))
                old.write(chunk)
                length -= len(chunk)
        if not self.is_old(old):
            raise PatchError("its old version could not be put together")


def make_patch(old_path: str, new_path: str) -> Patch:
    """Make the patch that turns the new file back into the old one.

    Parameters
    ----------
    old_path, new_path : str

    Returns
    -------
    Patch
    """
    with open(old_path, "rb") as old_file, open(new_path, "rb") as new_file:
        old, new = _mapped(old_file), _mapped(new_file)
        pieces, new_digest = tuple(_pieces(old, new)), digest(new_file)
        is_same = len(old) == len(new) and pieces in ((), ((0, len(old)),))
        return Patch(pieces, new_digest if is_same else _checksum(old_file), new_digest)


def digest(file: BinaryIO) -> str:
    """Digest of a whole file."""
    file.seek(0)
    found = hashlib.blake2b(digest_size=16)
    while piece := file.read(1 << 20):
        found.update(piece)
    return found.hexdigest()


def _checksum(file: BinaryIO) -> str:
    """CRC-32 and size of a whole file."""
    file.seek(0)
    found = 0
    while chunk := file.read(_CHUNK):
        found = zlib.crc32(chunk, found)
    return f"{_CHECKSUM}{found:08x}-{file.tell()}"


def _mapped(file: BinaryIO) -> np.ndarray:
    file.seek(0, 2)
    if not file.tell():
        return np.zeros(0, np.uint8)
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def _pieces(old: np.ndarray, new: np.ndarray) -> Iterator[Piece]:
    """Match the two versions from the start, then from the end, and search for the rest."""
    shortest = min(len(old), len(new))
    head = _run(old[:shortest], new[:shortest])
    if head:
        yield (0, head)
    shift = len(new) - len(old)
    begin = max(head, head - shift)
    yield from _searched(old[head:begin], new[head:], head)
    # What was inserted or removed lies before `begin`; from there on the bytes of both versions
    # correspond. In Ogg only each page's running number and checksum differ then.
    done = begin
    for start, length in _equal_stretches(old[begin:], new[begin + shift :]):
        yield from _searched(old[done : begin + start], new[head:], head)
        yield (begin + shift + start, length)
        done = begin + start + length
    yield from _searched(old[done:], new[head:], head)


def _run(a: np.ndarray, b: np.ndarray) -> int:
    """Length of the common beginning of two arrays of one size."""
    for start in range(0, len(a), _CHUNK):
        differs = a[start : start + _CHUNK] != b[start : start + _CHUNK]
        if differs.any():
            return start + int(differs.argmax())
    return len(a)


def _equal_stretches(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int]]:
    """Where two arrays of one size agree for long enough: starts and lengths."""
    differing = [
        start + np.flatnonzero(a[start : start + _CHUNK] != b[start : start + _CHUNK])
        for start in range(0, len(a), _CHUNK)
    ]
    edges = np.concatenate([[-1], *differing, [len(a)]]).astype(np.int64)
    lengths = np.diff(edges) - 1
    long = lengths >= _SHORTEST
    return list(zip((edges[:-1][long] + 1).tolist(), lengths[long].tolist(), strict=True))


def _searched(old: np.ndarray, new: np.ndarray, shift: int) -> Iterator[Piece]:
    """Pieces of a stretch that may be elsewhere in the new file, such as a moved cover."""
    old_bytes = old.tobytes()
    if len(old_bytes) < _BLOCK:
        if old_bytes:
            yield old_bytes
        return
    window = new[: len(old_bytes) + _SEARCH_WINDOW].tobytes()
    done = place = searched = searches = 0
    while place + _BLOCK <= len(old_bytes) and searches < _MOST_SEARCHES:
        searches += 1
        found = window.find(old_bytes[place : place + _BLOCK], searched)
        if found < 0:
            place += _BLOCK
            continue
        back = 0
        while (
            place - back > done
            and found - back > searched
            and old_bytes[place - back - 1] == window[found - back - 1]
        ):
            back += 1
        shortest = min(len(old_bytes) - place, len(window) - found)
        length = _run(old[place : place + shortest], new[found : found + shortest])
        if place - back > done:
            yield old_bytes[done : place - back]
        yield (shift + found - back, back + length)
        done = place = place + length
        searched = found + length
    if done < len(old_bytes):
        yield old_bytes[done:]
