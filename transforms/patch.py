"""The difference between two versions of a file, small enough for a journal.

Tagging moves the sound but does not change it: of the old file only what the new one lacks is
kept, so that the old one can be put together again, byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
import mmap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

# Equal stretches shorter than this are not worth a piece of their own.
_BLOCK = 4096
_CHUNK = 1 << 20


class PatchError(ValueError):
    """A file that is not the one that the patch was made for."""


@dataclass(frozen=True)
class Patch:
    """How an old version of a file is put together from a new one.

    Parameters
    ----------
    pieces : tuple
        In the order of the old file: ``(offset, length)`` copies from the new file,
        ``bytes`` are put in.
    new_size : int
        Of the file that the patch is for.
    old_digest, new_digest : str
        Of the bytes that differ: of those put in, and of those that the new file alone has.
    """

    pieces: tuple[tuple[int, int] | bytes, ...]
    new_size: int
    old_digest: str
    new_digest: str

    def to_json(self) -> dict[str, Any]:
        """As plain values for a journal; bytes compressed."""
        return {
            "pieces": [
                list(piece)
                if isinstance(piece, tuple)
                else base64.b64encode(zlib.compress(piece)).decode("ascii")
                for piece in self.pieces
            ],
            "new_size": self.new_size,
            "old_digest": self.old_digest,
            "new_digest": self.new_digest,
        }

    @staticmethod
    def from_json(facts: dict[str, Any]) -> Patch:
        """What `to_json` gave."""
        return Patch(
            tuple(
                (piece[0], piece[1])
                if isinstance(piece, list)
                else zlib.decompress(base64.b64decode(piece))
                for piece in facts["pieces"]
            ),
            facts["new_size"],
            facts["old_digest"],
            facts["new_digest"],
        )

    def apply(self, new: BinaryIO, old: BinaryIO) -> None:
        """Write the old version of a file.

        Parameters
        ----------
        new : file
            The file as it is now, open for reading.
        old : file
            Open for writing.

        Raises
        ------
        PatchError
            If `new` is not the file that the patch was made for.
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

    def check(self, new: BinaryIO) -> None:
        """Raise `PatchError` where a file is not the one that the patch was made for."""
        new.seek(0, 2)
        if new.tell() != self.new_size or _digest(self._left_over(new)) != self.new_digest:
            raise PatchError("changed since it was tagged")

    def _left_over(self, new: BinaryIO) -> Iterator[bytes]:
        """Bytes of the new file that the old one does not have."""
        place = 0
        copies = sorted(piece for piece in self.pieces if isinstance(piece, tuple))
        for offset, length in [*copies, (self.new_size, 0)]:
            new.seek(place)
            yield new.read(max(0, offset - place))
            place = max(place, offset + length)


def make_patch(old_path: str, new_path: str) -> Patch:
    """The patch that leads from the new file back to the old one.

    Parameters
    ----------
    old_path, new_path : str

    Returns
    -------
    Patch
    """
    with open(old_path, "rb") as old_file, open(new_path, "rb") as new_file:
        old, new = _mapped(old_file), _mapped(new_file)
        pieces = tuple(_pieces(old, new))
        patch = Patch(
            pieces,
            len(new),
            _digest(piece for piece in pieces if isinstance(piece, bytes)),
            "",
        )
        return Patch(
            patch.pieces, patch.new_size, patch.old_digest, _digest(patch._left_over(new_file))
        )


def _mapped(file: BinaryIO) -> mmap.mmap | bytes:
    file.seek(0, 2)
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""


def _pieces(old: Any, new: Any) -> Iterator[tuple[int, int] | bytes]:
    """Copy what is equal at both ends; search the middle block by block."""
    head = _common(old, new)
    tail = _common_end(old, new, head)
    if head:
        yield (0, head)
    yield from _middle(bytes(old[head : len(old) - tail]), bytes(new[head : len(new) - tail]), head)
    if tail:
        yield (len(new) - tail, tail)


def _middle(old: bytes, new: bytes, shift: int) -> Iterator[tuple[int, int] | bytes]:
    """Pieces of a stretch; blocks of the old one are looked for in the new one."""
    done = place = 0
    searched = 0
    while place + _BLOCK <= len(old):
        found = new.find(old[place : place + _BLOCK], searched)
        if found < 0:
            place += _BLOCK
            continue
        # Grow backwards over what was passed, then forwards.
        back = 0
        while (
            place - back > done
            and found - back > searched
            and old[place - back - 1] == (new[found - back - 1])
        ):
            back += 1
        length = _BLOCK + _common(old[place + _BLOCK :], new[found + _BLOCK :])
        if place - back > done:
            yield old[done : place - back]
        yield (shift + found - back, back + length)
        done = place = place + length
        searched = found + length
    if done < len(old):
        yield old[done:]


def _common(a: Any, b: Any) -> int:
    """Length of the common beginning."""
    length = min(len(a), len(b))
    for start in range(0, length, _CHUNK):
        end = min(start + _CHUNK, length)
        if a[start:end] != b[start:end]:
            while end - start > 1:
                middle = (start + end) // 2
                if a[start:middle] == b[start:middle]:
                    start = middle
                else:
                    end = middle
            return start
    return length


def _common_end(a: Any, b: Any, head: int) -> int:
    """Length of the common end, not counting the first `head` bytes of either."""
    length = min(len(a), len(b)) - head
    done = 0
    while done < length:
        step = min(_CHUNK, length - done)
        if a[len(a) - done - step : len(a) - done] == b[len(b) - done - step : len(b) - done]:
            done += step
            continue
        while step > 1:
            half = step // 2
            if a[len(a) - done - half : len(a) - done] == b[len(b) - done - half : len(b) - done]:
                done += half
                step -= half
            else:
                step = half
        return done
    return length


def _digest(pieces: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
