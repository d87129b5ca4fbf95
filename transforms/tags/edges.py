"""Edges: tags before and behind a file's own format.

Programs put ID3v2 before, and ID3v1, APEv2 and others behind files of any format; some players read
those instead of the format's own tags. Here they are found, and set aside while the rest of the
file is changed, so that nothing else has to know of them.

MP3 and True Audio have no other tags: there they are the format's own (``formats/mpeg.py``).

Sources: https://id3.org/id3v2.4.0-structure, https://id3.org/ID3v1, https://id3.org/Lyrics3v2,
https://wiki.hydrogenaud.io/index.php?title=APEv2_specification.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import mutagen
from mutagen._util import delete_bytes, insert_bytes
from mutagen.id3 import ID3, TCON, ID3Tags, ParseID3v1

from genrebeam.transforms.tags import ape_bytes, id3_bytes

# What mutagen raises, beside its own errors, on files that are damaged in an unusual way.
DAMAGE = (
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
)
_ID3V1, _ENHANCED, _APE_FRAME = 128, 227, 32
# Where the text of the genre is in an enhanced ID3v1 tag, in bytes.
_ENHANCED_GENRE = slice(185, 215)
_LONGEST_LYRICS3V1 = 5100
_NO_GENRE = 255
# How files begin whose own tags are neither ID3v2 at their beginning nor ID3v1 at their end.
_CONTAINERS = (
    *(b"fLaC", b"OggS", b"RIFF", b"RF64", b"BW64", b"FORM", b"DSD ", b"FRM8", b"caff"),
    *(b"MAC ", b"wvpk", b"MPCK", b"MP+", b"OFR ", b"tBaK", b"ADIF", b"\x0b\x77", b"MThd"),
    bytes.fromhex("3026b2758e66cf11"),
    b"\x1a\x45\xdf\xa3",
)
# Those of them whose own tag is APEv2.
_APE_CONTAINERS = (b"MAC ", b"wvpk", b"MPCK", b"MP+", b"OFR ", b"tBaK")


@dataclass(frozen=True)
class Tag:
    """A tag before or behind a file's own format.

    Parameters
    ----------
    kind : {"ID3v2", "APEv2", "ID3v1", "ID3v1 enhanced", "Lyrics3"}
    start : int
        Where it begins in the file, in bytes.
    """

    kind: str
    start: int
    data: bytes

    @property
    def end(self) -> int:
        """Where it ends in the file, in bytes."""
        return self.start + len(self.data)

    def genres(self) -> tuple[str, ...]:
        """The genres that it says; none where nobody can read it."""
        found: list[str] = []
        if self.kind == "ID3v1":
            number = self.data[-1]
            found = TCON.GENRES[number : number + 1]
        elif self.kind == "ID3v1 enhanced":
            found = [self.data[_ENHANCED_GENRE].partition(b"\0")[0].decode("latin-1")]
        elif self.kind == "ID3v2":
            found = id3v2_genres(self.data)
        elif self.kind == "APEv2":
            found = ape_texts(io.BytesIO(self.data)).get("genre", [])
        return tuple(filter(None, (genre.strip() for genre in found)))

    def with_genres(self, genres: Sequence[str], separator: str = "\0") -> bytes:
        """The tag with other genres, if it says any; ID3v1 has room for the first alone."""
        if self.kind == "ID3v1":
            return id3_bytes.with_v1_genre(self.data, genres)
        if not self.genres():
            return self.data
        if self.kind == "ID3v1 enhanced":
            text = in_enhanced_id3v1(genres[0]).encode("latin-1").ljust(30, b"\0")
            place = _ENHANCED_GENRE
            return self.data[: place.start] + text + self.data[place.stop :]
        if self.kind == "ID3v2":
            frames, room = id3_bytes.genre_frames(genres), len(self.data)
            return id3_bytes.exchange(self.data, frames, separator=separator, room=room)
        stream = io.BytesIO(self.data)
        ape_bytes.exchange(stream, {"genre": list(genres)})
        return stream.getvalue()


@dataclass(frozen=True)
class Edges:
    """The tags around a file's own format.

    Parameters
    ----------
    head, tail : tuple of Tag
        In the order of the file.
    start, end : int
        Where the file's own format begins and ends, in bytes.
    """

    head: tuple[Tag, ...]
    tail: tuple[Tag, ...]
    start: int
    end: int

    @property
    def tags(self) -> tuple[Tag, ...]:
        """All of them."""
        return (*self.head, *self.tail)

    def genres(self) -> tuple[str, ...]:
        """Genres of all of them, each once."""
        return tuple(dict.fromkeys(genre for tag in self.tags for genre in tag.genres()))


def find(stream: BinaryIO) -> Edges:
    """All tags before and behind a file's sound."""
    size = stream.seek(0, os.SEEK_END)
    head: list[Tag] = []
    start = 0
    while tag := _at(stream, start, size):
        head.append(tag)
        start = tag.end
    tail: list[Tag] = []
    end = size
    while tag := _before(stream, end, start):
        tail.insert(0, tag)
        end = tag.start
    return Edges(tuple(head), tuple(tail), start, end)


def foreign(stream: BinaryIO) -> Edges:
    """The tags before and behind a file's own format that are not the format's own.

    Returns
    -------
    Edges
        Without tags where they are the format's own, as in an mp3.
    """
    found = find(stream)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(found.start)
    begin = stream.read(12)
    is_adts = len(begin) > 1 and begin[0] == 0xFF and begin[1] & 0xF6 == 0xF0
    if not (begin.startswith(_CONTAINERS) or is_adts or begin[4:8] in (b"ftyp", b"moov", b"mdat")):
        return Edges((), (), 0, size)
    if begin.startswith(_APE_CONTAINERS):
        own = [number for number, tag in enumerate(found.tail) if tag.kind == "APEv2"]
        if own:  # the last is the one that programs find
            tail = found.tail[own[-1] + 1 :]
            return Edges(found.head, tail, found.start, found.tail[own[-1]].end)
    return found


class Window(io.RawIOBase):
    """A part of a file, to be read as if it were all.

    Parameters
    ----------
    start, end : int
        In bytes.
    instead : mapping of int to bytes, optional
        Places within it, and what is read there.
    """

    def __init__(
        self,
        stream: BinaryIO,
        start: int,
        end: int,
        instead: Mapping[int, bytes] | None = None,
    ) -> None:
        self._stream, self._start, self._size = stream, start, end - start
        self._instead = instead or {}
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("seek before the beginning")
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._place)
        count = left if size is None or size < 0 else min(size, left)
        self._stream.seek(self._start + self._place)
        data = self._stream.read(count)
        for place, new in self._instead.items():
            begin = max(place, self._place)
            end = min(place + len(new), self._place + len(data))
            if begin < end:
                at = begin - self._place
                data = data[:at] + new[begin - place : end - place] + data[at + end - begin :]
        self._place += len(data)
        return data


def in_enhanced_id3v1(genre: str) -> str:
    """A genre as an enhanced ID3v1 tag has room for it: 30 characters of one byte."""
    return genre.encode("latin-1", "replace")[:30].decode("latin-1").strip()


@contextlib.contextmanager
def set_aside(path: str, genres: Sequence[str], separator: str = "\0") -> Iterator[Edges]:
    """Take foreign tags off a file for the time of the block; they come back with other genres.

    Parameters
    ----------
    path : str
        A copy that is thrown away if the block fails.
    separator : str
        Between several genres before ID3v2.4.

    Raises
    ------
    ValueError
        If one of the tags cannot be changed.
    """
    with open(path, "r+b") as stream:
        edges = foreign(stream)
        new = {tag: tag.with_genres(genres, separator) for tag in edges.tags}
        if edges.tail:
            stream.truncate(edges.end)
        if edges.start:
            delete_bytes(stream, edges.start, 0)
    yield edges
    if not edges.tags:
        return
    with open(path, "r+b") as stream:
        head = b"".join(new[tag] for tag in edges.head)
        if head:
            insert_bytes(stream, len(head), 0)
            stream.seek(0)
            stream.write(head)
        stream.seek(0, os.SEEK_END)
        stream.write(b"".join(new[tag] for tag in edges.tail))


def reading(source: str | BinaryIO) -> contextlib.AbstractContextManager[BinaryIO]:
    """A file, opened for the time of the block if it is a path."""
    return open(source, "rb") if isinstance(source, str) else contextlib.nullcontext(source)


def id3_texts(tag: bytes) -> dict[str, str]:
    """What an ID3 tag says, by the names of frames; nothing where nobody can read it."""
    try:
        is_v1 = tag.startswith(b"TAG")
        frames = ParseID3v1(tag) or {} if is_v1 else ID3(io.BytesIO(tag), load_v1=False)
    except (mutagen.MutagenError, *DAMAGE):
        return {}
    return {key.partition(":")[0]: str(frame) for key, frame in frames.items()}


def ape_texts(source: str | BinaryIO) -> dict[str, list[str]]:
    """Texts of the APEv2 tag of a file: case-folded key to values that say anything.

    An item that breaks the rules does not hide the others, as for most players.
    """
    try:
        with reading(source) as stream:
            items = ape_bytes.read_texts(stream)
    except (mutagen.MutagenError, *DAMAGE):
        return {}
    texts: dict[str, list[str]] = {}
    for key, values in items:
        texts.setdefault(key, []).extend(text.strip() for text in values if text.strip())
    return {key: values for key, values in texts.items() if values}


def id3v2_genres(tag: bytes) -> list[str]:
    """Genres of an ID3v2 tag; none where nobody can read it."""
    try:
        return genres_of(ID3(io.BytesIO(tag), load_v1=False))
    except (mutagen.MutagenError, *DAMAGE):
        return []


def genres_of(tags: ID3Tags) -> list[str]:
    """Genres in ``TCON``, and in ``TXXX:GENRE``, which some programs write and players show."""
    # `genres` resolves numbers, "(17)", "RX" and "CR".
    found = [genre for frame in tags.getall("TCON") for genre in frame.genres]
    custom = [frame for frame in tags.getall("TXXX") if frame.desc.casefold() == "genre"]
    found += [text for frame in custom for text in frame.text if text]
    return list(dict.fromkeys(found))


def _at(stream: BinaryIO, place: int, size: int) -> Tag | None:
    """The tag that begins at a place."""
    stream.seek(place)
    head = stream.read(_APE_FRAME)
    length = id3_bytes.length_of(head)
    kind = "ID3v2"
    if head.startswith(b"APETAGEX") and len(head) == _APE_FRAME and head[23] & 0xA0 == 0xA0:
        kind, length = "APEv2", _APE_FRAME + int.from_bytes(head[12:16], "little")
    if not length or place + length > size:
        return None
    stream.seek(place)
    return Tag(kind, place, stream.read(length))


def looks_like_id3v1(stream: BinaryIO, end: int) -> bool:
    """Whether a part of an APEv2 tag ("APETAGEX") is where programs look for an ID3v1 tag.

    FFmpeg then shows a genre that nobody wrote.
    """
    stream.seek(max(0, end - _ID3V1 - 3))
    return stream.read(8) == b"APETAGEX"


def _before(stream: BinaryIO, end: int, limit: int) -> Tag | None:
    """The tag that ends at a place."""

    def read(start: int, stop: int) -> bytes:
        if start < limit:
            return b""
        stream.seek(start)
        return stream.read(stop - start)

    kind, start = "", end
    footer = read(end - _APE_FRAME, end)
    if footer.startswith(b"APETAGEX"):
        with_header = bool(footer[23] & 0x80)
        kind = "APEv2"
        start = end - int.from_bytes(footer[12:16], "little") - _APE_FRAME * with_header
    elif read(end - _ID3V1, end)[:3] == b"TAG" and not looks_like_id3v1(stream, end):
        kind, start = "ID3v1", end - _ID3V1
    elif read(end - _ENHANCED, end)[:4] == b"TAG+":
        kind, start = "ID3v1 enhanced", end - _ENHANCED
    elif footer[-10:-7] == b"3DI":
        kind, start = "ID3v2", end - id3_bytes.length_of(b"ID3" + footer[-7:])
    elif footer[-9:] == b"LYRICS200" and footer[-15:-9].isdigit():
        kind, start = "Lyrics3", end - 15 - int(footer[-15:-9])
    elif footer[-9:] == b"LYRICSEND":
        first = max(limit, end - _LONGEST_LYRICS3V1)
        found = read(first, end).find(b"LYRICSBEGIN")
        kind, start = "Lyrics3", first + found if found >= 0 else end
    if not limit <= start < end:
        return None
    data = read(start, end)
    marks = {"ID3v2": b"ID3", "Lyrics3": b"LYRICSBEGIN"}
    return Tag(kind, start, data) if data.startswith(marks.get(kind, b"")) else None
