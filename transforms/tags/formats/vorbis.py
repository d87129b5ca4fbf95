"""FLAC and Ogg: Vorbis comments, ``GENRE`` once for each genre."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any, BinaryIO

from mutagen._vorbis import VCommentDict
from mutagen.flac import FLAC, Picture, VCFLACDict
from mutagen.flac import Padding as FLACPadding
from mutagen.id3 import BitPaddedInt
from mutagen.ogg import OggFileType, OggPage

from genrebeam.transforms.tags.edges import Tag, id3_texts
from genrebeam.transforms.tags.formats.mapping import Mapped

_FROM_ID3 = {
    "TIT2": "TITLE",
    "TPE1": "ARTIST",
    "TALB": "ALBUM",
    "TPE2": "ALBUMARTIST",
    "TDRC": "DATE",
    "TRCK": "TRACKNUMBER",
    "COMM": "COMMENT",
}


class Vorbis(Mapped):
    """Files with Vorbis comments."""

    kinds = (FLAC, OggFileType)
    text = ("title", "artist", "album", "albumartist")
    year = ("date", "year")
    genre, mood = "genre", "mood"

    def adopt(self, file: Any, around: Sequence[Tag]) -> None:
        """Take over ID3 around FLAC: players that find comments no longer look at it."""
        tags = [tag.data for tag in around if tag.kind in ("ID3v2", "ID3v1")]
        if not isinstance(file, FLAC) or file.tags:
            return
        texts: dict[str, str] = {}
        for data in tags:
            texts = {**_texts_of(data), **texts}
        if texts and file.tags is None:
            file.add_tags()
        comments: Any = file.tags
        for key, text in texts.items():
            comments[key] = text

    def put(self, tags: Any, key: str, values: list[str]) -> None:
        """Vorbis comments are a list: keep the place and the spelling of the key."""
        comments = list(tags)
        places = [i for i, (found, _) in enumerate(comments) if found.casefold() == key.casefold()]
        place, spelling = len(comments), key.upper()
        if places:
            place, spelling = places[0], comments[places[0]][0]
        rest = [item for i, item in enumerate(comments) if i not in places]
        tags[:] = [*rest[:place], *((spelling, value) for value in values), *rest[place:]]

    def others(self, file: Any, custom: Collection[str]) -> Any:
        comments = [item for item in file.tags or [] if not self.is_written(item[0], custom)]
        if not isinstance(file, FLAC):
            return comments
        with open(file.filename, "rb") as stream:
            kept = (VCFLACDict.code, FLACPadding.code)
            return comments, [block for block in _flac_blocks(stream) if block[0] not in kept]

    def second_genres(self, stream: BinaryIO) -> tuple[str, ...]:
        """Of further blocks of comments: FLAC allows one, but some players show all of them."""
        stream.seek(0)
        if stream.read(4) not in (b"fLaC", b"ID3\3", b"ID3\4", b"ID3\2"):
            return ()
        blocks = [data for _, data in _flac_blocks(stream, VCFLACDict.code)]
        found = [
            value
            for data in blocks[1:]
            for key, value in VCommentDict(data, errors="replace", framing=False)
            if key.casefold() == self.genre
        ]
        return tuple(dict.fromkeys(found))

    def check(self, file: Any) -> None:
        """Refuse comments that mutagen reads otherwise than they stand in the file."""
        with open(file.filename, "rb") as stream:
            if isinstance(file, FLAC):
                _check_pictures(stream)
                # Whole blocks: mutagen takes for sound what is behind the comments in theirs.
                raw: list[bytes] | bytes = [
                    data for kind, data in _flac_blocks(stream) if kind == VCFLACDict.code
                ]
            else:
                _check_pages(stream)
                raw = _second_packet(stream)
        says_anything = [_says_anything(data) for data in raw if isinstance(data, bytes)]
        is_adopted = isinstance(file, FLAC) and bool(file.tags) and not any(says_anything)
        if file.tags is not None and not is_adopted and file.tags.write(framing=False) not in raw:
            raise ValueError("its comments break the format's rules, and some would be lost")


def _says_anything(comments: bytes) -> bool:
    """Whether there is a comment behind the vendor's name."""
    vendor = int.from_bytes(comments[:4], "little")
    return any(comments[4 + vendor : 8 + vendor])


def _texts_of(tag: bytes) -> dict[str, str]:
    """What an ID3 tag says, by the keys of Vorbis comments; not the genre."""
    texts = {_FROM_ID3.get(name): text for name, text in id3_texts(tag).items()}
    return {key: text for key, text in texts.items() if key and text.strip()}


def _check_pictures(stream: BinaryIO) -> None:
    """Refuse FLAC with pictures behind which mutagen would see the sound begin too early."""
    for kind, data in _flac_blocks(stream):
        if kind == Picture.code and len(Picture(data).write()) != len(data):
            raise ValueError("a picture is not as long as its block")


def _check_pages(stream: BinaryIO) -> None:
    """Refuse Ogg with damaged pages: numbered anew, they would get a checksum that fits.

    Decoders leave a page out whose checksum is wrong, and would play the garbage then.
    """
    while True:
        start = stream.tell()
        try:
            page = OggPage(stream)
        except EOFError:
            break
        stream.seek(start)
        if stream.read(page.size) != page.write():
            raise ValueError("has damaged pages, and writing would hide the damage")
    stream.seek(0)


def _flac_blocks(stream: BinaryIO, only: int | None = None) -> Iterator[tuple[int, bytes]]:
    """FLAC's metadata blocks as they stand in the file, all or of one kind: kinds and contents."""
    stream.seek(0)
    data = stream.read(10)
    place = 10 + BitPaddedInt(data[6:10]) if data.startswith(b"ID3") else 0
    stream.seek(place + 4)
    last = False
    while not last:
        head = stream.read(4)
        if len(head) < 4:
            return
        last, kind, size = bool(head[0] & 0x80), head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if only in (None, kind):
            yield kind, stream.read(size)
        else:
            stream.seek(size, os.SEEK_CUR)


def _second_packet(stream: BinaryIO) -> bytes:
    """The packet behind the first of an Ogg stream, where its comments are."""
    pages = [OggPage(stream)]
    while len(packets := OggPage.to_packets(pages, strict=False)) < 3:
        page = OggPage(stream)
        if page.serial == pages[0].serial:
            pages.append(page)
            if page.last:
                break
    return packets[1] if len(packets := OggPage.to_packets(pages, strict=False)) > 1 else b""
