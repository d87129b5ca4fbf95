"""Damaged files that fuzzing found: what their damage hid must not come out by tagging."""

import struct
from pathlib import Path

import pytest
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import ID3, TIT2

from benchmarks.safety.fuzz_tags import SPEC, _put_index_first, sounds_of
from genrebeam.transforms.audio.decode import DecodeError
from genrebeam.transforms.audio.features import extract
from genrebeam.transforms.records import TagReadError, TagWriteError, TrackError
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.conftest import tone, write_audio
from tests.music_files import fill, listed


def song(tmp_path: Path, format: str, seconds: float = 2) -> Path:
    path, rate = tmp_path / f"song.{format}", 48000 if format == "opus" else 44100
    write_audio(path, tone(seconds, rate, 2), rate)
    return path


@pytest.mark.parametrize("kind", ["mp3", "mp3 with ID3", "wv"])
def test_an_ape_tag_of_131_bytes_is_not_taken_for_id3v1(tmp_path, kind):
    # Then "APETAGEX" has its "TAG" where ID3v1 begins.
    path = song(tmp_path, kind.split()[0])
    if "ID3" in kind:
        tags = ID3()
        tags.add(TIT2(encoding=0, text="x"))
        tags.save(path)
    tags = APEv2()
    tags["Title"] = "x" * 53
    tags.save(path)
    ape = path.read_bytes()[-131:]
    assert ape.startswith(b"APETAGEX")
    write_genres(listed(path), ("Jazz",), [].append)
    assert read_header(str(path))[0].genres == ("Jazz",)
    if "ID3" in kind:
        assert path.read_bytes().endswith(ape)


@pytest.mark.parametrize("format", ["ogg", "opus"])
def test_a_damaged_ogg_page_gets_no_new_checksum(tmp_path, format):
    # Decoders leave it out because its checksum is wrong; numbering pages anew would hide that.
    path = song(tmp_path, format, 8)
    data = bytearray(path.read_bytes())
    pages = [i for i in range(len(data)) if data[i : i + 4] == b"OggS"]
    page = pages[len(pages) // 2]
    for place in range(page + 27 + data[page + 26] + 60, page + 27 + data[page + 26] + 90):
        data[place] ^= 0x5A
    path.write_bytes(data)
    before = sounds_of(str(path))
    try:
        write_genres(listed(path), ("x" * 70_000,), [].append)
    except TagWriteError:
        assert path.read_bytes() == data
    assert sounds_of(str(path)) == before


def test_a_wma_whose_header_reaches_into_the_sound_is_not_broken(tmp_path):
    path = song(tmp_path, "wma")
    fill(path)
    data = bytearray(path.read_bytes())
    (size,) = struct.unpack("<Q", data[16:24])  # of the header: more than its objects
    data[16:24] = struct.pack("<Q", size + 8)
    path.write_bytes(data)
    before = sounds_of(str(path))
    assert before
    try:
        write_genres(listed(path), ("Jazz",), [].append)
    except TagWriteError:
        assert path.read_bytes() == data
    assert sounds_of(str(path)) == before


@pytest.mark.parametrize("more", [64, 1000])
def test_an_mp4_whose_tags_reach_into_the_sound_is_not_broken(tmp_path, more):
    source, path = song(tmp_path, "m4a"), tmp_path / "index first.m4a"
    fill(source)
    _put_index_first(source, path)
    data = bytearray(path.read_bytes())
    at = data.find(b"ilst") - 4
    (size,) = struct.unpack(">I", data[at : at + 4])
    data[at : at + 4] = struct.pack(">I", size + more)
    path.write_bytes(data)
    before = sounds_of(str(path))
    assert before
    try:
        write_genres(listed(path), ("Jazz",), [].append)
    except TrackError:
        assert path.read_bytes() == data
    assert sounds_of(str(path)) == before


def test_a_genre_in_the_ape_tag_of_a_tta_is_not_overlooked(tmp_path):
    # FFmpeg then shows that one only, whatever ID3 says.
    path = song(tmp_path, "tta")
    tags = APEv2(path)
    tags["Genre"] = "Folk"
    tags.save(path)
    tags = read_header(str(path))[0]
    assert "Folk" in (*tags.genres, *tags.shadow)


def test_damage_that_mutagen_answers_with_a_value_error_is_a_tag_read_error(tmp_path):
    path = song(tmp_path, "wma")
    data = bytearray(path.read_bytes())
    data[46:54] = bytes(8)  # the size of the header's first object
    path.write_bytes(data)
    with pytest.raises(TagReadError):
        read_header(str(path))


def test_a_codec_that_ffmpeg_does_not_know_is_a_decode_error(tmp_path):
    path = song(tmp_path, "wav")
    data = bytearray(path.read_bytes())
    data[20:22] = b"\x34\x12"  # the number of the codec
    path.write_bytes(data)
    with pytest.raises(DecodeError):
        extract(str(path), "wav", SPEC, 3)


@pytest.mark.parametrize("kind", ["comments", "picture"])
@pytest.mark.parametrize("more", [4, 40])
def test_a_flac_whose_metadata_reaches_into_the_sound_is_not_mended(tmp_path, kind, more):
    # mutagen goes by what it finds in such a block, decoders by the length that it is said to have.
    path = song(tmp_path, "flac")
    file = FLAC(path)
    file.clear_pictures()
    if kind == "picture":
        picture = Picture()
        picture.data, picture.mime = b"p" * 200, "image/png"
        file.add_picture(picture)
    file.save(padding=lambda _: 0)
    code = {"comments": 4, "picture": 6}[kind]
    data, place = bytearray(path.read_bytes()), 4
    while data[place] & 0x7F != code:
        place += 4 + int.from_bytes(data[place + 1 : place + 4], "big")
    size = int.from_bytes(data[place + 1 : place + 4], "big")
    data[place + 1 : place + 4] = (size + more).to_bytes(3, "big")
    path.write_bytes(data)
    before = sounds_of(str(path))
    with pytest.raises(TagWriteError, match=r"break the format's rules|not as long as its block"):
        write_genres(listed(path), ("Jazz",), [].append)
    assert path.read_bytes() == data
    assert sounds_of(str(path)) == before
