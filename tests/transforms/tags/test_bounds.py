"""Bounds: whatever a tag holds, reading it takes a few seconds and little memory."""

import contextlib
import os
import struct
import zlib

import pytest

from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.pool_worker import Limits
from genrebeam.transforms.records import TagReadError, TagWriteError, explain_error
from genrebeam.transforms.storage.local import NotRegular
from genrebeam.transforms.tags import header
from genrebeam.transforms.tags.header import read_header, read_headers, write_fields

# Of an mp3 without sound: MPEG 1, layer 3, 128 kbit/s at 44.1 kHz.
SOUND = (b"\xff\xfb\x90\x00" + bytes(413)) * 20


def id3(frames: bytes, version: int = 4) -> bytes:
    size = len(frames)
    return b"ID3" + bytes([version, 0, 0]) + synchsafe(size) + frames


def synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(name: bytes, content: bytes, flags: int = 0) -> bytes:
    return name + synchsafe(len(content)) + struct.pack(">H", flags) + content


def ape(items: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(struct.pack("<II", len(value), 0) + key + b"\0" + value for key, value in items)
    footer = b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, len(items), 0) + bytes(8)
    return body + footer


def unpacking_to(size: int) -> bytes:
    """A title that unpacks to this many bytes."""
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(size >> 20)) + packer.flush()
    return id3(frame(b"TIT2", struct.pack(">I", 1 << 20) + packed, 0x0009)) + SOUND


def many_genres(count: int) -> bytes:
    text = b"\0".join(b"g%d" % number for number in range(count))
    return id3(frame(b"TCON", b"\3" + text)) + SOUND


BOMBS = {
    "unpacks": lambda: unpacking_to(1 << 29),
    "frames": lambda: id3(frame(b"PRIV", b"a") * 400_000) + SOUND,
    "genres": lambda: many_genres(2_000_000),
    "thousands of genres": lambda: many_genres(5_000),
    "items": lambda: SOUND + ape([(b"Key%d" % number, b"v") for number in range(700_000)]),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_tag_that_takes_too_much_is_a_reason_and_harms_no_other_file(tmp_path, monkeypatch, bomb):
    for name in ("_READING", "_WRITING"):  # less than what they really are, and enough
        monkeypatch.setattr(header, name, Limits(cpu_s=0.5, memory_bytes=256 << 20))
    path, fine = tmp_path / "a.mp3", tmp_path / "b.mp3"
    path.write_bytes(BOMBS[bomb]())
    fine.write_bytes(id3(frame(b"TCON", b"\3Jazz")) + SOUND)
    found = read_headers([str(fine), str(path), str(fine)]).result()
    assert isinstance(found[1], TagReadError)
    assert "its tag" in found[1].reason
    assert "save it again with a tag editor" in explain_error(found[1], "read_tags", "mp3")
    assert [found[place][0].genres for place in (0, 2)] == [("Jazz",), ("Jazz",)]
    with pytest.raises(TagReadError, match="its tag"):
        read_header(str(path))
    with contextlib.suppress(TagWriteError):  # thousands of genres can be replaced
        write_fields(str(path), "a.mp3", ["Jazz"])


def test_a_long_title_is_cut_and_no_reason_to_leave_a_file_alone(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(id3(frame(b"TIT2", b"\3" + b"la " * 100_000)) + SOUND)
    title = read_header(str(path))[0].title
    assert title is not None
    assert 1000 < len(title) < 5000


def test_large_pictures_are_read(tmp_path):
    path = tmp_path / "a.mp3"
    picture = frame(b"APIC", b"\0image/png\0\3\0" + os.urandom(30 << 20))
    path.write_bytes(id3(picture + frame(b"TCON", b"\3Jazz")) + SOUND)
    assert read_header(str(path))[0].genres == ("Jazz",)


def test_a_pipe_with_the_name_of_a_song_is_no_song(tmp_path):
    path = tmp_path / "a.mp3"
    os.mkfifo(path)
    with pytest.raises(NotRegular):
        read_header(str(path))


def test_a_reader_that_dies_is_a_reason(monkeypatch, tmp_path):
    def died(*_, **__):
        raise pool.ProcessDied(-11)

    monkeypatch.setattr(pool, "call", died)
    with pytest.raises(TagReadError, match="its tag crashed its reader"):
        read_header(str(tmp_path / "a.mp3"))
