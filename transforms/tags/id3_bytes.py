"""ID3 tags, byte by byte.

mutagen finds the tag in its container (mp3, wav, aiff, dsf, tta) and makes room for it; the tag's
bytes are made here. If mutagen made them, it would parse all frames and write them anew. That
drops frames that it does not understand (damaged, compressed, encrypted, or unknown in ID3v2.2)
and merges frames that occur twice, and it cannot write ID3v2.2 at all. Here only some frames are
replaced, and all other bytes stay in their order.

Sources: https://id3.org/id3v2-00, https://id3.org/id3v2.3.0,
https://id3.org/id3v2.4.0-structure.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mutagen.id3 import TCON, Frames
from mutagen.id3._id3v1 import find_id3v1
from mutagen.id3._tags import determine_bpi
from mutagen.id3._util import BitPaddedInt, unsynch

_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
_HEADER = 10
# Some writers use names of ID3v2.2 in later tags, with a null character as the fourth.
_FRAME_NAME = re.compile(rb"[A-Z0-9]{3}[A-Z0-9\0]?")
_NO_GENRE = 255
# A tag that has to grow gets this much room for the next change, in bytes.
_PADDING = 1024


class UnsupportedTag(ValueError):
    """An ID3v2 tag in which no frame can be replaced safely."""


@dataclass(frozen=True)
class Text:
    """A text frame to be written.

    Parameters
    ----------
    name : {"genre", "mood", "custom"}
        ``TCON``, ``TMOO`` (in ID3v2.2 there is none: ``TXX``) or ``TXXX``.
    values : tuple of str
        If empty, the frame is removed.
    description : str
        A custom frame's own name; the mood's where it has no frame.
    """

    name: str
    values: tuple[str, ...]
    description: str = ""


_NAMES = {
    "genre": {2: b"TCO", 3: b"TCON", 4: b"TCON"},
    "mood": {2: b"TXX", 3: b"TMOO", 4: b"TMOO"},
    "custom": {2: b"TXX", 3: b"TXXX", 4: b"TXXX"},
}


def genre_frames(genres: Sequence[str]) -> list[Text]:
    """Genres for `exchange`: in their own frame, and no longer in ``TXXX:GENRE``."""
    return [Text("genre", tuple(genres)), Text("custom", (), "GENRE")]


def exchange(tag: bytes, texts: Sequence[Text], *, separator: str = "\0", room: int = 0) -> bytes:
    """Replace text frames of an ID3v2 tag.

    Parameters
    ----------
    tag : bytes
        The tag with its header and padding; bytes behind it are ignored.
    texts : sequence of Text
        Each replaces all frames of its name (and description), or becomes the last frame.
    separator : str
        Between several values before ID3v2.4; in ID3v2.4 it is always the null character.
    room : int
        This many bytes the tag may take without moving what is behind it.

    Returns
    -------
    bytes
        The new tag, `room` bytes long if it fits.

    Raises
    ------
    UnsupportedTag
        If the tag has a footer that is not there, is compressed, or is damaged at its beginning.
    """
    version, flags, body = _open(tag)
    frames, rest = _split(version, flags, body)
    joint = "\0" if version == 4 else separator
    extended = frames.pop(0) if flags & _EXTENDED and not _is_frame(frames, version) else b""
    for text in texts:
        new = _frame(version, text, joint)
        places = [i for i, frame in enumerate(frames) if _is(frame, version, text)]
        # FFmpeg loses its place in an unsynchronised tag that has a picture: before that, then.
        end = 0 if flags & _UNSYNCHRONISED else len(frames)
        place = places[0] if places else end
        frames = [frame for i, frame in enumerate(frames) if i not in places]
        if new:
            frames.insert(place, new)
    return _close(version, flags, extended, b"".join(frames), rest, room)


def _is_frame(frames: Sequence[bytes], version: int) -> bool:
    """Whether the first is a frame, not an extended header: some writers set its flag wrongly."""
    return not frames or frames[0][:4].decode("latin-1") in Frames


def length_of(head: bytes) -> int:
    """How long an ID3v2 tag is that begins so, in bytes; 0 where there is none.

    Parameters
    ----------
    head : bytes
        At least ten.
    """
    if (
        len(head) < _HEADER
        or head[:3] != b"ID3"
        or head[3] not in (2, 3, 4)
        or max(head[6:10]) > 127
    ):
        return 0
    footer = _HEADER if head[3] == 4 and head[5] & _FOOTER else 0
    return _HEADER + int(BitPaddedInt(head[6:10])) + footer


def count_frames(tag: bytes) -> int:
    """The number of frames in an ID3v2 tag, known or unknown."""
    version, flags, body = _open(tag)
    frames, _ = _split(version, flags, body)
    return len(frames)


def has_genre(tag: bytes) -> bool:
    """Whether a frame for the genre has a content, even one that nobody can read."""
    version, flags, body = _open(tag)
    frames, _ = _split(version, flags, body)
    head = 6 if version == 2 else 10
    genre = Text("genre", ())
    return any(
        frame[head + 1 :].strip(b"\0\xff\xfe ") for frame in frames if _is(frame, version, genre)
    )


def following_tags(stream: BinaryIO) -> list[tuple[int, bytes]]:
    """ID3v2 tags behind the first one of a file; some programs add one instead of replacing it.

    Returns
    -------
    list of (int, bytes)
        Offset in the file, in bytes, and the whole tag.
    """
    found: list[tuple[int, bytes]] = []
    place = 0
    while True:
        stream.seek(place)
        head = stream.read(_HEADER)
        size = length_of(head)
        if not size:
            return found[1:]
        stream.seek(place)
        found.append((place, stream.read(size)))
        place += size


def pad_footer(path: str) -> None:
    """Turn the footer of a tag at a file's beginning into padding: mutagen overlooks footers."""
    with open(path, "r+b") as stream:
        head = stream.read(_HEADER)
        size = length_of(head)
        if not size or head[3] != 4 or not head[5] & _FOOTER:
            return
        stream.seek(size - _HEADER)
        if stream.read(_HEADER) != b"3DI" + head[3:]:
            return
        stream.seek(size - _HEADER)
        stream.write(bytes(_HEADER))
        facts = bytes([head[5] & ~_FOOTER]) + BitPaddedInt.to_str(size - _HEADER, width=4)
        stream.seek(5)
        stream.write(facts)


def read_v1(path: str) -> bytes:
    """The ID3v1 tag at the end of a file.

    Returns
    -------
    bytes
        128 bytes, or none.

    Raises
    ------
    ValueError
        If mutagen would take other bytes at the end for such a tag, and write over them.
    """
    with open(path, "rb") as stream:
        _, offset = find_id3v1(stream)
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 128))
        block = stream.read()
    if offset not in (-128, 0):
        raise ValueError("the ID3v1 tag at its end has the wrong size")
    return block if offset else b""


def with_v1_genre(block: bytes, genres: Sequence[str]) -> bytes:
    """An ID3v1 tag with the number of the first genre that has one."""
    numbers = [TCON.GENRES.index(genre) for genre in genres if genre in TCON.GENRES]
    return block[:-1] + bytes([numbers[0] if numbers else _NO_GENRE])


def _open(tag: bytes) -> tuple[int, int, bytes]:
    """Version, flags and the bytes between header and footer."""
    if len(tag) < _HEADER or tag[:3] != b"ID3" or tag[3] not in (2, 3, 4):
        raise UnsupportedTag("no ID3v2 tag of a known version")
    version, flags, size = tag[3], tag[5], int(BitPaddedInt(tag[6:10]))
    body = tag[_HEADER : _HEADER + size]
    if len(body) < size:
        raise UnsupportedTag("the ID3v2 tag is cut off")
    if version == 2 and flags & 0x40:
        raise UnsupportedTag("the ID3v2.2 tag is compressed")
    if version == 4 and flags & _FOOTER and tag[_HEADER + size :][:3] != b"3DI":
        # mutagen overlooks the footer, and would leave it in front of the sound.
        raise UnsupportedTag("the ID3v2 tag has a footer")
    if version < 4 and flags & _UNSYNCHRONISED:
        try:
            body = unsynch.decode(body)
        except ValueError as error:
            raise UnsupportedTag(
                f"the ID3v2 tag claims to be unsynchronised, and is not: {error}"
            ) from None
    return version, flags, body


def _close(
    version: int, flags: int, extended: bytes, frames: bytes, rest: bytes, room: int
) -> bytes:
    """Assemble a tag; the zeros at the end of `rest` are padding, which is used up first."""
    junk = rest.rstrip(b"\0")
    content = frames + (rest[: len(junk)] if junk else b"")
    unsynchronised = version < 4 and flags & _UNSYNCHRONISED
    n_content = len(extended) + len(content)
    if unsynchronised:  # it may be longer then
        n_content = len(unsynch.encode(extended + content + b"\0"))
    footed = version == 4 and flags & _FOOTER
    if footed:  # where padding is not allowed
        size = n_content
    elif _HEADER + n_content <= room:
        size = room - _HEADER
    else:
        size = n_content + _PADDING
    padding = bytes(size - n_content)
    extended = _corrected(version, extended, content, padding)
    body = extended + content + padding
    if unsynchronised:
        body = unsynch.encode(body)
        size = max(size, len(body))
        body = body.ljust(size, b"\0")
    if size >= 1 << 28:  # four synchsafe bytes
        raise UnsupportedTag("the ID3v2 tag would be larger than 256 MB")
    facts = bytes([version, 0, flags]) + BitPaddedInt.to_str(size, width=4)
    return b"ID3" + facts + body + (b"3DI" + facts if footed else b"")


def _corrected(version: int, extended: bytes, content: bytes, padding: bytes) -> bytes:
    """An extended header whose size of padding and checksum are right for these frames."""
    if version == 3 and len(extended) >= 10:
        extended = extended[:6] + len(padding).to_bytes(4, "big") + extended[10:]
        if extended[4] & 0x80 and len(extended) >= 14:
            checksum = zlib.crc32(content).to_bytes(4, "big")
            extended = extended[:10] + checksum + extended[14:]
    elif version == 4 and len(extended) >= 6 and extended[5] & 0x20:
        place = 6 + (1 + extended[6] if extended[5] & 0x40 else 0)
        if extended[place : place + 1] != b"\5" or len(extended) < place + 6:
            raise UnsupportedTag("the ID3v2 tag has a damaged extended header")
        checksum = BitPaddedInt.to_str(zlib.crc32(content + padding), width=5)
        extended = extended[: place + 1] + checksum + extended[place + 6 :]
    return extended


def _split(version: int, flags: int, body: bytes) -> tuple[list[bytes], bytes]:
    """The frames and what follows the last; an extended header counts as the first frame."""
    frames = []
    place = 0
    if version >= 3 and flags & _EXTENDED and body[:4].decode("latin-1") not in Frames:
        place = _extended_size(version, body)
        frames.append(body[:place])
    head, wide = (6, 3) if version == 2 else (10, 4)
    bits = 7 if version == 4 and determine_bpi(body[place:], Frames) is BitPaddedInt else 8
    while place + head <= len(body):
        name = body[place : place + wide]
        if not _FRAME_NAME.fullmatch(name):
            break
        size = int(BitPaddedInt(body[place + wide : place + 2 * wide], bits=bits))
        if place + head + size > len(body):
            break
        frames.append(body[place : place + head + size])
        place += head + size
    return frames, body[place:]


def _extended_size(version: int, body: bytes) -> int:
    """Length of the extended header, in bytes."""
    size = BitPaddedInt(body[:4]) if version == 4 else int.from_bytes(body[:4], "big") + 4
    if not 6 <= size <= len(body):
        raise UnsupportedTag("the ID3v2 tag has a damaged extended header")
    return size


def _frame(version: int, text: Text, joint: str) -> bytes:
    """A text frame with its header; no bytes if there are no values."""
    if not text.values:
        return b""
    if version == 4:
        encoding, coding, end = 3, "utf-8", b"\0"
    elif all(part.isascii() for part in (text.description, *text.values)):
        encoding, coding, end = 0, "latin-1", b"\0"
    else:
        encoding, coding, end = 1, "utf-16", b"\0\0"
    parts = text.values if joint == "\0" else (joint.join(text.values),)
    data, name = end.join(part.encode(coding) for part in parts), _NAMES[text.name][version]
    if name in (b"TXX", b"TXXX"):
        data = text.description.encode(coding) + end + data
    data = bytes([encoding]) + data
    if version == 2:
        return name + len(data).to_bytes(3, "big") + data
    size = BitPaddedInt.to_str(len(data), width=4) if version == 4 else len(data).to_bytes(4, "big")
    return name + size + b"\0\0" + data


def _is(frame: bytes, version: int, text: Text) -> bool:
    """Whether a text replaces this frame."""
    name = frame[: 3 if version == 2 else 4]
    if text.name == "mood" and name == b"TMOO":
        return True
    wanted = _NAMES["genre" if text.name == "genre" else "custom"]
    # Of a later version also a name of ID3v2.2 and a null, see _FRAME_NAME.
    if name not in (wanted[version], wanted[2] + b"\0" if version > 2 else wanted[2]):
        return False
    if text.name == "genre":
        return True
    data = frame[6 if version == 2 else 10 :]
    if not data or data[0] > 3:
        return False
    coding = ("latin-1", "utf-16", "utf-16-be", "utf-8")[data[0]]
    if data[0] in (0, 3):
        found = data[1:].partition(b"\0")[0]
    else:
        units = [data[i : i + 2] for i in range(1, len(data) - 1, 2)]
        found = b"".join(units[: units.index(b"\0\0")]) if b"\0\0" in units else b""
    return found.decode(coding, "replace").casefold() == text.description.casefold()
