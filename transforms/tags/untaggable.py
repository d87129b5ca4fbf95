"""Music that gets no genre, because it has no place for one or because writing would do harm.

Such files are refused before any library opens them, and the reason names their format. mutagen
and TagLib cannot write most of these containers; in others a decoder would take the tag for sound.
"""

from __future__ import annotations

import os
from typing import BinaryIO

# Known by their first bytes, whatever the file is called.
_CONTAINERS = {
    b"RF64": "RF64 (a wav for more than 4 GB)",
    b"BW64": "BW64 (a wav for more than 4 GB)",
    b"riff\x2e\x91\xcf\x11": "Wave64 (a wav for more than 4 GB)",
    b"caff": "CAF",
    b"\x1a\x45\xdf\xa3": "Matroska and WebM",
    b".snd": "AU",
    b"dns.": "AU",
    b"#!AMR": "AMR",
    b"\x0b\x77": "AC-3",
    b"\x77\x0b": "AC-3",
    b"\x7f\xfe\x80\x01": "DTS",
    b"\xfe\x7f\x01\x80": "DTS",
    b"\x1f\xff\xe8\x00": "DTS",
    b"\xff\x1f\x00\xe8": "DTS",
    b"DTSHDHDR": "DTS",
    b"\xac\x40": "AC-4",
    b"\xac\x41": "AC-4",
    b"Creative Voice File": "VOC",
    b".ra\xfd": "RealAudio",
    b".RMF": "RealAudio",
    b"ajkg": "Shorten",
    b"ea3\x03": "ATRAC (OMA)",
    b"EA3": "ATRAC (OMA)",
    b"qoaf": "QOA",
    b"NIST_1A": "NIST Sphere",
}
# The same, a few bytes into the file.
_CONTAINERS_AT_4 = {
    b"\xf8\x72\x6f\xba": "TrueHD",
    b"\xf8\x72\x6f\xbb": "MLP",
    b"ftyp3g": "3GP",
    b"ftypaax": "AAX, which is protected from copying (DRM),",
}
# What tells nothing by its bytes that is sure enough: by the name of the file.
_BY_NAME = {
    "3gp": "3GP",
    "3g2": "3GP",
    "3ga": "3GP",
    "gsm": "GSM",
    "latm": "AAC in LATM",
    "loas": "AAC in LATM",
    "mp1": "MPEG audio of layer 1",
    "mpa": "MPEG audio in general",
}
_HEAD = 64
# Boxes of an MP4 that lead to what its streams are.
_TO_HANDLER = (b"moov", b"trak", b"mdia", b"hdlr")
_MOST_BOXES = 1000
# Names of files that may have pictures beside the sound: chapters of a book, a cover.
_WITH_PICTURES = ("m4a", "m4b", "m4r", "m4p")
# A wav's numbers for MPEG audio: layers 1 and 2, then layer 3.
_MPEG_IN_WAV = (0x50, 0x55)
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
# Objects in an ASF header that only encrypted files have.
_ASF_LOCKS = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
_LARGEST_ASF_HEADER = 1 << 24
# No Ogg page is longer, so the last one begins within this many bytes from the end.
_LARGEST_PAGE = 27 + 255 + 255 * 255
_FIRST_PAGE = 0x02


def why_untaggable(stream: BinaryIO, format: str = "") -> str | None:
    """Why a file gets no genre, or None.

    Parameters
    ----------
    stream : file
        At its beginning.
    format : str
        Its extension.
    """
    head = stream.read(_HEAD)
    names = [name for magic, name in _CONTAINERS.items() if head.startswith(magic)]
    names += [name for magic, name in _CONTAINERS_AT_4.items() if head[4:].startswith(magic)]
    if format in _BY_NAME:
        names.append(_BY_NAME[format])
    if names:
        return f"{names[0]} has no place for a genre that players read; FLAC has one"
    if head[4:8] == b"ftyp" and format not in _WITH_PICTURES:
        return _why_mp4(stream)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _why_wave(stream)
    if head.startswith(_ASF):
        return _why_asf(stream, head)
    if head.startswith(b"OggS"):
        return _why_ogg(stream)
    return None


def _why_mp4(stream: BinaryIO) -> str | None:
    if b"vide" in _handlers(stream, 0, stream.seek(0, os.SEEK_END), _TO_HANDLER):
        return "a video; its sound alone could get one (ffmpeg -i OLD.mp4 -vn -c copy NEW.m4a)"
    return None


def _handlers(stream: BinaryIO, place: int, end: int, names: tuple[bytes, ...]) -> set[bytes]:
    """What the streams of an MP4 are: kinds such as ``soun``."""
    found: set[bytes] = set()
    for _ in range(_MOST_BOXES):
        stream.seek(place)
        head = stream.read(20)
        if len(head) < 8 or place >= end:
            break
        size, start = int.from_bytes(head[:4], "big"), 8
        if size == 1 and len(head) >= 16:
            size, start = int.from_bytes(head[8:16], "big"), 16
        if size == 0:
            size = end - place
        if size < start:
            break
        if head[4:8] == names[0]:
            if len(names) > 1:
                found |= _handlers(stream, place + start, min(end, place + size), names[1:])
            else:
                found.add(head[16:20])
        place += size
    return found


def _why_wave(stream: BinaryIO) -> str | None:
    place = 12
    for _ in range(16):  # the format's description is among the first chunks
        stream.seek(place)
        chunk = stream.read(10)
        if len(chunk) < 10:
            return None
        if chunk[:4] == b"fmt ":
            if int.from_bytes(chunk[8:10], "little") in _MPEG_IN_WAV:
                return (
                    "an mp3 in a wav: decoders would play a tag as sound; take the mp3 out "
                    "(ffmpeg -i OLD.wav -c copy NEW.mp3)"
                )
            return None
        size = int.from_bytes(chunk[4:8], "little")
        place += 8 + size + size % 2
    return None


def _why_asf(stream: BinaryIO, head: bytes) -> str | None:
    size = min(int.from_bytes(head[16:24], "little"), _LARGEST_ASF_HEADER)
    stream.seek(0)
    header = stream.read(size)
    if any(lock in header for lock in _ASF_LOCKS):
        return "a WMA that is protected from copying (DRM); only its own player can decode it"
    return None


def _why_ogg(stream: BinaryIO) -> str | None:
    """Refuse several streams, at a time or one after the other: each has its own tags."""
    serials, place = set(), 0
    while True:
        stream.seek(place)
        page = stream.read(27 + 255)
        if len(page) < 27 or page[:4] != b"OggS" or not page[5] & _FIRST_PAGE:
            break
        serials.add(page[14:18])
        n_segments = page[26]
        place += 27 + n_segments + sum(page[27 : 27 + n_segments])
    if len(serials) > 1:
        return f"an Ogg of {len(serials)} streams at a time: not every player would find the genre"
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _LARGEST_PAGE))
    tail = stream.read()
    last = tail.rfind(b"OggS")
    if (
        serials
        and last >= 0
        and len(tail) >= last + 27
        and tail[last + 14 : last + 18] not in serials
    ):
        return "several Ogg recordings in a row, as from internet radio: each has its own genre"
    return None
