"""Tag: only the genre changes, in one step, or nothing does."""

import dataclasses
import errno
import json
import os
import shutil
import stat
import struct
import threading
from pathlib import Path

import mutagen
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.flac import Picture
from mutagen.id3 import APIC, COMM, ID3, POPM, TCON, TDRC, TIT2, TPE1, TXXX, TYER, USLT
from mutagen.mp4 import MP4Cover, MP4FreeForm

from tests.audio_bytes import audio_hash
from tests.conftest import tone, write_audio
from transforms.records import (
    CATCH_ALL,
    Decision,
    HardLinked,
    NoTagField,
    TagReadError,
    TagWriteError,
    Track,
)
from transforms.tags import tag
from transforms.tags.dofns import Tag
from transforms.tags.families.family import TagForm
from transforms.tags.header import read_header
from transforms.tags.tag import TagPolicy, write_genres

ID3_FORMATS = ("mp3", "aiff", "wav", "tta")
VORBIS_FORMATS = ("flac", "ogg", "opus")
FORMATS = (*ID3_FORMATS, *VORBIS_FORMATS, "m4a", "wma", "wv")


def fill(path: Path) -> None:
    """Give a file many tags beside the genre."""
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    tags, format = file.tags, path.suffix[1:]
    if format in ID3_FORMATS:
        tags.add(TIT2(encoding=1, text="Für Elise ☂"))
        tags.add(TPE1(encoding=3, text=["Ludwig", "van"]))
        tags.add(COMM(encoding=3, lang="eng", desc="note", text="a comment"))
        tags.add(COMM(encoding=3, lang="deu", desc="note", text="ein Kommentar"))
        tags.add(USLT(encoding=3, lang="eng", text="words\n" * 100))
        tags.add(TXXX(encoding=3, desc="replaygain_track_gain", text="-3 dB"))
        tags.add(POPM(email="a@b", rating=200, count=7))
        tags.add(APIC(encoding=0, mime="image/png", type=3, desc="front", data=bytes(5000)))
    elif format in VORBIS_FORMATS:
        tags["title"] = "Für Elise ☂"
        tags["ARTIST"] = ["Ludwig", "van"]
        tags["replaygain_track_gain"] = "-3 dB"
        if format == "flac":
            picture = Picture()
            picture.data, picture.mime, picture.type = bytes(5000), "image/png", 3
            file.add_picture(picture)
    elif format == "m4a":
        tags["\xa9nam"], tags["\xa9ART"] = "Für Elise ☂", ["Ludwig", "van"]
        tags["covr"] = [MP4Cover(bytes(5000), MP4Cover.FORMAT_PNG)]
        tags["trkn"] = [(3, 12)]
        tags["----:com.apple.iTunes:MOOD"] = [MP4FreeForm(b"calm")]
    elif format == "wma":
        tags["Title"], tags["Author"] = "Für Elise ☂", ["Ludwig", "van"]
        tags["WM/Year"] = "1810"
    else:
        tags["Title"], tags["Artist"] = "Für Elise ☂", ["Ludwig", "van"]
    file.save()


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("originals")
    for format in (*FORMATS, "aac"):
        rate = 48000 if format == "opus" else 44100
        write_audio(folder / f"a.{format}", tone(2, rate, 2), rate)
    return {path.suffix[1:]: path for path in folder.iterdir()}


@pytest.fixture
def track_of(originals, tmp_path):
    """A fresh copy of a format's file, as the walk and the header reading see it."""

    def make(format: str, *, full: bool = True, genres: tuple[str, ...] = ()) -> Track:
        path = Path(shutil.copy(originals[format], tmp_path / f"song.{format}"))
        if full:
            fill(path)
        if genres:
            write_genres(listed(path), genres, [].append)
        return listed(path)

    return make


def listed(path: Path) -> Track:
    facts = path.stat()
    track = Track(str(path), path.suffix[1:], facts.st_size, facts.st_mtime_ns)
    return tag.with_tags(track, *read_header(str(path)))


def others(path: str) -> object:
    """All tags but the genre, as mutagen shows them."""
    keys = ("TCON", "GENRE", "\xa9GEN", "WM/GENRE")
    file = mutagen.File(path)
    shown = sorted(
        f"{key}={value!r}" for key, value in (file.tags or {}).items() if key.upper() not in keys
    )
    return shown, [picture.write() for picture in getattr(file, "pictures", [])]


@pytest.mark.parametrize("genres", [("Jazz",), ("Hip-Hop", "Škola ☂", "R&B / Soul")])
@pytest.mark.parametrize("full", [True, False], ids=["full", "empty"])
@pytest.mark.parametrize("format", FORMATS)
def test_only_the_genre_changes(track_of, format, full, genres):
    track = track_of(format, full=full)
    before, sound = others(track.uri), audio_hash(Path(track.uri))
    written = write_genres(track, genres, [].append)
    assert read_header(track.uri)[0].genres == genres
    assert others(track.uri) == before
    assert audio_hash(Path(track.uri)) == sound
    assert os.listdir(os.path.dirname(track.uri)) == [f"song.{format}"]
    facts = os.stat(track.uri)
    assert (written.size_bytes, written.mtime_ns) == (facts.st_size, facts.st_mtime_ns)


@pytest.mark.parametrize("format", FORMATS)
def test_reads_title_and_artist(track_of, format):
    tags = track_of(format).tags
    assert (tags.title, tags.artist, tags.album) == ("Für Elise ☂", "Ludwig", None)


@pytest.mark.parametrize("format", FORMATS)
def test_genre_is_replaced_not_added(track_of, format):
    track = track_of(format, genres=("Old", "Older"))
    write_genres(track, ("New",), [].append)
    assert read_header(track.uri)[0].genres == ("New",)


def test_a_container_without_tags_is_refused(originals):
    with pytest.raises(NoTagField, match="AAC files have no place"):
        read_header(str(originals["aac"]))


# --- ID3 ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 4])
def test_id3_version_stays(track_of, version):
    track = track_of("mp3", full=False)
    tags = ID3()
    tags.add(TIT2(encoding=0, text="x"))
    tags.add(TYER(encoding=0, text="1999") if version == 3 else TDRC(encoding=0, text="1999-05"))
    tags.save(track.uri, v2_version=version)
    write_genres(listed(Path(track.uri)), ("Jazz", "Soul"), [].append)
    found = ID3(track.uri, translate=False)
    assert found.version == (2, version, 0)
    assert found["TCON"].text == ["Jazz", "Soul"]
    assert ("TYER" in found) == (version == 3)
    assert str(found["TYER" if version == 3 else "TDRC"]) in ("1999", "1999-05")


def test_id3v2_2_stays(track_of):
    track = track_of("mp3", full=False)
    frames = b"".join(
        name + len(text).to_bytes(3, "big") + text
        for name, text in ((b"TT2", b"\0Title"), (b"ZZZ", b"unknown"), (b"TYE", b"\x001999"))
    )
    with open(track.uri, "rb") as stream:
        sound = stream.read()
    with open(track.uri, "wb") as stream:
        stream.write(b"ID3\x02\0\0\0\0\0" + bytes([len(frames)]) + frames + sound)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    with open(track.uri, "rb") as stream:
        content = stream.read()
    assert content[:4] == b"ID3\x02"
    assert content[10:].startswith(frames + b"TCO\0\0\5\0Jazz\0")
    assert read_header(track.uri)[0].title == "Title"


@pytest.mark.parametrize(
    ("text", "genres"),
    [("17", ("Rock",)), ("(17)", ("Rock",)), ("(4)Eurodisco", ("Disco", "Eurodisco"))],
)
def test_numeric_id3_genres_are_read_by_name(track_of, text, genres):
    track = track_of("mp3", full=False)
    tags = ID3()
    tags.add(TCON(encoding=0, text=text))
    tags.save(track.uri)
    assert read_header(track.uri)[0].genres == genres


ID3V1 = b"TAG" + b"Other title".ljust(30, b"\0") + b"X".ljust(91, b" ")


@pytest.mark.parametrize(("genre", "number"), [("Jazz", 8), ("Škola", 255)])
def test_of_id3v1_only_the_genre_changes(track_of, genre, number):
    track = track_of("mp3")
    block = ID3V1.ljust(127, b"\0") + bytes([17])
    with open(track.uri, "ab") as stream:
        stream.write(block)
    write_genres(listed(Path(track.uri)), (genre,), [].append)
    with open(track.uri, "rb") as stream:
        assert stream.read()[-128:] == block[:-1] + bytes([number])


def test_id3v1_is_not_made(track_of):
    track = track_of("mp3")
    write_genres(track, ("Jazz",), [].append)
    with open(track.uri, "rb") as stream:
        assert stream.read()[-128:-125] != b"TAG"


def test_what_only_id3v1_knew_is_still_known(track_of):
    track = track_of("mp3", full=False)
    with open(track.uri, "ab") as stream:
        stream.write(ID3V1.ljust(127, b"\0") + bytes([255]))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert read_header(track.uri)[0].title == "Other title"


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


JUNK = {
    2: ((b"TT2", b"\0A"), (b"TT2", b"\0B"), (b"ZZZ", b"?"), (b"COM", b"\0"), (b"TP1", b"\x09x")),
    3: (
        (b"TIT2", b"\0A"),
        (b"TIT2", b"\0B"),  # twice
        (b"TPE1", b"\x09bad encoding"),
        (b"COMM", b"\0en"),  # too short
        (b"POPM", b"a@b\0\1"),
        (b"POPM", b"a@b\0\2"),  # the same key
        (b"XXXX", b"unknown"),
        (b"APIC", b"\0"),
        (b"TIT3", b"\1\xff\xfe\xe4\0"),
    ),
}
JUNK[4] = JUNK[3]
GENRE = {2: b"TCO", 3: b"TCON", 4: b"TCON"}


@pytest.mark.parametrize("padding", [0, 200], ids=["tight", "padded"])
@pytest.mark.parametrize("version", [2, 3, 4])
def test_frames_that_nobody_understands_stay_in_their_place(track_of, version, padding):
    track = track_of("mp3", full=False)
    before = (*JUNK[version][:3], (GENRE[version], b"\0Old"), *JUNK[version][3:])
    sound = Path(track.uri).read_bytes()
    tag_before = id3_tag(version, *before, padding=padding)
    Path(track.uri).write_bytes(tag_before + sound)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    encoding = b"\3" if version == 4 else b"\0"
    after = (*JUNK[version][:3], (GENRE[version], encoding + b"Jazz"), *JUNK[version][3:])
    content = Path(track.uri).read_bytes()
    assert content[10:].startswith(id3_tag(version, *after)[10:] + b"\0")
    assert content.endswith(sound)
    if padding:  # nothing had to move
        assert len(content) == len(tag_before + sound)


def test_unsynchronised_tags_stay_so(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    picture = b"\0image/png\0\3\0" + b"\xff\xe0" * 20
    body = id3_tag(3, (b"APIC", picture))[10:].replace(b"\xff\xe0", b"\xff\0\xe0")
    Path(track.uri).write_bytes(b"ID3\3\0\x80\0\0\0" + bytes([len(body)]) + body + sound)
    before = others(track.uri)
    write_genres(listed(Path(track.uri)), ("Škola",), [].append)
    content = Path(track.uri).read_bytes()
    assert content[5] == 0x80
    assert body in content
    assert others(track.uri) == before
    assert read_header(track.uri)[0].genres == ("Škola",)


def test_a_tag_with_a_checksum_is_left_alone(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    extended = (10).to_bytes(4, "big") + b"\x80\0" + bytes(4) + b"CRC!"
    tag_bytes = id3_tag(3, (b"TIT2", b"\0A"))
    size = len(tag_bytes) - 10 + len(extended)
    content = b"ID3\3\0\x40\0\0\0" + bytes([size]) + extended + tag_bytes[10:] + sound
    Path(track.uri).write_bytes(content)
    with pytest.raises(TagWriteError, match="has a checksum"):
        write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert Path(track.uri).read_bytes() == content


@pytest.mark.parametrize(("asked", "version"), [("keep", 3), ("2.3", 3), ("2.4", 4)])
def test_version_of_a_new_id3_tag(track_of, asked, version):
    track = track_of("mp3", full=False)
    policy = TagPolicy(form=TagForm(id3_version=asked))
    write_genres(track, ("Jazz", "Škola"), [].append, policy)
    assert ID3(track.uri).version == (2, version, 0)
    assert read_header(track.uri)[0].genres == ("Jazz", "Škola")


@pytest.mark.parametrize(("was", "asked"), [(4, "2.3"), (3, "2.4")])
def test_version_is_changed_where_it_is_asked_for(track_of, was, asked):
    track = track_of("mp3", full=False)
    tags = ID3()
    tags.add(TIT2(encoding=3, text="Für Elise"))
    tags.add(TPE1(encoding=3, text=["A", "B"]))
    tags.add(TDRC(encoding=0, text="1999") if was == 4 else TYER(encoding=0, text="1999"))
    tags.save(track.uri, v2_version=was, v23_sep=None)
    policy = TagPolicy(form=TagForm(id3_version=asked))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append, policy)
    found = ID3(track.uri, translate=False)
    assert found.version == (2, int(asked[-1]), 0)
    assert found["TPE1"].text == ["A", "B"]
    assert (str(found["TIT2"]), str(found["TYER" if was == 4 else "TDRC"])) == ("Für Elise", "1999")


def test_separator_joins_genres_before_id3v2_4(track_of):
    track = track_of("mp3", full=False)
    form = TagForm(id3_version="2.3", separator="; ")
    write_genres(track, ("Jazz", "Soul"), [].append, TagPolicy(form=form))
    assert ID3(track.uri)["TCON"].text == ["Jazz; Soul"]
    assert read_header(track.uri, form)[0].genres == ("Jazz", "Soul")


def test_a_flac_without_any_comment_gets_its_genre(track_of):
    track = track_of("flac", full=False)
    content = Path(track.uri).read_bytes()
    facts = content[4 : 4 + 4 + 34]  # the block that every FLAC begins with, as the last one
    place = 4
    while not content[place] & 0x80:
        place += 4 + int.from_bytes(content[place + 1 : place + 4], "big")
    place += 4 + int.from_bytes(content[place + 1 : place + 4], "big")
    Path(track.uri).write_bytes(b"fLaC" + b"\x80" + facts[1:] + content[place:])
    assert mutagen.File(track.uri).tags is None
    sound = audio_hash(Path(track.uri))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert read_header(track.uri)[0].genres == ("Jazz",)
    assert audio_hash(Path(track.uri)) == sound


def refused(track: Track, reason: str, policy: TagPolicy | None = None) -> None:
    """A file that must not be written: it says why, and stays as it is."""
    content = Path(track.uri).read_bytes()
    with pytest.raises(TagWriteError, match=reason):
        write_genres(track, ("Jazz",), [].append, policy or TagPolicy())
    assert Path(track.uri).read_bytes() == content


@pytest.mark.parametrize(
    "frame",
    [(b"XXXX", b"\0unknown"), (b"TIT2", b"\0twice"), (b"TPE2", b"\x09broken")],
    ids=["unknown", "twice", "broken"],
)
def test_version_is_not_changed_where_a_frame_would_be_lost(track_of, frame):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    Path(track.uri).write_bytes(id3_tag(4, (b"TIT2", b"\0A"), frame) + sound)
    policy = TagPolicy(form=TagForm(id3_version="2.3"))
    refused(listed(Path(track.uri)), "frames that ID3v2.3 would lose", policy)


def test_what_only_id3v1_knew_is_taken_over_in_the_version_asked_for(track_of):
    track = track_of("mp3", full=False)
    block = b"TAG" + b"A".ljust(90, b"\0") + b"1999" + bytes(30) + bytes([255])
    with open(track.uri, "ab") as stream:
        stream.write(block)
    policy = TagPolicy(form=TagForm(id3_version="2.3"))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append, policy)
    assert str(ID3(track.uri, translate=False, load_v1=False)["TYER"]) == "1999"


def test_a_tag_with_a_footer_is_left_alone(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    head = id3_tag(4, (b"TIT2", b"\0A"), flags=0x10)
    Path(track.uri).write_bytes(head + b"3DI" + head[3:10] + sound)
    refused(listed(Path(track.uri)), "has a footer")


def test_a_short_id3v1_tag_is_left_alone(track_of):
    track = track_of("mp3", full=False)
    with open(track.uri, "ab") as stream:
        stream.write(ID3V1.ljust(124, b"\0"))
    refused(listed(Path(track.uri)), "ID3v1 tag of a wrong size")


def test_genre_under_an_older_name_is_exchanged(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    Path(track.uri).write_bytes(id3_tag(3, (b"TCO\0", b"\0Folk"), (b"TT2\0", b"\0A")) + sound)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    tags = read_header(track.uri)[0]
    assert (tags.genres, tags.title) == (("Jazz",), "A")


def test_own_fields_in_another_spelling_are_exchanged(track_of):
    track = track_of("mp3", full=False)
    tags = ID3()
    tags.add(TXXX(encoding=3, desc="genrebeam_model", text="old"))
    tags.save(track.uri)
    policy = TagPolicy(write_confidence=True, model="new")
    outcome = tag.tag(decision(listed(Path(track.uri)), "Jazz"), policy, [].append)
    assert outcome.status == "tagged", outcome.reason
    assert dict(read_header(track.uri)[0].custom)["GENREBEAM_MODEL"] == "new"


@pytest.mark.parametrize(
    "comment", [b"T~X=precious", b"=precious", b"no equals sign", b"t=\xe9\xe8", "TÏ=x".encode()]
)
@pytest.mark.parametrize("format", VORBIS_FORMATS)
def test_comments_against_the_rules_are_not_lost(track_of, monkeypatch, format, comment):
    track = track_of(format, full=False)
    file = mutagen.File(track.uri)
    file["title"] = "A"
    write = mutagen._vorbis.VComment.write

    def with_comment(tags, framing=True):
        plain = write(tags, framing=False)
        vendor = 4 + int.from_bytes(plain[:4], "little")
        n = int.from_bytes(plain[vendor : vendor + 4], "little") + 1
        rest = plain[vendor + 4 :] + len(comment).to_bytes(4, "little") + comment
        end = b"\1" if framing else b""
        return plain[:vendor] + n.to_bytes(4, "little") + rest + end

    monkeypatch.setattr(mutagen._vorbis.VComment, "write", with_comment)
    file.save()
    monkeypatch.undo()
    assert comment in Path(track.uri).read_bytes()
    refused(listed(Path(track.uri)), "comments are not by the rules")


def test_a_flac_picture_against_the_rules_is_not_altered(track_of):
    track = track_of("flac")
    content = Path(track.uri).read_bytes()
    picture = mutagen.File(track.uri).pictures[0]
    picture.desc = "cafe"
    file = mutagen.File(track.uri)
    file.clear_pictures()
    file.add_picture(picture)
    file.save()
    content = Path(track.uri).read_bytes().replace(b"cafe", b"caf\xe9")
    Path(track.uri).write_bytes(content)
    refused(listed(Path(track.uri)), "another length than its block")


def test_a_wave_file_that_does_not_know_its_end_is_left_alone(track_of):
    # As a recorder leaves it that was switched off.
    track = track_of("wav", full=False)
    content = bytearray(Path(track.uri).read_bytes())
    data = content.index(b"data")
    content[4:8] = (data + 8 - 8).to_bytes(4, "little")
    content[data + 4 : data + 8] = bytes(4)
    Path(track.uri).write_bytes(content)
    refused(listed(Path(track.uri)), "do not say where the sound ends")


def test_a_wave_file_that_is_cut_off_is_left_alone(track_of):
    track = track_of("wav", full=False)
    content = Path(track.uri).read_bytes()
    Path(track.uri).write_bytes(content[: len(content) // 2])
    refused(listed(Path(track.uri)), "its sound is cut off")


@pytest.mark.parametrize("odd", [False, True])
def test_riff_genre_of_old_programs(track_of, odd):
    track = track_of("wav", full=False)
    content = bytearray(Path(track.uri).read_bytes())
    genre = b"Fran\xe7ais" + (b"" if odd else b"\0")
    genre = genre if len(genre) % 2 == odd else genre + b"\0"
    # An odd one without the byte that fills it up, a common fault.
    info = b"INFOIGNR" + len(genre).to_bytes(4, "little") + genre + b"INAM\2\0\0\0A\0"
    content += b"LIST" + len(info).to_bytes(4, "little") + info
    content[4:8] = (len(content) - 8).to_bytes(4, "little")
    Path(track.uri).write_bytes(content)
    track = listed(Path(track.uri))
    assert track.tags.shadow == ("Français",)
    if odd:
        with pytest.raises(TagWriteError):
            write_genres(track, ("Jazz",), [].append)
        assert Path(track.uri).read_bytes() == content
    else:
        write_genres(track, ("Français", "Jazz"), [].append)
        assert "IGNR\x10\0\0\0Français; Jazz\0".encode() in Path(track.uri).read_bytes()


# --- second tags ------------------------------------------------------------------------


def put_ape(path: str, **values: str) -> None:
    tags = APEv2()
    for key, value in values.items():
        tags[key] = value
    tags.save(path)


REPLAYGAIN = {"REPLAYGAIN_TRACK_GAIN": "-7.9 dB", "MP3GAIN_MINMAX": "000,215"}


def test_an_mp3_that_mp3gain_has_touched_gets_id3(track_of):
    track = track_of("mp3", full=False)
    put_ape(track.uri, **REPLAYGAIN)
    before = Path(track.uri).read_bytes()
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert {key: str(frame) for key, frame in ID3(track.uri).items()} == {"TCON": "Jazz"}
    assert Path(track.uri).read_bytes().endswith(before)


@pytest.mark.parametrize("asked", ["2.3", "2.4"])
def test_a_new_id3_tag_beside_apev2_says_what_that_says(track_of, asked):
    # Players that find ID3 ask no other tag: they would have no title any more.
    track = track_of("mp3", full=False)
    names = {"Album Artist": "C", "Track": "3/12", "Disc": "1", "Year": "2004-05", **REPLAYGAIN}
    put_ape(track.uri, Title="Für Elise ☂", Artist="B", Album="A", Comment="hm", **names)
    with open(track.uri, "ab") as stream:
        stream.write(ID3V1.ljust(127, b"\0") + bytes([255]))
    track = listed(Path(track.uri))
    assert (track.tags.title, track.tags.artist, track.tags.genres) == ("Für Elise ☂", "B", ())
    policy = TagPolicy(form=TagForm(id3_version=asked))
    write_genres(track, ("Jazz",), [].append, policy)
    found = ID3(track.uri, load_v1=False)
    assert {key: str(frame) for key, frame in found.items() if key[:4] != "COMM"} == {
        "TIT2": "Für Elise ☂",
        "TPE1": "B",
        "TALB": "A",
        "TPE2": "C",
        "TRCK": "3/12",
        "TPOS": "1",
        "TDRC": "2004",
        "TCON": "Jazz",
    }
    assert found["COMM::eng"] == "hm"
    assert dict(APEv2(track.uri))["Year"] == "2004-05"


def test_a_genre_in_a_second_tag_is_kept_too(track_of):
    track = track_of("mp3")
    put_ape(track.uri, Genre="Folk")
    track = listed(Path(track.uri))
    assert (track.tags.genres, track.tags.shadow) == ((), ("Folk",))
    assert TagPolicy().existing_genres(track) == ("Folk",)
    outcome = tag.kept(track)
    assert outcome.genres_after == ("Folk",)
    assert "(Folk), in a second tag that many players do not read" in outcome.reason


def test_a_contradicting_second_tag_is_reported_where_the_genre_stays(track_of):
    track = track_of("mp3", genres=("Old",))
    put_ape(track.uri, Genre="Folk")
    reason = tag.kept(listed(Path(track.uri))).reason
    assert "a second tag, which some players show instead, says Folk" in reason


def test_a_genre_in_a_second_tag_is_changed_with_the_first(track_of):
    track = track_of("mp3", genres=("Jazz",))
    put_ape(track.uri, Genre="Folk", **REPLAYGAIN)
    track, journal = listed(Path(track.uri)), []
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy("replace"), journal.append)
    assert (outcome.status, outcome.genres_after) == ("tagged", ("Jazz",))
    assert "which said Folk, gets the same" in outcome.reason
    assert dict(APEv2(track.uri)) == {"Genre": "Jazz", **REPLAYGAIN}
    assert len(journal) == 1
    again = tag.tag(decision(listed(Path(track.uri)), "Jazz"), TagPolicy("replace"), pytest.fail)
    assert again.status == "unchanged"


def test_merging_loses_no_genre_of_any_tag(track_of):
    track = track_of("mp3", genres=("Old", "folk"))
    put_ape(track.uri, Genre="Folk\0Punk")
    tag.tag(decision(listed(Path(track.uri)), "Jazz"), TagPolicy("merge"), [].append)
    tags = read_header(track.uri)[0]
    assert tags.genres == tags.shadow == ("Old", "folk", "Punk", "Jazz")


def test_confidence_of_an_earlier_version_in_an_apev2_tag_is_kept_up_to_date(track_of):
    track = track_of("mp3")
    put_ape(track.uri, GENREBEAM_MODEL="old")
    policy = TagPolicy(write_confidence=True, model="new")
    outcome = tag.tag(decision(listed(Path(track.uri)), "Jazz"), policy, [].append)
    assert outcome.status == "tagged"
    assert dict(APEv2(track.uri)) == {"GENREBEAM_MODEL": "new"}


def ape_bytes(*items: tuple[bytes, bytes, int], header: bool = True) -> bytes:
    """An APEv2 tag of raw items: name, value, flags."""
    body = b"".join(
        struct.pack("<II", len(value), flags) + name + b"\0" + value for name, value, flags in items
    )
    frame = b"APETAGEX" + struct.pack("<III", 2000, len(body) + 32, len(items))
    head = frame + struct.pack("<I", 0xA0000000) + bytes(8)
    return (head if header else b"") + body + frame + struct.pack("<I", header << 31) + bytes(8)


@pytest.mark.parametrize("behind", [b"", b"TAG" + bytes(124) + b"\x11"], ids=["last", "ID3v1"])
@pytest.mark.parametrize("header", [True, False])
def test_of_an_apev2_tag_all_other_bytes_stay(track_of, header, behind):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    others = ((b"Zoo", b"z" * 40, 1), (b"COVER", b"\xff\0\xfe", 2), (b"a b", b"", 0))
    before = (*others[:2], (b"genre", b"Folk", 1), others[2], (b"GENRE", b"Punk", 0))
    Path(track.uri).write_bytes(sound + ape_bytes(*before, header=header) + behind)
    write_genres(listed(Path(track.uri)), ("Hip-Hop", "Škola"), [].append)
    after = (*others[:2], (b"genre", "Hip-Hop\0Škola".encode(), 1), others[2])
    content = Path(track.uri).read_bytes()
    behind = behind[:-1] + b"\x07" if behind else b""
    assert content.endswith(sound + ape_bytes(*after, header=header) + behind)


def test_a_writer_that_leaves_the_second_tag_as_it_was_is_stopped(track_of, monkeypatch):
    track = track_of("mp3", genres=("Old",))
    put_ape(track.uri, Genre="Folk")
    monkeypatch.setattr("transforms.tags.ape_bytes.exchange", lambda *arguments: None)
    refused(listed(Path(track.uri)), "second tag would be read back as")


@pytest.mark.parametrize("with_ape", [True, False])
def test_id3v1_on_wavpack_stays_and_its_fields_are_taken_over(track_of, with_ape):
    track = track_of("wv", full=with_ape)
    if not with_ape:
        mutagen.File(track.uri).delete()
    block = ID3V1.ljust(127, b"\0") + bytes([17])
    with open(track.uri, "ab") as stream:
        stream.write(block)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert Path(track.uri).read_bytes()[-128:] == block[:-1] + bytes([8])
    title = "Für Elise ☂" if with_ape else "Other title"
    assert read_header(track.uri)[0].title == title


def test_riff_genre_of_a_wave_file_is_kept_and_updated(track_of):
    track = track_of("wav", full=False)
    content = bytearray(Path(track.uri).read_bytes())
    info = b"INFO" + b"IART\2\0\0\0B\0" + b"IGNR\5\0\0\0Folk\0\0" + b"INAM\2\0\0\0A\0"
    content += b"LIST" + len(info).to_bytes(4, "little") + info
    content[4:8] = (len(content) - 8).to_bytes(4, "little")
    Path(track.uri).write_bytes(content)
    track = listed(Path(track.uri))
    assert TagPolicy().existing_genres(track) == ("Folk",)
    write_genres(track, ("Hip-Hop",), [].append)
    content = Path(track.uri).read_bytes()
    assert b"IART\2\0\0\0B\0IGNR\x08\0\0\0Hip-Hop\0INAM\2\0\0\0A\0" in content
    assert read_header(track.uri)[0].genres == ("Hip-Hop",)
    assert mutagen.File(track.uri).info.length == pytest.approx(2)


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    version=st.sampled_from([3, 4]),
    title=texts,
    custom=st.dictionaries(st.text("abcXYZ", min_size=1, max_size=5), texts, max_size=4),
    genres=st.lists(texts.filter(lambda t: t == t.strip()), min_size=1, max_size=3, unique=True),
)
def test_any_id3_content_survives(track_of, version, title, custom, genres):
    track = track_of("mp3", full=False)
    tags = ID3()
    tags.add(TIT2(encoding=3, text=title))
    for name, value in custom.items():
        tags.add(TXXX(encoding=3, desc=name, text=value))
    tags.save(track.uri, v2_version=version)
    before, track = others(track.uri), listed(Path(track.uri))
    try:
        write_genres(track, genres, [].append)
    except TagWriteError:
        # What does not read back as it was written (a number, say, is a reference to a
        # genre) is not written.
        assert read_header(track.uri)[0].genres == ()
    assert others(track.uri) == before


_KEYS = st.text("abcXYZ _-", min_size=2, max_size=12).filter(
    lambda key: key == key.strip() and key.casefold() not in ("genre", "id3", "tag", "oggs", "mp+")
)
_CONTENT = st.dictionaries(_KEYS, st.lists(texts, min_size=1, max_size=3), max_size=5)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=_CONTENT,
    genres=st.lists(texts.filter(lambda t: t == t.strip()), min_size=1, max_size=3, unique=True),
)
@pytest.mark.parametrize("format", ["flac", "ogg", "opus", "m4a", "wma", "wv"])
def test_any_content_of_other_tags_survives(track_of, format, content, genres):
    track = track_of(format, full=False)
    file = mutagen.File(track.uri)
    if file.tags is None:
        file.add_tags()
    folded = {key.casefold(): (key, values) for key, values in content.items()}
    for key, values in folded.values():
        if format == "m4a":
            key, values = f"----:test:{key}", [value.encode() for value in values]
        file.tags[key] = values
    file.save()
    before, track = (others(track.uri), audio_hash(Path(track.uri))), listed(Path(track.uri))
    write_genres(track, genres, [].append)
    assert (others(track.uri), audio_hash(Path(track.uri))) == before
    assert read_header(track.uri)[0].genres == tuple(genres)


# --- the file -------------------------------------------------------------------------


def test_mode_stays_and_time_is_new(track_of):
    track = track_of("mp3")
    os.chmod(track.uri, 0o640)
    os.utime(track.uri, ns=(10**18, 10**18))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    facts = os.stat(track.uri)
    assert stat.S_IMODE(facts.st_mode) == 0o640
    assert facts.st_mtime_ns > 10**18


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes here")
def test_extended_attributes_stay(track_of):
    track = track_of("mp3")
    try:
        os.setxattr(track.uri, "user.mood", b"calm")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert os.getxattr(track.uri, "user.mood") == b"calm"


def test_a_file_that_changed_since_it_was_read_is_left_alone(track_of):
    track = track_of("mp3")
    with open(track.uri, "ab") as stream:
        stream.write(b"more")
    content = Path(track.uri).read_bytes()
    with pytest.raises(TagWriteError, match="changed while it was being heard"):
        write_genres(track, ("Jazz",), [].append)
    assert Path(track.uri).read_bytes() == content


def test_the_same_element_twice_ends_as_once(track_of):
    track, journal = track_of("mp3"), []
    first = write_genres(track, ("Jazz",), journal.append)
    content = Path(track.uri).read_bytes()
    assert write_genres(track, ("Jazz",), journal.append) == first
    assert Path(track.uri).read_bytes() == content
    assert len(journal) == 1


def test_two_at_work_on_one_file_both_end_with_it_done(track_of):
    """Two names of one file can be in flight at a time, in two threads or two runs."""
    track, ends = track_of("mp3"), []

    def the_other_is_faster(change):
        if not ends:
            ends.append(None)
            ends[0] = write_genres(track, ("Jazz",), [].append)

    ends.append(write_genres(track, ("Jazz",), the_other_is_faster))
    facts = os.stat(track.uri)
    assert [(end.size_bytes, end.mtime_ns) for end in ends] == [
        (facts.st_size, facts.st_mtime_ns)
    ] * 2
    assert read_header(track.uri)[0].genres == ("Jazz",)
    assert os.listdir(os.path.dirname(track.uri)) == ["song.mp3"]


def test_a_file_that_others_change_while_it_is_tagged_is_left_to_them(track_of):
    track = track_of("mp3")

    def others_are_faster(change):
        write_genres(track, ("Folk",), [].append)

    with pytest.raises(TagWriteError, match="changed while it was being tagged"):
        write_genres(track, ("Jazz",), others_are_faster)
    assert read_header(track.uri)[0].genres == ("Folk",)


def test_a_hard_linked_file_is_refused(track_of, tmp_path):
    track = track_of("mp3")
    os.link(track.uri, tmp_path / "other.mp3")
    with pytest.raises(HardLinked, match="2 hard links"):
        write_genres(track, ("Jazz",), [].append)


def test_a_link_stays_a_link_and_its_file_is_tagged(track_of, tmp_path):
    track = track_of("mp3")
    link = tmp_path / "link.mp3"
    link.symlink_to("song.mp3")
    write_genres(listed(link), ("Jazz",), [].append)
    assert link.is_symlink()
    assert read_header(track.uri)[0].genres == ("Jazz",)


def test_the_journal_knows_before_the_file_changes(track_of):
    track = listed(Path(track_of("mp3", genres=("Old",)).uri))
    seen = []

    def journal(change):
        seen.append((change, read_header(track.uri)[0].genres))

    write_genres(track, ("New",), journal)
    ((change, genres_then),) = seen
    assert genres_then == ("Old",)
    assert (change["genres_before"], change["genres_after"]) == (["Old"], ["New"])
    json.dumps(change)


@pytest.mark.parametrize("step", ["os.replace", "os.fsync", "shutil.copyfile", "journal"])
def test_when_a_step_fails_the_file_is_as_before_and_nothing_is_left(track_of, monkeypatch, step):
    track = track_of("flac")
    content = Path(track.uri).read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step != "journal":
        monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="No space left"):
        write_genres(track, ("Jazz",), full if step == "journal" else [].append)
    assert Path(track.uri).read_bytes() == content
    assert os.listdir(os.path.dirname(track.uri)) == ["song.flac"]


def test_a_writer_that_would_lose_other_tags_is_stopped(track_of, monkeypatch):
    track = track_of("ogg")
    content = Path(track.uri).read_bytes()
    save = mutagen.oggvorbis.OggVorbis.save

    def lose_title(file):
        del file.tags["title"]
        save(file)

    monkeypatch.setattr(mutagen.oggvorbis.OggVorbis, "save", lose_title)
    with pytest.raises(TagWriteError, match="other tags would not survive"):
        write_genres(track, ("Jazz",), [].append)
    assert Path(track.uri).read_bytes() == content


# --- reading what is no music -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file"), (b"just text\n" * 500, "MPEG frame")],
)
def test_what_is_no_audio_is_said_to_be_none(tmp_path, content, reason):
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    with pytest.raises(TagReadError, match=reason):
        read_header(str(path))


# --- policy ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("existing", "current", "planned"),
    [
        ("keep", (), ("Jazz", "Rock")),
        ("keep", ("Folk",), ("Folk",)),
        ("merge", ("Folk", "JAZZ"), ("Folk", "JAZZ", "Rock")),
        ("merge", (), ("Jazz", "Rock")),
        ("replace", ("Folk",), ("Jazz", "Rock")),
    ],
)
def test_what_happens_to_a_genre_that_is_there(existing, current, planned):
    assert TagPolicy(existing).plan(current, ("Jazz", "Rock")) == planned


def decision(track: Track, *genres: str) -> Decision:
    return Decision(track, genres, 0.9, "mean of 3 segments", {}, {}, 3, 0.1, 0.1)


def test_catch_all_genres_can_count_as_none(track_of):
    track = listed(Path(track_of("mp3", genres=("OTHER", "Folk")).uri))
    policy = TagPolicy("merge", treat_as_missing=CATCH_ALL)
    assert policy.existing_genres(track) == ("Folk",)
    assert policy.plan(policy.existing_genres(track), ("Jazz",)) == ("Folk", "Jazz")
    only_other = listed(Path(track_of("flac", genres=("Other",)).uri))
    outcome = tag.tag(decision(only_other, "Jazz"), policy, [].append)
    assert (outcome.status, outcome.genres_after) == ("tagged", ("Jazz",))


def test_most_genres_of_a_file():
    assert TagPolicy("merge", max_genres=2).plan(("A", "B", "C"), ("D",)) == ("A", "B", "C")
    assert TagPolicy("merge", max_genres=2).plan(("A",), ("B", "C")) == ("A", "B")


@pytest.mark.parametrize("format", FORMATS)
def test_confidence_and_model_are_written_where_they_are_asked_for(track_of, format):
    track = track_of(format)
    before = others(track.uri)
    policy = TagPolicy(write_confidence=True, model="tiny 1")
    outcome = tag.tag(decision(track, "Jazz"), policy, [].append)
    assert outcome.status == "tagged", outcome.reason
    tags = read_header(track.uri)[0]
    assert dict(tags.custom) == {"GENREBEAM_CONFIDENCE": "0.900", "GENREBEAM_MODEL": "tiny 1"}
    found, pictures = others(track.uri)
    assert ([line for line in found if "GENREBEAM" not in line.upper()], pictures) == before
    again = dataclasses.replace(policy, existing="replace")
    second = tag.tag(decision(listed(Path(track.uri)), "Jazz"), again, pytest.fail)
    assert second.status == "unchanged"


def test_dry_run_says_what_it_would_write_and_writes_nothing(track_of):
    track = track_of("mp3")
    content = Path(track.uri).read_bytes()
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(dry_run=True), pytest.fail)
    assert (outcome.status, outcome.genres_after) == ("would_tag", ("Jazz",))
    assert Path(track.uri).read_bytes() == content


def test_nothing_is_written_where_nothing_would_change(track_of):
    track = track_of("mp3", genres=("Jazz",))
    track = listed(Path(track.uri))
    facts = os.stat(track.uri)
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy("replace"), pytest.fail)
    assert outcome.status == "unchanged"
    assert os.stat(track.uri) == facts


def test_a_refused_vote_writes_nothing(track_of):
    outcome = tag.tag(decision(track_of("mp3")), TagPolicy(), pytest.fail)
    assert (outcome.status, outcome.stage) == ("refused", "vote")


def test_a_failed_write_is_an_outcome(track_of):
    track = track_of("mp3")
    os.unlink(track.uri)
    outcome = tag.tag(decision(track, "Jazz"), TagPolicy(), pytest.fail)
    assert (outcome.status, outcome.stage) == ("failed", "tag")
    assert (outcome.error_type, outcome.error_message, outcome.reason) == (
        "FileNotFoundError",
        "No such file or directory",
        "it is gone since it was listed",
    )


def test_several_files_are_written_at_a_time(track_of):
    tracks = [track_of(format) for format in ("mp3", "flac")]
    both = threading.Barrier(2)
    step = Tag(TagPolicy(), lambda change: both.wait(timeout=20))
    step.setup()
    step.start_bundle()
    for track in tracks:
        decision = Decision(track, ("Jazz",), 0.9, "heard", {"Jazz": 0.9}, {"Jazz": 1}, 1, 0.1, 0.1)
        assert list(step.process(decision)) == []
    outcomes = [found.value for found in step.finish_bundle()]
    step.teardown()
    assert [outcome.status for outcome in outcomes] == ["tagged", "tagged"]
