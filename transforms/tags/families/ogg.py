"""Ogg (Vorbis, Opus, Speex, FLAC): Vorbis comments in the second packet."""

from __future__ import annotations

from typing import Any, BinaryIO

from mutagen.ogg import OggFileType, OggPage

from transforms.tags import vorbis_tags
from transforms.tags.family import Family


def _check(file: Any) -> None:
    with open(file.filename, "rb") as stream:
        _check_pages(stream)
        stream.seek(0)
        packet = _second_packet(stream)
    vorbis_tags.check(file, lambda comments: comments in packet)


def _check_pages(stream: BinaryIO) -> None:
    """Refuse damaged pages: mutagen numbers pages anew and gives them a new checksum.

    Decoders leave out a page with a wrong checksum, and would then play its garbage.
    """
    while True:
        start = stream.tell()
        try:
            page = OggPage(stream)
        except EOFError:
            return
        stream.seek(start)
        if stream.read(page.size) != page.write():
            raise ValueError("has damaged pages, and writing would hide the damage")


def _second_packet(stream: BinaryIO) -> bytes:
    """The packet behind the first of a stream, where its comments are."""
    pages = [OggPage(stream)]
    while len(packets := OggPage.to_packets(pages, strict=False)) < 3:
        page = OggPage(stream)
        if page.serial == pages[0].serial:
            pages.append(page)
            if page.last:
                break
    return packets[1] if len(packets := OggPage.to_packets(pages, strict=False)) > 1 else b""


FAMILY = Family(
    kinds=(OggFileType,),
    read=vorbis_tags.KEYS.read,
    write=vorbis_tags.write,
    others=vorbis_tags.others,
    check=_check,
)
