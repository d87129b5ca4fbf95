"""Music that gets no genre, because it has no place for one or because writing would do harm.

Such files are refused before any library opens them, and the reason names their format. mutagen
and TagLib cannot write most of these containers; in others a decoder would take the tag for sound.
"""

from __future__ import annotations

import os
from typing import BinaryIO

# Told by the first bytes, whatever the file is called.
_CONTAINERS = {
    b"RF64": "RF64 (a wav for more than 4 GB)",
    b"BW64": "BW64 (a wav for more than 4 GB)",
    b"riff\x2e\x91\xcf\x11": "Wave64 (a wav for more than 4 GB)",
    b"caff": "CAF",
    b"\x1a\x45\xdf\xa3": "Matroska and WebM",
}
_HEAD = 64
# A wav's numbers for MPEG audio: layers 1 and 2, then layer 3.
_MPEG_IN_WAV = (0x50, 0x55)
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
# Objects in an ASF header that only encrypted files have.
_ASF_LOCKS = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
_LARGEST_ASF_HEADER = 1 << 24
# No Ogg page is longer, so the last one begins within so many bytes from the end.
_LARGEST_PAGE = 27 + 255 + 255 * 255
_FIRST_PAGE = 0x02


def why_untaggable(stream: BinaryIO) -> str | None:
    """Why a file gets no genre, or None.

    Parameters
    ----------
    stream : file
        At its beginning.

    Returns
    -------
    str or None
    """
    head = stream.read(_HEAD)
    for magic, name in _CONTAINERS.items():
        if head.startswith(magic):
            return f"{name} has no place for a genre that players read; FLAC has one"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _why_wave(stream)
    if head.startswith(_ASF):
        return _why_asf(stream, head)
    if head.startswith(b"OggS"):
        return _why_ogg(stream)
    return None


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
