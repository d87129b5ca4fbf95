"""Tags where a format has none of its own, as other programs leave them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from mutagen.apev2 import APEv2

from tests.music_files import id3_tag

GENRE, NUMBER = "Folk", 80
_ID3V1 = b"TAG" + b"Title".ljust(124, b"\0") + bytes([NUMBER])


def _ape(folder: Path) -> bytes:
    path = folder / "ape"
    tags = APEv2()
    # Of no length with which "TAG" of its "APETAGEX" is where others look for ID3v1.
    tags["Genre"], tags["REPLAYGAIN_TRACK_GAIN"] = GENRE, "-7.90 dB"
    path.write_bytes(b"")
    tags.save(path)
    return path.read_bytes()


def _id3v2(version: int = 3) -> bytes:
    name = b"TCO" if version == 2 else b"TCON"
    title = b"TT2" if version == 2 else b"TIT2"
    frames = (title, b"\0Title"), (name, b"\0" + GENRE.encode())
    return id3_tag(version, *frames, padding=40)


def _footed() -> bytes:
    tag = id3_tag(4, (b"TCON", b"\0" + GENRE.encode()), flags=0x10)
    return tag + b"3DI" + tag[3:10]


def _enhanced() -> bytes:
    head = b"TAG+" + bytes(181) + GENRE.encode().ljust(30, b"\0")
    return head.ljust(227, b"\0")


# Around a file of any format.
AROUND: dict[str, Callable[[bytes, Path], bytes]] = {
    "ID3v2.2 before": lambda data, _: _id3v2(2) + data,
    "ID3v2.3 before": lambda data, _: _id3v2(3) + data,
    "ID3v2.4 before": lambda data, _: _id3v2(4) + data,
    "two ID3v2 before": lambda data, _: _id3v2(4) + _id3v2(3) + data,
    "ID3v1 behind": lambda data, _: data + _ID3V1,
    "ID3v1 enhanced behind": lambda data, _: data + _enhanced() + _ID3V1,
    "APEv2 behind": lambda data, folder: data + _ape(folder),
    "APEv2 and ID3v1 behind": lambda data, folder: data + _ape(folder) + _ID3V1,
    "ID3v2.4 with a footer behind": lambda data, _: data + _footed(),
    "ID3v2 before and ID3v1 behind": lambda data, _: _id3v2() + data + _ID3V1,
    "APEv2 before": lambda data, folder: _ape(folder) + data,
    "Lyrics3 and ID3v1 behind": lambda data, _: (
        data + b"LYRICSBEGININD0000200" + b"000021" + b"LYRICS200" + _ID3V1
    ),
}


# --- in chunks ---------------------------------------------------------------------------


def _chunk(name: bytes, data: bytes, order: str = "<I") -> bytes:
    return name + struct.pack(order, len(data)) + data + b"\0" * (len(data) % 2)


def _riff(data: bytes, *chunks: bytes, order: str = "<I") -> bytes:
    whole = data + b"".join(chunks)
    return whole[:4] + struct.pack(order, len(whole) - 8) + whole[8:]


def _info(*fields: tuple[bytes, bytes]) -> bytes:
    return _chunk(b"LIST", b"INFO" + b"".join(_chunk(*field) for field in fields))


_TITLE = id3_tag(3, (b"TIT2", b"\0Title"))
_IGNR = (b"IGNR", GENRE.encode() + b"\0")


# --- in boxes ----------------------------------------------------------------------------


def box(name: bytes, *parts: bytes) -> bytes:
    """A box of MP4."""
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + name + content


def _data(kind: int, content: bytes) -> bytes:
    return box(b"data", struct.pack(">II", kind, 0), content)


def _udta(*boxes: bytes) -> Callable[[bytes, Path], bytes]:
    def put(data: bytes, _: Path) -> bytes:
        return in_moov(data, box(b"udta", *boxes))

    return put


def in_moov(data: bytes, added: bytes, within: bytes = b"moov") -> bytes:
    """An MP4 whose ``moov``, at its end, has another box; or the ``trak`` in it."""
    place = data.index(b"moov") - 4
    assert place + int.from_bytes(data[place : place + 4], "big") == len(data)
    moov = bytearray(data[place:])
    at = moov.index(within) - 4
    end = at + int.from_bytes(moov[at : at + 4], "big")
    moov[end:end] = added
    for grown in {0, at}:
        size = int.from_bytes(moov[grown : grown + 4], "big") + len(added)
        moov[grown : grown + 4] = size.to_bytes(4, "big")
    return data[:place] + bytes(moov)


def _mdta(key: bytes) -> bytes:
    hdlr = box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    keys = box(b"keys", struct.pack(">II", 0, 1), struct.pack(">I", 8 + len(key)), b"mdta", key)
    item = box(struct.pack(">I", 1), _data(1, GENRE.encode()))
    return box(b"meta", bytes(4), hdlr, keys, box(b"ilst", item))


_QUICKTIME = box(b"\xa9gen", struct.pack(">HH", len(GENRE), 0x15C7), GENRE.encode())
_3GPP = box(b"gnre", bytes(4), struct.pack(">H", 0x15C7), GENRE.encode() + b"\0")
_3GPP_WIDE = box(b"gnre", bytes(4), struct.pack(">H", 0x15C7), GENRE.encode("utf-16") + b"\0\0")
_HDLR = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))


def _ilst(*items: bytes) -> bytes:
    return box(b"meta", bytes(4), _HDLR, box(b"ilst", *items))


_FREEFORM = box(
    b"----",
    box(b"mean", bytes(4), b"com.apple.iTunes"),
    box(b"name", bytes(4), b"GENRE"),
    _data(1, GENRE.encode()),
)

# In a bare file of one format.
WITHIN: dict[tuple[str, str], Callable[[bytes, Path], bytes]] = {
    ("wav", "RIFF INFO"): lambda data, _: _riff(data, _info((b"INAM", b"A\0"), _IGNR)),
    ("wav", "RIFF INFO, twice"): lambda data, _: _riff(
        data, _info((b"INAM", b"A\0")), _info(_IGNR, _IGNR)
    ),
    ("wav", "RIFF INFO, GENR"): lambda data, _: _riff(data, _info((b"GENR", b"Folk\0"))),
    ("wav", "a second ID3 chunk"): lambda data, _: _riff(
        data, _chunk(b"ID3 ", _TITLE), _chunk(b"ID3 ", _id3v2())
    ),
    ("wav", "id3 and ID3"): lambda data, _: _riff(
        data, _chunk(b"id3 ", _TITLE), _chunk(b"ID3 ", _id3v2())
    ),
    ("aiff", "a second ID3 chunk"): lambda data, _: _riff(
        data, _chunk(b"ID3 ", _TITLE, ">I"), _chunk(b"ID3 ", _id3v2(), ">I"), order=">I"
    ),
    ("m4a", "QuickTime"): _udta(_QUICKTIME),
    ("m4a", "QuickTime, with an end"): _udta(_QUICKTIME, bytes(4)),
    ("m4a", "3GPP"): _udta(_3GPP),
    ("m4a", "3GPP in UTF-16"): _udta(_3GPP_WIDE),
    ("m4a", "QuickTime keys"): lambda data, _: in_moov(data, _mdta(b"com.apple.quicktime.genre")),
    ("m4a", "keys in user data"): _udta(_mdta(b"genre")),
    ("m4a", "a freeform tag"): _udta(_ilst(_FREEFORM)),
    ("m4a", "a number"): _udta(_ilst(box(b"gnre", _data(0, struct.pack(">H", NUMBER + 1))))),
    ("m4a", "UTF-16"): _udta(_ilst(box(b"\xa9gen", _data(2, GENRE.encode("utf-16-be"))))),
    ("m4a", "a track's"): lambda data, _: in_moov(data, box(b"udta", _QUICKTIME), b"trak"),
    ("m4a", "the file's"): lambda data, _: data + _ilst(box(b"\xa9gen", _data(1, GENRE.encode()))),
}
