"""A genre that some player shows is seen, wherever it stands, and no new tag hides another."""

import struct

import pytest
from mutagen.apev2 import APEBinaryValue, APEv2
from mutagen.dsdiff import DSDIFF
from mutagen.flac import FLAC, VCFLACDict
from mutagen.id3 import ID3, TCON, TIT2, TRDA, TXXX
from mutagen.wave import WAVE

from genrebeam.transforms.records import TagReadError, TagWriteError
from genrebeam.transforms.tags.formats.apev2 import Ape
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy, write_genres
from tests.audio_bytes import audio_hash
from tests.music_files import dff, listed


def genres(path):
    tags = read_header(str(path))[0]
    return tags.genres or tags.shadow


def check_refused(path, why):
    """It is neither read nor written, and stays as it is."""
    content = path.read_bytes()
    with pytest.raises(TagReadError, match=why):
        read_header(str(path))
    with pytest.raises(TagReadError):
        write_genres(listed(path), ["Rock"], [].append)
    assert path.read_bytes() == content


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
    path.write_bytes(path.read_bytes().replace(b"Jazzy", b"Jaz\xe9\xe9"))
    check_refused(path, "its genre is damaged")


def test_an_empty_genre_is_none(mp3):
    path = mp3(TCON(encoding=1, text=""))
    assert genres(path) == ()
    write_genres(listed(path), ["Rock"], [].append)
    assert genres(path) == ("Rock",)


def test_a_tag_behind_other_bytes_is_not_hidden_by_a_new_one(mp3):
    path = mp3(TCON(encoding=3, text="Jazz"))
    path.write_bytes(b"\0junk" * 20 + path.read_bytes())
    check_refused(path, "not at its beginning")


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


def test_a_new_id3_tag_says_what_riff_says(write_tone):
    path = write_tone("song.wav")
    fields = b"".join(
        name + struct.pack("<I", len(text)) + text
        for name, text in ((b"INAM", b"Title\0"), (b"IART", b"Artist\0\0"), (b"ICRD", b"1999\0\0"))
    )
    info = b"LIST" + struct.pack("<I", 4 + len(fields)) + b"INFO" + fields
    content = path.read_bytes() + info
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    assert read_header(str(path))[0].title == "Title"
    write_genres(listed(path), ["Rock"], [].append)
    tags = WAVE(path).tags
    assert [str(tags[key]) for key in ("TIT2", "TPE1", "TDRC", "TCON")] == [
        "Title",
        "Artist",
        "1999",
        "Rock",
    ]


def test_a_new_tag_of_dsdiff_says_what_its_own_chunk_says(tmp_path):
    def chunk(name, data):
        return name + struct.pack(">Q", len(data)) + data

    def text(name, value):
        return chunk(name, struct.pack(">I", len(value)) + value + b"\0" * (len(value) % 2))

    path, content = tmp_path / "song.dff", dff()
    content += chunk(b"DIIN", text(b"DIAR", b"Sm\xe9agol") + text(b"DITI", b"Title"))
    path.write_bytes(content[:4] + struct.pack(">Q", len(content) - 12) + content[12:])
    assert read_header(str(path))[0].artist == "Sm\xe9agol"
    write_genres(listed(path), ["Rock"], [].append)
    tags = DSDIFF(path).tags
    assert [str(tags[key]) for key in ("TIT2", "TPE1", "TCON")] == ["Title", "Sm\xe9agol", "Rock"]


def test_new_comments_of_flac_say_what_an_id3_tag_before_them_says(write_tone):
    path = write_tone("song.flac")
    tags = ID3()
    tags.add(TIT2(encoding=3, text="Title"))
    tags.save(path)
    assert read_header(str(path))[0].genres == ()
    write_genres(listed(path), ["Rock"], [].append)
    file = FLAC(path)
    assert (file["title"], file["genre"]) == (["Title"], ["Rock"])


def test_an_empty_tag_does_not_get_to_hide_another(write_tone):
    path = write_tone("song.mp3")
    apev2 = APEv2()
    apev2["Title"] = "Title"
    apev2.save(path)
    content = b"ID3\3\0\0" + bytes(4) + path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(TagWriteError, match="would hide its other tag"):
        write_genres(listed(path), ["Rock"], [].append)
    assert path.read_bytes() == content


def test_a_comment_of_id3v1_keeps_having_no_name(write_tone):
    path = write_tone("song.mp3")
    block = b"TAG" + b"Title".ljust(94, b"\0") + b"Comment".ljust(30, b"\0") + b"\xff"
    path.write_bytes(path.read_bytes() + block)
    write_genres(listed(path), ["Rock"], [].append)
    assert [(frame.desc, frame.text) for frame in ID3(path, load_v1=False).getall("COMM")] == [
        ("", ["Comment"])
    ]


def test_an_odd_item_of_apev2_does_not_hide_its_genre(write_tone):
    path = write_tone("song.mp3")
    tags = APEv2()
    tags["Comment"], tags["Genre"] = "Jazzy", "Jazz"
    tags.save(path)
    path.write_bytes(path.read_bytes().replace(b"Jazzy", b"Jaz\xe9y"))
    assert genres(path) == ("Jazz",)


@pytest.mark.parametrize("name", ["song.wv", "song.mp3"])
def test_an_item_that_is_no_apev2_is_said_to_be_one(write_tone, name):
    path = write_tone(name)
    tags = APEv2()
    tags["Comment"] = "Jazzy"
    tags.save(path)
    path.write_bytes(path.read_bytes().replace(b"Jazzy", b"Jaz\xe9y"))
    if name == "song.mp3":
        assert genres(path) == ()
    else:
        check_refused(path, "an item that is no APEv2")


def test_of_an_apev2_tag_only_the_genre_changes_byte_by_byte(write_tone):
    path = write_tone("song.wv")
    tags = APEv2()
    tags["Title"], tags["Artist"] = "Title", "Artist"
    tags.save(path)
    before = path.read_bytes()
    write_genres(listed(path), ["Rock"], [].append)
    place = before.index(b"APETAGEX") + 32
    items = before[place : before.rindex(b"APETAGEX")]
    assert items in path.read_bytes()
    assert genres(path) == ("Rock",)


def test_frames_that_a_later_version_does_not_know_are_not_lost(mp3):
    path = mp3(TRDA(encoding=3, text="June"))
    content = path.read_bytes()
    with pytest.raises(TagWriteError, match="would lose some of its frames"):
        write_genres(listed(path), ["Rock"], [].append, TagPolicy(form=TagForm("2.4")))
    assert path.read_bytes() == content
