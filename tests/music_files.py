"""Music files for the tests of tags: filled, listed, and built byte by byte."""

import struct
from pathlib import Path

import mutagen
import pytest
from mutagen.apev2 import APEv2
from mutagen.flac import Picture
from mutagen.id3 import APIC, COMM, POPM, TDRC, TIT2, TPE1, TPE2, TXXX, USLT
from mutagen.mp4 import MP4Cover, MP4FreeForm

from genrebeam.transforms.records import Decision, TagWriteError, Track, with_tags
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy, write_genres

ID3_FORMATS = ("mp3", "aiff", "wav", "tta")
VORBIS_FORMATS = ("flac", "ogg", "opus")
FORMATS = (*ID3_FORMATS, *VORBIS_FORMATS, "m4a", "wma", "wv")
# The frame of the genre in each version of ID3v2.
GENRE = {2: b"TCO", 3: b"TCON", 4: b"TCON"}
# An ID3v1 tag without its end, of which the last byte is the genre.
ID3V1 = b"TAG" + b"Other title".ljust(30, b"\0") + b"X".ljust(91, b" ")
# Items that mp3gain puts into an APEv2 tag.
REPLAYGAIN = {"REPLAYGAIN_TRACK_GAIN": "-7.9 dB", "MP3GAIN_MINMAX": "000,215"}


def fill(path: Path) -> None:
    """Give a file many tags beside the genre."""
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    tags, format = file.tags, path.suffix[1:]
    if format in ID3_FORMATS:
        tags.add(TIT2(encoding=1, text="Für Elise ☂"))
        tags.add(TPE1(encoding=3, text=["Ludwig", "van"]))
        tags.add(TPE2(encoding=3, text="Wiener"))
        tags.add(TDRC(encoding=3, text="1810-04-27"))
        tags.add(COMM(encoding=3, lang="eng", desc="note", text="a comment"))
        tags.add(COMM(encoding=3, lang="deu", desc="note", text="ein Kommentar"))
        tags.add(USLT(encoding=3, lang="eng", text="words\n" * 100))
        tags.add(TXXX(encoding=3, desc="replaygain_track_gain", text="-3 dB"))
        tags.add(POPM(email="a@b", rating=200, count=7))
        tags.add(APIC(encoding=0, mime="image/png", type=3, desc="front", data=bytes(5000)))
    elif format in VORBIS_FORMATS:
        tags["title"] = "Für Elise ☂"
        tags["ARTIST"] = ["Ludwig", "van"]
        tags["AlbumArtist"] = "Wiener"
        tags["date"] = "1810-04-27"
        tags["replaygain_track_gain"] = "-3 dB"
        if format == "flac":
            picture = Picture()
            picture.data, picture.mime, picture.type = bytes(5000), "image/png", 3
            file.add_picture(picture)
    elif format == "m4a":
        tags["\xa9nam"], tags["\xa9ART"] = "Für Elise ☂", ["Ludwig", "van"]
        tags["aART"] = "Wiener"
        tags["\xa9day"] = "1810-04-27T00:00:00Z"
        tags["covr"] = [MP4Cover(bytes(5000), MP4Cover.FORMAT_PNG)]
        tags["trkn"] = [(3, 12)]
        tags["----:com.apple.iTunes:MOOD"] = [MP4FreeForm(b"calm")]
    elif format == "wma":
        tags["Title"], tags["Author"] = "Für Elise ☂", ["Ludwig", "van"]
        tags["WM/AlbumArtist"] = "Wiener"
        tags["WM/Year"] = "1810"
    else:
        tags["Title"], tags["Artist"] = "Für Elise ☂", ["Ludwig", "van"]
        tags["Album Artist"] = "Wiener"
        tags["Year"] = "1810"
    file.save()


def listed(path: Path) -> Track:
    """A file as the walk lists it, with its header read."""
    facts = path.stat()
    track = Track(str(path), path.suffix[1:], facts.st_size, facts.st_mtime_ns)
    return with_tags(track, *read_header(str(path)))


def decision(track: Track, *genres: str) -> Decision:
    """What the vote may have decided; a refusal without genres."""
    return Decision(track, genres, 0.9, "mean of 3 segments", {}, {}, 3, 0.1, 0.1)


def others(path: str) -> object:
    """All tags but the genre, as mutagen shows them."""
    keys = ("TCON", "GENRE", "\xa9GEN", "WM/GENRE")
    file = mutagen.File(path)
    shown = sorted(
        f"{key}={value!r}" for key, value in (file.tags or {}).items() if key.upper() not in keys
    )
    return shown, [picture.write() for picture in getattr(file, "pictures", [])]


def assert_refused(track: Track, reason: str, policy: TagPolicy | None = None) -> None:
    """Check that a file is not written, says why, and stays as it is."""
    content = Path(track.uri).read_bytes()
    with pytest.raises(TagWriteError, match=reason):
        write_genres(track, ("Jazz",), [].append, policy or TagPolicy())
    assert Path(track.uri).read_bytes() == content


def put_ape(path: str, **values: str) -> None:
    """Give a file an APEv2 tag with these items."""
    tags = APEv2()
    for key, value in values.items():
        tags[key] = value
    tags.save(path)


def id3_tag(version: int, *frames: tuple[bytes, bytes], padding: int = 0, flags: int = 0) -> bytes:
    """An ID3v2 tag of raw frames."""
    body = b""
    for name, data in frames:
        if version == 2:
            body += name + len(data).to_bytes(3, "big") + data
        else:
            body += name + len(data).to_bytes(4, "big") + b"\0\0" + data
    size = len(body) + padding
    sizes = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return b"ID3" + bytes([version, 0, flags]) + sizes + body + bytes(padding)


def dsf() -> bytes:
    """A DSD file, which no encoder at hand makes: one block of idle pattern per channel."""
    rate, n_channels, block = 2822400, 2, 4096
    sound = b"\x69" * n_channels * block
    body = b"fmt " + struct.pack(
        "<QIIIIIIQII", 52, 1, 0, 2, n_channels, rate, 1, 8 * block, block, 0
    )
    body += b"data" + struct.pack("<Q", 12 + len(sound)) + sound
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(body), 0) + body


def dff() -> bytes:
    """A DSDIFF file, likewise."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack(">Q", len(data)) + data

    channels = chunk(b"CHNL", struct.pack(">H", 2) + b"SLFTSRGT")
    kind = chunk(b"CMPR", b"DSD \x0enot compressed\0")
    sound = chunk(b"PROP", b"SND " + chunk(b"FS  ", struct.pack(">I", 2822400)) + channels + kind)
    body = chunk(b"FVER", b"\1\5\0\0") + sound + chunk(b"DSD ", b"\x69" * 8192)
    return chunk(b"FRM8", b"DSD " + body)
