"""Patch: what turns a tagged file back into the old one, small enough for a journal.

Tagging moves the sound but does not change it. So a patch holds only those bytes of the old file
that the new one lacks; all others are copied from the new one. All bytes of both versions are
checked. A digest tells whether a file is the new version. A checksum, which takes a sixth of the
time, is enough to tell whether the old version has come out right.

Both files are read in windows, and the patch is packed while it is made and unpacked while it is
applied, so a file of any size needs the same memory.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

# A shorter equal stretch is not worth a piece of its own, in bytes.
_SHORTEST = 64
# So much of the old file is compared at a time.
_WINDOW = 1 << 18
# Stretches that have moved are searched for in blocks of this many bytes, so far around.
_BLOCK = 4096
_MOST_SEARCHES = 1000
_SEARCH_WINDOW = 1 << 22
_CHUNK = 1 << 20
# Bytes that are inserted are cut into pieces of this many.
_LONGEST_INSERT = 1 << 16
# A change that needs a larger record, in bytes, is no change of tags.
_LARGEST_PACKED = 1 << 24
_CHECKSUM = "crc32:"
# One piece of a packed patch: what is copied, or what is inserted.
# At most one space between them: of many, the search for a piece would never end.
_PIECE = re.compile(rb'[\[,]? ?(?:\[(\d{1,18}), ?(\d{1,18})\]|"([A-Za-z0-9+/=]*)")')
_PIECES_END = re.compile(rb"\[?\]")
# A patch with more pieces, or with a longer one as text, in bytes, is none of ours.
_MOST_PIECES, _LONGEST_PIECE = 1 << 22, 1 << 25

Piece = tuple[int, int] | bytes


class PatchError(ValueError):
    """A file that is not the one that the patch was made for, or a patch that is damaged."""


@dataclass(frozen=True)
class Patch:
    """How the old version of a file is put together from the new one.

    Parameters
    ----------
    packed : bytes
        Its pieces, as JSON that zlib has compressed: ``[offset, length]`` is copied from the new
        file, base64 is inserted.
    old_digest, new_digest : str
        Of the whole files. The old one's is a checksum if it begins with ``crc32:``.
    """

    packed: bytes
    old_digest: str
    new_digest: str

    @property
    def pieces(self) -> Iterator[Piece]:
        """In the order of the old file: ``(offset, length)`` is copied, ``bytes`` are inserted."""
        return _unpacked(self.packed)

    @property
    def changes_nothing(self) -> bool:
        """Whether both versions are the same."""
        return self.old_digest == self.new_digest

    def to_json(self) -> dict[str, str]:
        """The patch as plain values for a journal."""
        return {
            "pieces": base64.b64encode(self.packed).decode("ascii"),
            "old_digest": self.old_digest,
            "new_digest": self.new_digest,
        }

    @staticmethod
    def from_json(facts: dict[str, Any]) -> Patch:
        """The patch that `to_json` was called on."""
        packed = base64.b64decode(facts["pieces"])
        return Patch(packed, facts["old_digest"], facts["new_digest"])

    def is_old(self, file: BinaryIO) -> bool:
        """Whether a file is the old version."""
        known = _checksum if self.old_digest.startswith(_CHECKSUM) else digest
        return known(file) == self.old_digest

    def check(self, new: BinaryIO) -> None:
        """Raise `PatchError` if a file is not the one that the patch was made for."""
        if digest(new) != self.new_digest:
            raise PatchError("changed since it was tagged")

    def check_old_size(self, size: int) -> None:
        """Raise `PatchError` if the old file would not have this size, before it fills a disk."""
        total = 0
        for number, piece in enumerate(self.pieces):
            total += len(piece) if isinstance(piece, bytes) else piece[1]
            if total > size or number > _MOST_PIECES:
                break
        if total != size:
            raise PatchError("its record is damaged")

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
                if not chunk:
                    raise PatchError("reaches behind the end of the file")
                old.write(chunk)
                length -= len(chunk)
        if not self.is_old(old):
            raise PatchError("its old version could not be put together")


def make_patch(old_path: str, new_path: str) -> Patch:
    """Make the patch that turns the new file back into the old one.

    Raises
    ------
    PatchError
        If the two have too little in common.
    """
    with open(old_path, "rb") as old, open(new_path, "rb") as new:
        new_digest, same = digest(new), _same(old, new)
        packed = _packed([(0, new.seek(0, 2))] if same else _Comparison(old, new).pieces())
        return Patch(packed, new_digest if same else _checksum(old), new_digest)


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


def _packed(pieces: Iterable[Piece]) -> bytes:
    """Pieces as a journal has them; neighbours become one, long insertions several."""
    deflate, found, joint = zlib.compressobj(), bytearray(), b"["
    for piece in _joined(pieces):
        if isinstance(piece, bytes):
            text = b'"' + base64.b64encode(piece) + b'"'
        else:
            text = b"[%d,%d]" % piece
        found += deflate.compress(joint + text)
        joint = b","
        if len(found) > _LARGEST_PACKED:
            raise PatchError("would change more than tags")
    found += deflate.compress(b"]" if joint == b"," else b"[]")
    return bytes(found + deflate.flush())


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    copied: tuple[int, int] | None = None
    inserted = bytearray()
    for piece in pieces:
        if isinstance(piece, bytes):
            if copied:
                yield copied
                copied = None
            inserted += piece
            while len(inserted) >= _LONGEST_INSERT:
                yield bytes(inserted[:_LONGEST_INSERT])
                del inserted[:_LONGEST_INSERT]
            continue
        if inserted:
            yield bytes(inserted)
            inserted.clear()
        if copied and copied[0] + copied[1] == piece[0]:
            copied = (copied[0], copied[1] + piece[1])
            continue
        if copied:
            yield copied
        copied = piece
    if copied:
        yield copied
    if inserted:
        yield bytes(inserted)


def _unpacked(packed: bytes) -> Iterator[Piece]:
    """The pieces of a packed patch, one after the other."""
    inflate, text, place = zlib.decompressobj(), b"", 0
    try:
        while True:
            while found := _PIECE.match(text, place):
                place = found.end()
                offset, length, inserted = found.groups()
                yield base64.b64decode(inserted) if offset is None else (int(offset), int(length))
            more = inflate.decompress(packed or inflate.unconsumed_tail, _CHUNK)
            packed = b""
            if not more:
                break
            if len(text) - place > _LONGEST_PIECE:
                raise PatchError("its record is damaged")
            text, place = text[place:] + more, 0
    except zlib.error as error:
        raise PatchError(f"its record is damaged: {error}") from error
    if not inflate.eof or not _PIECES_END.fullmatch(text, place):
        raise PatchError("its record is damaged")


def _same(old: BinaryIO, new: BinaryIO) -> bool:
    old.seek(0)
    new.seek(0)
    while True:
        chunk = old.read(_CHUNK)
        if chunk != new.read(_CHUNK):
            return False
        if not chunk:
            return True


class _Comparison:
    """What of an old file is where in a new one.

    Most of it has moved by one of a few distances: by none before what was inserted, by the
    difference of the sizes behind it. In Ogg each page's running number and checksum differ in
    between. Of the rest, such as a picture within a tag, blocks are searched for.
    """

    def __init__(self, old: BinaryIO, new: BinaryIO) -> None:
        self.old, self.new = old, new
        self.old_size, self.new_size = old.seek(0, 2), new.seek(0, 2)
        # The one that did best last comes first.
        self.shifts = list(dict.fromkeys((0, self.new_size - self.old_size)))
        self.searches = 0

    def pieces(self) -> Iterator[Piece]:
        for start in range(0, self.old_size, _WINDOW):
            self.old.seek(start)
            yield from self._of_window(start, self.old.read(_WINDOW))

    def _of_window(self, start: int, data: bytes) -> Iterator[Piece]:
        gaps, found = [(0, len(data))], []
        old = np.frombuffer(data, np.uint8)
        for shift in list(self.shifts):
            gaps, more = self._matched(start, old, gaps, shift)
            found += more
        if any(end - begin >= _BLOCK for begin, end in gaps):
            gaps, more = self._searched(start, data, old, gaps)
            found += more
        parts: list[tuple[int, Piece]] = [(begin, data[begin:end]) for begin, end in gaps]
        parts += [(begin, (start + begin + shift, length)) for begin, length, shift in found]
        for _, piece in sorted(parts, key=lambda part: part[0]):
            yield piece

    def _matched(
        self, start: int, old: np.ndarray, gaps: list[tuple[int, int]], shift: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
        """What is equal at a distance: the gaps that are left, and begin, length and distance."""
        left: list[tuple[int, int]] = []
        found: list[tuple[int, int, int]] = []
        for begin, end in gaps:
            first = max(begin, -start - shift)
            last = min(end, self.new_size - start - shift)
            if end - begin < _SHORTEST or last - first < _SHORTEST:
                left.append((begin, end))
                continue
            self.new.seek(start + first + shift)
            new = np.frombuffer(self.new.read(last - first), np.uint8)
            done = begin
            for place, length in _equal_stretches(old[first:last], new):
                if first + place > done:
                    left.append((done, first + place))
                found.append((first + place, length, shift))
                done = first + place + length
            if done < end:
                left.append((done, end))
        if shift in self.shifts and sum(length for _, length, _ in found) > len(old) // 2:
            self.shifts.remove(shift)
            self.shifts.insert(0, shift)
        return left, found

    def _searched(
        self, start: int, data: bytes, old: np.ndarray, gaps: list[tuple[int, int]]
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
        """Look for what is left elsewhere in the new file, such as a moved picture."""
        found: list[tuple[int, int, int]] = []
        from_here = max(0, start - _SEARCH_WINDOW)
        self.new.seek(from_here)
        around = self.new.read(2 * _SEARCH_WINDOW + _WINDOW)
        place = 0
        while self.searches < _MOST_SEARCHES:
            wide = [gap for gap in gaps if gap[1] - max(gap[0], place) >= _BLOCK]
            if not wide:
                break
            place = max(place, wide[0][0])
            self.searches += 1
            at = around.find(data[place : place + _BLOCK])
            if at < 0:
                place += _BLOCK
                continue
            shift = from_here + at - start - place
            gaps, more = self._matched(start, old, gaps, shift)
            found += more
            place += _BLOCK
            if shift not in self.shifts:
                self.shifts = [*self.shifts[:7], shift]
        return gaps, found


def _equal_stretches(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int]]:
    """Where two arrays of one size agree for long enough: starts and lengths."""
    differing = np.flatnonzero(a != b)
    edges = np.concatenate([[-1], differing, [len(a)]]).astype(np.int64)
    lengths = np.diff(edges) - 1
    long = lengths >= _SHORTEST
    return list(zip((edges[:-1][long] + 1).tolist(), lengths[long].tolist(), strict=True))
