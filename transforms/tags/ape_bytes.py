"""APEv2 tags beside ID3, byte by byte.

mutagen only finds the tag. If it wrote the tag, all items would be in another order and without
their flags, and an ID3v1 tag behind them would be gone. Here only some items are replaced, and
all other bytes stay.

Source: https://wiki.hydrogenaud.io/index.php?title=APEv2_specification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from mutagen._util import resize_bytes
from mutagen.apev2 import _APEv2Data

_MARK = b"APETAGEX"
# Header and footer are alike: mark, version, size, number of items, flags, eight zeros.
_FRAME = 32
_SIZE, _COUNT = 12, 16


@dataclass(frozen=True)
class _Item:
    """An item as it is in the file.

    Parameters
    ----------
    key : str
        Case-folded.
    """

    key: str
    flags: bytes
    name: bytes
    value: bytes

    def to_bytes(self) -> bytes:
        size = len(self.value).to_bytes(4, "little")
        return size + self.flags + self.name + b"\0" + self.value


@dataclass(frozen=True)
class _Tag:
    """An APEv2 tag and its place.

    Parameters
    ----------
    start, end : int
        Where the items begin and the footer begins, in bytes.
    rest : bytes
        What is between the last item and the footer.
    """

    start: int
    end: int
    items: tuple[_Item, ...]
    rest: bytes


def read_items(stream: BinaryIO) -> list[tuple[str, bytes]]:
    """All items of a file's APEv2 tag.

    Returns
    -------
    list of (str, bytes)
        Case-folded key and the item's bytes, in the file's order; empty if there is no tag.

    Raises
    ------
    ValueError, mutagen.MutagenError
        If the tag is damaged.
    """
    tag = _find(stream)
    return [(item.key, item.to_bytes()) for item in tag.items] if tag else []


def read_texts(stream: BinaryIO) -> list[tuple[str, list[str]]]:
    """Case-folded keys and values of all texts, and of a genre that is said to be binary.

    Raises
    ------
    ValueError, mutagen.MutagenError
        If the tag is damaged.
    """
    tag = _find(stream)
    return [
        (item.key, item.value.decode("utf-8", "replace").split("\0"))
        for item in (tag.items if tag else ())
        if not item.flags[0] & 0b110 or item.key == "genre"
    ]


def exchange(stream: BinaryIO, texts: Mapping[str, Sequence[str]], *, adds: bool = False) -> bool:
    """Replace the values of items that are there.

    Parameters
    ----------
    stream : file
        Open for reading and writing.
    texts : mapping of str to sequence of str
        Key, in any case, to the item's new values.
    adds : bool
        Whether items are added that are not there.

    Returns
    -------
    bool
        Whether there is such a tag.

    Raises
    ------
    ValueError, mutagen.MutagenError
        If the tag is damaged.
    """
    tag = _find(stream)
    if tag is None:
        return False
    values = {key.casefold(): "\0".join(texts[key]).encode("utf-8") for key in texts}
    items, seen = [], set()
    for item in tag.items:
        if item.key not in values:
            items.append(item)
        elif item.key not in seen:  # of two items with one key the first stays
            seen.add(item.key)
            items.append(_Item(item.key, _as_text(item.flags), item.name, values[item.key]))
    for key in texts if adds else ():
        if key.casefold() not in seen:
            name = key.encode("ascii")
            items.append(_Item(key.casefold(), bytes(4), name, values[key.casefold()]))
    if tuple(items) == tag.items:
        return True
    content = b"".join(item.to_bytes() for item in items) + tag.rest
    grown, fewer = len(content) - (tag.end - tag.start), len(tag.items) - len(items)
    resize_bytes(stream, tag.end - tag.start, len(content), tag.start)
    stream.seek(tag.start)
    stream.write(content)
    for place in (tag.start - _FRAME, tag.start + len(content)):
        _correct(stream, place, grown, fewer)
    return True


def _as_text(flags: bytes) -> bytes:
    """An item's flags with its type set to text; the other flags stay."""
    return bytes([flags[0] & ~0b110]) + flags[1:]


def _correct(stream: BinaryIO, place: int, grown: int, fewer: int) -> None:
    """Correct size and count in a header or footer, if there is one."""
    if place < 0:
        return
    stream.seek(place)
    frame = bytearray(stream.read(_FRAME))
    if len(frame) < _FRAME or not frame.startswith(_MARK):
        return
    for at, change in ((_SIZE, grown), (_COUNT, -fewer)):
        number = int.from_bytes(frame[at : at + 4], "little") + change
        frame[at : at + 4] = max(0, number).to_bytes(4, "little")
    stream.seek(place)
    stream.write(frame)


def _find(stream: BinaryIO) -> _Tag | None:
    stream.seek(0)
    found = _APEv2Data(stream)
    if not found.tag:
        return None
    items: list[Any] = []
    data, place = found.tag, 0
    while place < len(data) and len(items) < found.items:  # some writers count wrong
        size = int.from_bytes(data[place : place + 4], "little")
        name_end = data.find(b"\0", place + 8)
        end = name_end + 1 + size
        if name_end < 0 or end > len(data):
            raise ValueError("its APEv2 tag is damaged")
        name = data[place + 8 : name_end]
        key = name.decode("ascii", "replace").casefold()
        items.append(_Item(key, data[place + 4 : place + 8], name, data[name_end + 1 : end]))
        place = end
    return _Tag(found.data, found.data + len(data), tuple(items), data[place:])
