"""Sound: prove that a changed copy sounds as its file does, before it replaces it.

The proof is by bytes: all that a decoder reads, of both files, without its tags. Where that is
differs by format, and is found here without the code that writes tags. A demuxer (FFmpeg's) says
in addition whether it finds the same packets at both ends and in between. Where a format's bytes
cannot be distinguished, all of its packets are compared.
"""

from __future__ import annotations

import contextlib
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from genrebeam.transforms.records import TagWriteError
from genrebeam.transforms.storage.local import open_regular
from genrebeam.transforms.tags.edges import find
from genrebeam.transforms.tags.mp4_boxes import Boxes

_CHUNK = 1 << 20
# Packets that are compared at the beginning and at other places, and shares of the length there.
_PACKETS = 24
_SHARES = (0.3, 0.6, 0.97)
_MOST_BOXES = 1 << 16
# Blocks of FLAC that tags are in: padding, comments, pictures.
_FLAC_TAGS = (1, 4, 6)
_RIFF_TAGS = (b"ID3 ", b"id3 ")
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_NO_PLACE = b"\xff" * 8
# Raw streams have no index; FFmpeg only guesses where a moment is.
_NO_INDEX = ("mp3", "aac", "ac3", "flac")


@dataclass
class _Sound:
    """What of a file a decoder reads.

    Parameters
    ----------
    stretches : list of (int, int)
        Begin and length, in bytes.
    facts : list
        What else has to be the same.
    """

    stretches: list[tuple[int, int]]
    facts: list[Any]


def check_same_sound(old: str, new: str, path: str) -> None:
    """Refuse a copy that does not sound as its file does.

    Parameters
    ----------
    old, new : str
        The file and its changed copy.
    path : str
        The user's file, for messages.

    Raises
    ------
    TagWriteError
        If the sound is another, or if it cannot be proved to be the same.
    """
    with open_regular(old) as before, open_regular(new) as after:
        same = _same_bytes(before, after)
    if same is False or not _same_packets(old, new, all_of_them=same is None):
        raise TagWriteError(path, "the sound would not be the same")


def _same_bytes(old: BinaryIO, new: BinaryIO) -> bool | None:
    """Whether the sound of two files is the same; None where it is not known where it is."""
    try:
        before = _sound_of(old)
    except (ValueError, IndexError, EOFError):
        return None
    try:
        after = _sound_of(new)
    except (ValueError, IndexError, EOFError):
        return False
    if before is None or after is None:
        return None if before is after else False
    lengths = [[length for _, length in one.stretches] for one in (before, after)]
    if before.facts != after.facts or lengths[0] != lengths[1]:
        return False
    pairs = zip(before.stretches, after.stretches, strict=True)
    return all(_equal(old, one[0], new, other[0], one[1]) for one, other in pairs)


def _equal(old: BinaryIO, place: int, new: BinaryIO, other: int, length: int) -> bool:
    old.seek(place)
    new.seek(other)
    while length > 0:
        chunk = old.read(min(length, _CHUNK))
        if chunk != new.read(len(chunk)):
            return False
        if not chunk:
            break
        length -= len(chunk)
    return True


def _sound_of(stream: BinaryIO) -> _Sound | None:
    edges = find(stream)
    stream.seek(edges.start)
    head = stream.read(16)
    begin, end = edges.start, edges.end
    if head.startswith(b"fLaC"):
        return _of_flac(stream, begin, end)
    if head.startswith(b"OggS"):
        return _of_ogg(stream, begin, end)
    if head.startswith((b"RIFF", b"FORM", b"FRM8")):
        return _of_chunks(stream, begin, end, head[:4])
    if head.startswith(b"DSD "):
        return _of_dsf(stream, begin)
    if head.startswith(_ASF_HEADER):
        return _of_asf(stream, begin, end)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        if begin:
            return None
        stretches, facts = Boxes(stream).sound()
        # What is known to be a tag behind the boxes is not sound.
        return _Sound([(place, size) for place, size in stretches if place < end], facts)
    return _Sound([(begin, end - begin)], [])


def _of_flac(stream: BinaryIO, begin: int, end: int) -> _Sound:
    facts: list[Any] = []
    place, last = begin + 4, False
    while not last:
        stream.seek(place)
        head = stream.read(4)
        if len(head) < 4:
            raise EOFError
        last, kind, size = bool(head[0] & 0x80), head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if kind not in _FLAC_TAGS:
            facts.append((kind, stream.read(size)))
        place += 4 + size
    return _Sound([(place, end - place)], facts)


def _of_chunks(stream: BinaryIO, begin: int, end: int, kind: bytes) -> _Sound:
    """All chunks but ID3 and RIFF's own fields; what is behind the last one, too."""
    wide, order = (8, "big") if kind == b"FRM8" else (4, "little" if kind == b"RIFF" else "big")
    found: list[tuple[int, int]] = []
    facts: list[Any] = []
    place = begin + 4 + wide + 4
    while place + 4 + wide <= end and len(facts) < _MOST_BOXES:
        stream.seek(place)
        head = stream.read(4 + wide + 4)
        name = head[:4]
        size = int.from_bytes(head[4 : 4 + wide], order)  # type: ignore[arg-type]
        if not name.isascii() or not name.strip(b"\0"):
            break
        start = place + 4 + wide
        if name == b"data" and not size:  # a size that was not known: all that follows
            size = end - start
        if name not in _RIFF_TAGS and not (name == b"LIST" and head[8:12] == b"INFO"):
            found.append((start, min(size, end - start)))
            facts.append(name)
        place = start + size + size % 2
    if place < end:
        found.append((place, end - place))
    return _Sound(found, facts)


def _of_dsf(stream: BinaryIO, begin: int) -> _Sound:
    stream.seek(begin + 28 + 52 + 4)
    size = int.from_bytes(stream.read(8), "little")
    return _Sound([(begin + 28, 52 + size)], [])


def _of_asf(stream: BinaryIO, begin: int, end: int) -> _Sound:
    """All objects but the header, in which only packets tell what is sound."""
    found: list[tuple[int, int]] = []
    facts: list[Any] = []
    place = begin
    while place + 24 <= end and len(facts) < _MOST_BOXES:
        stream.seek(place)
        head = stream.read(24)
        size = int.from_bytes(head[16:24], "little")
        if size < 24:
            break
        if head[:16] != _ASF_HEADER:
            found.append((place, min(size, end - place)))
            facts.append(head[:16])
        place += size
    return _Sound(found, facts)


def _of_ogg(stream: BinaryIO, begin: int, end: int) -> _Sound:
    """Pages of sound without their running numbers and checksums; headers but the comments."""
    found: list[tuple[int, int]] = []
    facts: list[Any] = []
    sizes: list[int] = []
    place, headers = begin, b""
    in_headers = True
    while place + 27 <= end:
        stream.seek(place)
        page = stream.read(27 + 255)
        if page[:4] != b"OggS":
            break
        n_segments = page[26]
        lacing = page[27 : 27 + n_segments]
        start, length = place + 27 + n_segments, sum(lacing)
        # A page on which no packet ends, as in a large picture, has no place in time.
        in_headers = in_headers and page[6:14] in (bytes(8), _NO_PLACE)
        if in_headers:
            stream.seek(start)
            headers += stream.read(length)
            sizes += lacing
        else:
            facts.append((page[4:18], lacing))
            found.append((start, length))
        place = start + length
    packets, packet, done = [], 0, 0
    for size in sizes:
        packet += size
        if size < 255:
            packets.append(headers[done : done + packet])
            done, packet = done + packet, 0
    packets.append(headers[done:])
    if place < end:
        found.append((place, end - place))
    return _Sound(found, [packets[:1], packets[2:], facts])


def _same_packets(old: str, new: str, *, all_of_them: bool) -> bool:
    """Whether a demuxer finds the same in two files; all the same where it reads neither."""
    import av

    places: list[int] | None = None if all_of_them else []
    try:
        before = list(_packets(old, places, choose=True))
    except (av.FFmpegError, OSError, ValueError):
        return not all_of_them
    try:
        return before == list(_packets(new, places))
    except (av.FFmpegError, OSError, ValueError):
        return False


def _packets(path: str, places: list[int] | None, *, choose: bool = False) -> Iterator[Any]:
    """Facts of a file's sound and digests of its packets.

    Of all of them, or of some at the beginning and at these places, which the first call chooses.
    """
    import av

    with (
        open_regular(path) as file,
        # Not by its name, which need not be text and may look like an address.
        av.open(f"/dev/fd/{file.fileno()}", mode="r", metadata_errors="ignore") as container,
    ):
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        context = stream.codec_context
        yield len(container.streams.audio)
        if context is not None:
            yield context.name, context.sample_rate, context.channels
        packets = container.demux(stream)
        if places is None:
            yield from map(_digest, packets)
            return
        first = list(map(_digest, itertools.islice(packets, _PACKETS)))
        if container.format.name == "flac" and len(first) < _PACKETS:
            # It has no sizes: the last packet goes on to the end, whatever is there.
            first = [digest for digest in first if digest[0]][:-1]
        yield from first
        if choose and container.format.name not in _NO_INDEX and stream.duration:
            start = stream.start_time or 0
            places += [start + int(stream.duration * share) for share in _SHARES]
        for place in places:
            with contextlib.suppress(av.FFmpegError):
                container.seek(place, stream=stream)
                yield place
                some = itertools.islice(container.demux(stream), _PACKETS)
                yield from map(_digest, some)


def _digest(packet: Any) -> tuple[int, int]:
    return packet.size, zlib.crc32(packet) if packet.size else 0
