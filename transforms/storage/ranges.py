"""Ranges: an object as a file of which only the places that are read are fetched."""

from __future__ import annotations

import errno
import io
import os
from collections import deque
from typing import Any

from genrebeam.transforms.storage import buckets
from genrebeam.transforms.storage.storage import Found

# Where requests begin and what the first brings, and the most that one brings, in bytes.
_STEP = 1 << 16
_MOST = 1 << 24
# Pieces that are kept in memory: the same places are read again and again.
_PIECES = 8


class Ranges(io.RawIOBase):
    """One version of an object, to be read and sought.

    A request brings twice as much as the one before, so that whoever reads all of it needs few.

    Attributes
    ----------
    error : OSError or None
        Why a range could not be fetched.
    """

    def __init__(self, found: Found) -> None:
        self.found = found
        self.error: OSError | None = None
        self._place = 0
        self._least = _STEP
        self._pieces: deque[tuple[int, bytes]] = deque(maxlen=_PIECES)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.found.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as of a file on a disk
        self._place = start + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        if not len(buffer) or self._place >= self.found.size:
            return 0
        start, piece = self._piece(len(buffer))
        data = piece[self._place - start :][: len(buffer)]
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def _piece(self, length: int) -> tuple[int, bytes]:
        """Where bytes around the present place begin, and they themselves."""
        for start, piece in self._pieces:
            if start <= self._place < start + len(piece):
                return start, piece
        start = self._place - self._place % _STEP
        end = min(max(start + self._least, self._place + length), self.found.size)
        stream = io.BytesIO()
        try:
            buckets.fetch(self.found, stream, (start, end))
            if stream.tell() != end - start:
                raise OSError(errno.EIO, "sent other bytes than were asked for", self.found.uri)
        except OSError as error:
            self.error = error
            raise
        self._least = min(2 * self._least, _MOST)
        self._pieces.append((start, stream.getvalue()))
        return self._pieces[-1]
