"""A genre that some player shows is seen, wherever it stands, and never written beside another."""

import struct

import pytest
from mutagen.apev2 import APEBinaryValue, APEv2
from mutagen.flac import FLAC, VCFLACDict
from mutagen.id3 import ID3, TCON, TIT2, TXXX

from genrebeam.transforms.records import TagReadError, TagWriteError
from genrebeam.transforms.tags.formats.apev2 import Ape
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.audio_bytes import audio_hash
from tests.music_files import listed


def genres(path):
    tags = read_header(str(path))[0]
    return tags.genres or tags.shadow


@pytest.fixture
def mp3(write_tone):
    def make(*frames, version=3):
        path = write_tone("song.mp3")
        tags = ID3()
        for frame in (TIT2(encoding=3, text="Title"), *frames):
            tags.add(frame)
        tags.save(path, v2_version=version)
        return path

    return make


@pytest.mark.parametrize("name", ["GENRE", "Genre", "genre"])
@pytest.mark.parametrize("version", [3, 4])
def test_a_genre_in_a_frame_of_its_own_is_one(mp3, name, version):
    path = mp3(TXXX(encoding=3, desc=name, text="Jazz"), version=version)
    sound = audio_hash(path)
    assert genres(path) == ("Jazz",)
    write_genres(listed(path), ["Rock"], [].append)
    tags = ID3(path)
    assert (tags["TCON"].text, tags.getall("TXXX"), tags["TIT2"].text) == (["Rock"], [], ["Title"])
    assert audio_hash(path) == sound


def test_it_does_not_hide_another_genre(mp3):
    path = mp3(
        TCON(encoding=3, text="Rock"),
        TXXX(encoding=3, desc="GENRE", text=["Rock", "Jazz"]),
        version=4,
    )
    assert genres(path) == ("Rock", "Jazz")


def test_a_genre_that_is_no_text_is_not_written_over(mp3):
    path = mp3(TCON(encoding=3, text="Jazzy"), version=4)
    content = path.read_bytes().replace(b"Jazzy", b"Jaz\xe9\xe9")
    path.write_bytes(content)
    with pytest.raises(TagReadError, match="its genre is damaged"):
        read_header(str(path))
    with pytest.raises(TagReadError):
        write_genres(listed(path), ["Rock"], [].append)
    assert path.read_bytes() == content


def test_an_empty_genre_is_none(mp3):
    path = mp3(TCON(encoding=1, text=""))
    assert genres(path) == ()
    write_genres(listed(path), ["Rock"], [].append)
    assert genres(path) == ("Rock",)


def test_a_tag_behind_other_bytes_is_not_hidden_by_a_new_one(mp3):
    path = mp3(TCON(encoding=3, text="Jazz"))
    content = b"\0junk" * 20 + path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(TagReadError, match="not at its beginning"):
        read_header(str(path))
    with pytest.raises(TagReadError):
        write_genres(listed(path), ["Rock"], [].append)
    assert path.read_bytes() == content


def test_a_genre_in_further_comments_of_flac_is_one(write_tone):
    path = write_tone("song.flac")
    file = FLAC(path)
    file["title"] = "Title"
    file.save()
    second = VCFLACDict()
    second.append(("Genre", "Jazz"))
    data = second.write(framing=False)
    block = bytes([VCFLACDict.code]) + struct.pack(">I", len(data))[1:] + data
    content = path.read_bytes()
    first = 8 + int.from_bytes(content[5:8], "big")  # behind the description of the stream
    end = first + 4 + int.from_bytes(content[first + 1 : first + 4], "big")
    path.write_bytes(content[:end] + block + content[end:])
    assert genres(path) == ("Jazz",)
    content = path.read_bytes()
    with pytest.raises(TagWriteError, match="second tag"):
        write_genres(listed(path), ["Rock"], [].append)
    assert path.read_bytes() == content


def test_a_genre_that_apev2_calls_binary_is_a_text():
    tags = APEv2()
    tags["Genre"] = APEBinaryValue(b"Jazz")
    assert Ape().read(tags, TagForm()) == ["Jazz"]
