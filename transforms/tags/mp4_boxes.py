r"""MP4 and QuickTime, box by box: every genre in them, and every number that points into the file.

A genre can stand in six places, and each program reads other ones: iTunes' ``ilst`` (``\xa9gen``,
``gnre``, a freeform ``GENRE``), QuickTime's texts (``udta/\xa9gen``), 3GPP's ``gnre`` box,
QuickTime's keys (``mdta``), and all of them for each track. Here only these are changed; all other
bytes stay, also those that nobody understands.

If a box grows, what is behind it moves. Sound is then found by numbers that count from the
beginning of the file: in chunk tables (``stco``, ``co64``), fragments (``tfhd``), their index
(``tfra``, ``sidx``), items (``iloc``) and encryption (``saio``). All of them are moved alike.

Sources: ISO/IEC 14496-12, 3GPP TS 26.244, Apple's QuickTime File Format.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from mutagen._util import resize_bytes
from mutagen.id3 import TCON

# What holds other boxes, as far as tags and places in the file are concerned.
_CONTAINERS = frozenset(
    b"moov trak mdia minf stbl udta ilst moof traf mfra mvex".split()  # `meta` is one in two forms
)
# Read as a whole: all but the sound. A larger one is none that tags are in.
_READ = frozenset(b"moov moof mfra meta udta sidx".split())
_LARGEST = 1 << 27
_DEEPEST = 12
_GENRE, _OLD_GENRE, _FREEFORM = b"\xa9gen", b"gnre", b"----"
_ITUNES = b"com.apple.iTunes"
_KEYS = (b"genre", b"com.apple.quicktime.genre")
# Kinds of values: numbers and bytes that say nothing of themselves, and texts.
_PLAIN, _UTF8, _UTF16 = 0, 1, 2
# A language code of QuickTime that says "undetermined", and that the text is UTF-8.
_UNDETERMINED = 0x55C4
# A box of tags that has to grow gets this much room for the next change, in bytes.
_PADDING = 1024
_JOINT = "; "


class BoxError(ValueError):
    """Boxes that contradict each other."""


@dataclass
class Box:
    """A box.

    Parameters
    ----------
    head : bytes
        Its header as it is in the file, with its old size.
    start : int
        Where it begins in the file, in bytes.
    size : int
        Of all of it, as it is in the file.
    data : bytes
        Its content, or what of it is before its children.
    rest : bytes
        Behind its children.
    """

    name: bytes
    head: bytes
    start: int
    size: int
    data: bytes = b""
    children: list[Box] | None = None
    rest: bytes = b""

    def to_bytes(self) -> bytes:
        """The box with its size as it is now."""
        inside = b"".join(child.to_bytes() for child in self.children or [])
        content = self.data + inside + self.rest
        size = len(self.head) + len(content)
        if self.head[:4] == b"\0\0\0\1":
            return self.head[:8] + struct.pack(">Q", size) + self.head[16:] + content
        if self.head[:4] == b"\0\0\0\0":  # until the end of the file
            return self.head + content
        if size >= 1 << 32:
            raise BoxError(f"its atom {_shown(self.name)} would be too large")
        return struct.pack(">I", size) + self.head[4:] + content

    def named(self, *names: bytes) -> Iterator[Box]:
        """The children with one of these names."""
        return (child for child in self.children or [] if child.name in names)

    def below(self) -> Iterator[Box]:
        """The box and all in it."""
        yield self
        for child in self.children or []:
            yield from child.below()


def new_box(name: bytes, data: bytes = b"", children: list[Box] | None = None) -> Box:
    """A box that was in no file yet."""
    return Box(name, b"\0\0\0\x08" + name, -1, 0, data, children)


def _shown(name: bytes) -> str:
    return repr(name.decode("latin-1"))


@dataclass
class GenreField:
    """A genre somewhere in a file.

    Parameters
    ----------
    put : callable
        Changes it to these genres.
    """

    genres: tuple[str, ...]
    put: Callable[[Sequence[str]], None] = field(repr=False)


class Boxes:
    """The boxes of a file.

    Raises
    ------
    BoxError
        If they reach into each other.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.size = stream.seek(0, 2)
        self.top: list[Box] = []
        place = 0
        while place < self.size:
            box = _read(stream, place, self.size)
            if box is None:  # what is behind the last box is nobody's
                break
            self.top.append(box)
            place += box.size
        self.end = place

    @property
    def moov(self) -> Box:
        """The box that says what is in the file."""
        found = [box for box in self.top if box.name == b"moov"]
        if len(found) != 1:
            raise BoxError(f"has {len(found)} atoms 'moov'")
        return found[0]

    def _holders(self) -> Iterator[Box]:
        """Boxes that may hold tags: the file's, its presentation's and its tracks'."""
        yield new_box(b"file", children=self.top)
        for box in self.top:
            if box.name in (b"moov", b"moof"):
                yield box
                yield from box.named(b"trak", b"traf")

    def _tags(self) -> tuple[Box | None, list[Box]]:
        """Tags of iTunes in the file, and every box of tags (``udta`` and ``meta``)."""
        found, own = [], None
        for holder in self._holders():
            for udta in holder.named(b"udta"):
                found += [udta, *udta.named(b"meta")]
                if holder.name == b"moov" and own is None:
                    # One with a list of keys is QuickTime's, and has numbers for names.
                    metas = [meta for meta in udta.named(b"meta") if not any(meta.named(b"keys"))]
                    own = next((list_ for meta in metas for list_ in meta.named(b"ilst")), None)
            found += holder.named(b"meta")
        return own, found

    def texts(self, name: bytes) -> list[str]:
        """Texts of iTunes' tags."""
        own, _ = self._tags()
        return [text for item in own.named(name) for text in _texts(item)] if own else []

    def freeform(self, name: str) -> list[str]:
        """Texts of a freeform tag."""
        own, _ = self._tags()
        items = own.named(_FREEFORM) if own else ()
        return [text for item in items if _is_freeform(item, name) for text in _texts(item)]

    @property
    def has_tags(self) -> bool:
        """Whether iTunes' tags are there, empty or not."""
        return self._tags()[0] is not None

    def genres(self) -> list[str]:
        """The genre as iTunes shows it: as a text, or else as a number."""
        own, _ = self._tags()
        if own is None:
            return []
        found = self.texts(_GENRE)
        return found or [name for item in own.named(_OLD_GENRE) for name in _numbered(item)]

    def places(self) -> list[GenreField]:
        """All other places where a genre stands."""
        own, boxes = self._tags()
        found: list[GenreField] = []
        for box in boxes:
            for item in box.named(_GENRE):
                found.append(_quicktime_text(item))
            for item in box.named(_OLD_GENRE):
                found.append(_3gpp_text(item))
            if box.name != b"meta":
                continue
            numbers = _genre_keys(box)
            for list_ in box.named(b"ilst"):
                for item in list_.children or []:
                    is_text = item.name == _GENRE or item.name in numbers
                    if _is_freeform(item, "genre") or (is_text and list_ is not own):
                        found.append(_item_text(item))
                    elif item.name == _OLD_GENRE and list_ is not own:
                        found.append(_item_text(item, _numbered(item)))
        return [place for place in found if place.genres]

    def others(self, freeform: Sequence[str]) -> list[tuple[bytes, bytes]]:
        """Every tag but genres and these freeform ones, byte for byte."""
        _, boxes = self._tags()
        found = []
        for box in boxes:
            numbers = _genre_keys(box)
            for list_ in box.named(b"ilst"):
                for item in list_.children or []:
                    is_genre = item.name in (_GENRE, _OLD_GENRE, *numbers)
                    names = ("genre", *freeform)
                    if not is_genre and not any(_is_freeform(item, name) for name in names):
                        found.append((item.name, item.data))
            # Where something is in the file is another matter, see `sound`.
            known = (b"ilst", b"meta", b"free", b"hdlr", b"iloc", _GENRE, _OLD_GENRE)
            items = (item for item in box.children or [] if item.name not in known)
            found += [(item.name, item.to_bytes()) for item in items]
        return found

    def put(self, genres: Sequence[str], freeform: dict[str, str]) -> None:
        """Change the genre in every place that has one, and add it to iTunes' tags."""
        for place in self.places():
            place.put(genres)
        own = self._tags()[0] or self._add_tags()
        assert own.children is not None
        before = [i for i, item in enumerate(own.children) if item.name in (_GENRE, _OLD_GENRE)]
        place_ = before[0] if before else len(own.children)
        rest = [item for i, item in enumerate(own.children) if i not in before]
        new = [new_box(_GENRE, b"".join(map(_data_box, genres)))] if genres else []
        own.children = [*rest[:place_], *new, *rest[place_:]]
        for name, text in freeform.items():
            there = [item for item in own.children if _is_freeform(item, name)]
            own.children = [item for item in own.children if item not in there]
            own.children.append(_freeform(name, text))

    def _add_tags(self) -> Box:
        moov, own = self.moov, new_box(b"ilst", children=[])
        assert moov.children is not None
        udta = next(moov.named(b"udta"), None)
        if udta is None:
            udta = new_box(b"udta", children=[])
            moov.children.append(udta)
        assert udta.children is not None
        hdlr = new_box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
        udta.children.insert(0, new_box(b"meta", bytes(4), [hdlr, own]))
        return own

    def write(self, stream: BinaryIO) -> None:
        """Write the boxes as they are now into the file that they were read from."""
        self._make_room()
        moves = _Moves(self)
        for box in self.top:
            for one in box.below():
                _move(one, moves, box)
        # The last first, for the places of those before it to stay.
        for box in reversed(self.top):
            if box.name not in _READ:
                continue
            content = box.to_bytes()
            start, size = moves.old_places[id(box)]
            resize_bytes(stream, size, len(content), start)
            stream.seek(start)
            stream.write(content)

    def _make_room(self) -> None:
        """Let padding take what tags grow and shrink by, so that the sound need not move."""
        moov = self.moov
        content = len(moov.to_bytes())
        grown = content - moov.size
        place = self.top.index(moov)
        if not grown or all(box.name in (b"free", b"skip") for box in self.top[place + 1 :]):
            return
        for free in self._paddings():
            room = len(free.data) - grown
            if room >= 0 and len(free.head) == 8:
                free.data = free.data[:room].ljust(room, b"\0")
                return
        if grown <= -8:
            self._add_padding(-grown - 8)
        else:
            self._add_padding(_PADDING)

    def _paddings(self) -> Iterator[Box]:
        """Padding beside iTunes' tags."""
        for udta in self.moov.named(b"udta"):
            for meta in udta.named(b"meta"):
                yield from meta.named(b"free")

    def _add_padding(self, size: int) -> None:
        free = next(self._paddings(), None)
        if free is not None and len(free.head) == 8:
            free.data = bytes(size)
            return
        for udta in self.moov.named(b"udta"):
            for meta in udta.named(b"meta"):
                if meta.children is not None:
                    meta.children.append(new_box(b"free", bytes(size)))
                    return

    def sound(self) -> tuple[list[tuple[int, int]], list[bytes]]:
        """What has to be the same in another version, for the same sound to be found.

        Returns
        -------
        stretches : list of (int, int)
            Begin and length of the boxes that are not read, such as the sound, in bytes.
        facts : list of bytes
            All boxes of the presentation but tags and padding, and in place of each number that
            points into the file what it points to: the number of a box, and how far into it.
        """
        moves = _Moves(self)
        silent = (b"free", b"skip", b"wide", *_READ)
        kept = [box for box in self.top if box.name not in silent]
        facts = [
            one.name + _with_places(one, moves, box)
            for box in self.top
            if box.name in _READ and box.name not in (b"udta", b"meta")
            for one in _without_tags(box)
        ]
        stretches = [(box.start + len(box.head), box.size - len(box.head)) for box in kept]
        return [*stretches, (self.end, self.size - self.end)], facts


def _without_tags(box: Box) -> Iterator[Box]:
    if box.name in (b"udta", b"meta", b"free", b"skip"):
        return
    yield box
    for child in box.children or []:
        yield from _without_tags(child)


def _read(stream: BinaryIO, place: int, end: int) -> Box | None:
    """A box of the file, with its content unless that is sound."""
    stream.seek(place)
    head = stream.read(16)
    if len(head) < 8:
        return None
    size, name, n_head = int.from_bytes(head[:4], "big"), head[4:8], 8
    if size == 1 and len(head) == 16:
        size, n_head = int.from_bytes(head[8:16], "big"), 16
    elif size == 0:
        size = end - place
    if size < n_head:
        return None
    if place + size > end:
        if name in _READ:
            raise BoxError(f"its atom {_shown(name)} is cut off")
        return None  # sound that is cut off, or bytes that are no box
    box = Box(name, head[:n_head], place, size)
    if name in _READ:
        if size > _LARGEST:
            raise BoxError(f"its atom {_shown(name)} is too large")
        stream.seek(place + n_head)
        _parse(box, stream.read(size - n_head), 0)
    return box


def _parse(box: Box, data: bytes, depth: int) -> None:
    """Give a box its content: children, if it is one that holds others."""
    lead = 0
    if box.name == b"meta":
        # QuickTime's has no version and flags.
        lead = 0 if data[4:8] == b"hdlr" else 4
    elif box.name not in _CONTAINERS:
        box.data = data
        return
    if depth > _DEEPEST:
        raise BoxError("its atoms are too deep in each other")
    begin = box.start + len(box.head)
    children, place = [], lead
    while place + 8 <= len(data):
        size, name, n_head = int.from_bytes(data[place : place + 4], "big"), data[place + 4 :], 8
        name = name[:4]
        if size == 1 and place + 16 <= len(data):
            size, n_head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        if size == 0 and not any(data[place:]):  # the end of QuickTime's user data
            break
        if size < n_head:
            raise BoxError(f"its atom {_shown(name)} is damaged")
        if place + size > len(data):
            raise BoxError(f"its atom {_shown(name)} reaches into what follows")
        child = Box(name, data[place : place + n_head], begin + place, size)
        inside = data[place + n_head : place + size]
        # Tags are texts and numbers, whatever they are called.
        if box.name in (b"ilst", b"udta") and name != b"meta":
            child.data = inside
        else:
            _parse(child, inside, depth + 1)
        children.append(child)
        place += size
    box.data, box.children, box.rest = data[:lead], children, data[place:]


# --- texts -------------------------------------------------------------------------------


def _parts(item: Box) -> Iterator[tuple[bytes, bytes]]:
    """Boxes in one of iTunes' tags: names and contents."""
    data, place = item.data, 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        if size < 8 or place + size > len(data):
            return
        yield data[place + 4 : place + 8], data[place + 8 : place + size]
        place += size


def _texts(item: Box) -> list[str]:
    found = []
    for name, data in _parts(item):
        kind, text = int.from_bytes(data[1:4], "big"), data[8:]
        if name == b"data" and kind in (_PLAIN, _UTF8, _UTF16):
            found.append(_decoded(text, kind == _UTF16))
    return found


def _decoded(text: bytes, utf16: bool = False) -> str:
    if utf16 or text[:2] in (b"\xfe\xff", b"\xff\xfe"):
        marked = text[:2] in (b"\xfe\xff", b"\xff\xfe")
        shown = text.decode("utf-16" if marked else "utf-16-be", "replace")
    else:
        try:
            shown = text.decode("utf-8")
        except UnicodeDecodeError:
            shown = text.decode("mac-roman", "replace")
    return shown.rstrip("\0")


def _numbered(item: Box) -> list[str]:
    """The genre that a number stands for; those of iTunes begin with 1."""
    found = []
    for name, data in _parts(item):
        number = int.from_bytes(data[8:10], "big") if name == b"data" else 0
        if 1 <= number <= len(TCON.GENRES):
            found.append(TCON.GENRES[number - 1])
    return found


def _is_freeform(item: Box, name: str) -> bool:
    if item.name != _FREEFORM:
        return False
    return any(
        part == b"name" and data[4:].decode("utf-8", "replace").casefold() == name.casefold()
        for part, data in _parts(item)
    )


def _data_box(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack(">I", 16 + len(data)) + b"data" + struct.pack(">II", _UTF8, 0) + data


def _freeform(name: str, text: str) -> Box:
    mean, named = bytes(4) + _ITUNES, bytes(4) + name.encode("utf-8")
    parts = [
        struct.pack(">I", 8 + len(mean)) + b"mean" + mean,
        struct.pack(">I", 8 + len(named)) + b"name" + named,
        _data_box(text),
    ]
    return new_box(_FREEFORM, b"".join(parts))


def _item_text(item: Box, genres: Sequence[str] | None = None) -> GenreField:
    """A genre in a list of tags, as values of their own."""

    def put(texts: Sequence[str]) -> None:
        if item.name == _OLD_GENRE:
            item.name, item.head = _GENRE, item.head[:4] + _GENRE + item.head[8:]
        kept = [
            struct.pack(">I", 8 + len(data)) + name + data
            for name, data in _parts(item)
            if name != b"data"
        ]
        item.data = b"".join([*kept, *map(_data_box, texts)])

    found = _texts(item) if genres is None else genres
    return GenreField(tuple(text.strip() for text in found if text.strip()), put)


def _quicktime_text(item: Box) -> GenreField:
    """A genre of QuickTime's user data: texts with sizes and languages, or as iTunes has it."""
    if item.data[4:8] == b"data":
        return _item_text(item)
    found, languages, place = [], [], 0
    while place + 4 <= len(item.data):
        size, language = struct.unpack(">HH", item.data[place : place + 4])
        found.append(_decoded(item.data[place + 4 : place + 4 + size]).strip())
        languages.append(language)
        place += 4 + size

    def put(texts: Sequence[str]) -> None:
        text = _JOINT.join(texts)
        # Languages below are Macintosh's, with a character set of their own each.
        kept = [one if one >= 0x400 or text.isascii() else _UNDETERMINED for one in languages]
        data = text.encode("utf-8")
        item.data = b"".join(
            struct.pack(">HH", len(data), language) + data for language in dict.fromkeys(kept)
        )

    return GenreField(tuple(dict.fromkeys(filter(None, found))), put)


def _3gpp_text(item: Box) -> GenreField:
    """A genre of 3GPP: version, language, and a text that ends with a null."""

    def put(texts: Sequence[str]) -> None:
        item.data = item.data[:6].ljust(6, b"\0") + _JOINT.join(texts).encode("utf-8") + b"\0"

    found = _decoded(item.data[6:]).partition("\0")[0].strip()
    return GenreField((found,) if found else (), put)


def _genre_keys(meta: Box) -> set[bytes]:
    """Names of the tags that QuickTime's list of keys calls genres: their numbers."""
    found = set()
    for keys in meta.named(b"keys"):
        place = 8
        for number in range(1, 1 + int.from_bytes(keys.data[4:8], "big")):
            size = int.from_bytes(keys.data[place : place + 4], "big")
            if size < 8 or place + size > len(keys.data):
                break
            if keys.data[place + 8 : place + size].lower() in (*_KEYS, _GENRE):
                found.add(number.to_bytes(4, "big"))
            place += size
    return found


# --- numbers that point into the file ----------------------------------------------------


class _Moves:
    """Where each box of the file is and will be."""

    def __init__(self, boxes: Boxes) -> None:
        self.old_places: dict[int, tuple[int, int]] = {}
        self.stretches: list[tuple[int, int, int]] = []
        self.new_starts: dict[int, int] = {}
        place = 0
        for box in boxes.top:
            size = len(box.to_bytes()) if box.name in _READ else box.size
            self.old_places[id(box)] = (box.start, box.size)
            self.stretches.append((box.start, box.start + box.size, place))
            self.new_starts[id(box)] = place
            for child in box.below():
                self.new_starts.setdefault(id(child), place)
            place += size
        self.stretches.append((boxes.end, boxes.size + 1, place))
        self.starts = [start for start, _, _ in self.stretches]
        tags = (b"moov", b"udta", b"meta")
        self.within_tags = {i for i, box in enumerate(boxes.top) if box.name in tags}

    def moved(self, place: int) -> int:
        """Where what is at a place will be."""
        number, within = self.target(place)
        if number < 0:
            return place
        if number in self.within_tags and self.moves_anything:
            raise BoxError("its sound is within its tags")
        return self.stretches[number][2] + within

    def target(self, place: int) -> tuple[int, int]:
        """The number of the box that a place is in, and how far into it."""
        number = bisect.bisect_right(self.starts, place) - 1
        if number < 0 or place >= self.stretches[number][1]:
            return -1, place
        return number, place - self.starts[number]

    @property
    def moves_anything(self) -> bool:
        """Whether any box will be elsewhere."""
        return any(start != new for start, _, new in self.stretches)

    def shift(self, box: Box) -> int:
        """How far a box of the first level will have moved."""
        return self.new_starts[id(box)] - box.start


def _fields(box: Box, in_fragment: bool) -> list[tuple[int, int]]:
    """Places and widths, in bytes, of the numbers in a box that count from the file's start."""
    data, name = box.data, box.name
    if len(data) < 8:
        return []
    flags = int.from_bytes(data[1:4], "big")
    if name == b"tfhd" and flags & 1 and len(data) >= 16:
        return [(8, 8)]
    if name == b"tfra" and len(data) >= 16:
        return _of_tfra(data)
    if name == b"saio" and not in_fragment:  # where it counts from the fragment's beginning
        start = 12 if flags & 1 else 4
        wide = 8 if data[0] else 4
        count = int.from_bytes(data[start : start + 4], "big")
        count = min(count, max(0, len(data) - start - 4) // wide)
        return [(start + 4 + number * wide, wide) for number in range(count)]
    if name == b"iloc":
        return _of_iloc(data)
    return []


def _of_tfra(data: bytes) -> list[tuple[int, int]]:
    sizes = int.from_bytes(data[8:12], "big")
    wide = 8 if data[0] else 4
    step = 2 * wide + sum((sizes >> shift & 3) + 1 for shift in (4, 2, 0))
    count = min(int.from_bytes(data[12:16], "big"), (len(data) - 16) // step)
    return [(16 + number * step + wide, wide) for number in range(count)]


def _of_iloc(data: bytes) -> list[tuple[int, int]]:
    version = data[0]
    n_offset, n_length, n_base = data[4] >> 4, data[4] & 15, data[5] >> 4
    n_index = data[5] & 15 if version in (1, 2) else 0
    wide = 4 if version == 2 else 2
    count, place, found = int.from_bytes(data[6 : 6 + wide], "big"), 6 + wide, []
    for _ in range(count):
        if place + wide + 4 + n_base > len(data):
            break
        place += wide
        method = 0
        if version in (1, 2):
            method, place = int.from_bytes(data[place : place + 2], "big") & 15, place + 2
        in_file = not method and data[place : place + 2] == b"\0\0"
        place += 2
        base = int.from_bytes(data[place : place + n_base], "big")
        if in_file and n_base and base:
            found.append((place, n_base))
        place += n_base
        extents, place = int.from_bytes(data[place : place + 2], "big"), place + 2
        for _ in range(extents):
            place += n_index
            if place + n_offset + n_length > len(data):
                return found
            if in_file and n_offset and not base:
                found.append((place, n_offset))
            place += n_offset + n_length
    return found


def _chunks(box: Box) -> np.ndarray | None:
    """Where the chunks of a track's sound begin; as many as the box has room for."""
    if box.name not in (b"stco", b"co64") or len(box.data) < 8:
        return None
    kind = ">u4" if box.name == b"stco" else ">u8"
    count = min(int.from_bytes(box.data[4:8], "big"), (len(box.data) - 8) // int(kind[-1]))
    return np.frombuffer(box.data, kind, count, 8)


def _move_chunks(box: Box, chunks: np.ndarray, moves: _Moves) -> None:
    numbers = np.searchsorted(moves.starts, chunks, "right") - 1
    if moves.within_tags & set(np.unique(numbers).tolist()):
        raise BoxError("its sound is within its tags")
    shifts = np.array([new - start for start, _, new in moves.stretches], np.int64)
    new = chunks.astype(np.int64) + shifts[numbers]
    if len(new) and int(new.max()) >= 1 << 8 * chunks.itemsize:
        raise BoxError("its sound would be too far behind for its numbers")
    end = 8 + chunks.nbytes
    box.data = box.data[:8] + new.astype(chunks.dtype).tobytes() + box.data[end:]


def _move(box: Box, moves: _Moves, top: Box) -> None:
    """Correct the numbers in a box that point into the file."""
    if not moves.moves_anything:
        return
    if box.name == b"sidx":
        _move_sidx(box, moves)
        return
    chunks = _chunks(box)
    if chunks is not None:
        _move_chunks(box, chunks, moves)
        return
    fields = _fields(box, top.name == b"moof")
    if not fields:
        return
    data = bytearray(box.data)
    for place, wide in fields:
        new = moves.moved(int.from_bytes(data[place : place + wide], "big"))
        if new >= 1 << 8 * wide:
            raise BoxError("its sound would be too far behind for its numbers")
        data[place : place + wide] = new.to_bytes(wide, "big")
    box.data = bytes(data)


def _sidx_field(box: Box) -> tuple[int, int] | None:
    if len(box.data) < 28:
        return None
    return (20, 8) if box.data[0] else (16, 4)


def _move_sidx(box: Box, moves: _Moves) -> None:
    """An index of fragments counts from its own end."""
    found = _sidx_field(box)
    if found is None or id(box) not in moves.new_starts:
        return
    place, wide = found
    end = box.start + box.size
    first = end + int.from_bytes(box.data[place : place + wide], "big")
    new = moves.moved(first) - (end + moves.shift(box))
    if not 0 <= new < 1 << 8 * wide:
        raise BoxError("its index of fragments cannot be moved")
    box.data = box.data[:place] + new.to_bytes(wide, "big") + box.data[place + wide :]


def _with_places(box: Box, moves: _Moves, top: Box) -> bytes:
    """A box's content with targets in place of the numbers that point into the file."""
    if box.children is not None:
        return box.data + box.rest.rstrip(b"\0")
    chunks = _chunks(box)
    if chunks is not None:
        numbers = np.searchsorted(moves.starts, chunks, "right") - 1
        within = chunks.astype(np.int64) - np.array(moves.starts, np.int64)[numbers]
        return b"".join([numbers.tobytes(), within.tobytes(), box.data[8 + chunks.nbytes :]])
    fields, base = _fields(box, top.name == b"moof"), 0
    if box.name == b"sidx" and (found := _sidx_field(box)):
        fields, base = [found], box.start + box.size
    parts, done = [], 0
    for place, wide in fields:
        target = moves.target(base + int.from_bytes(box.data[place : place + wide], "big"))
        parts += [box.data[done:place], b"%d:%d " % target]
        done = place + wide
    return b"".join([*parts, box.data[done:]])
