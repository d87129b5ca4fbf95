"""ID3: the version stays, and every frame but the genre, understood or not."""

import zlib
from pathlib import Path

import pytest
from mutagen.id3 import ID3, TCON, TDRC, TIT2, TPE1, TXXX, TYER, BitPaddedInt

from genrebeam.transforms.tags import tag
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy, write_genres
from tests.music_files import GENRE, ID3V1, assert_refused, decision, id3_tag, listed, others


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


def test_version_is_not_changed_where_a_time_would_lose_its_seconds(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    date = (b"TDRC", b"\0" + b"2011-05-05T12:00:01")
    Path(track.uri).write_bytes(id3_tag(4, (b"TIT2", b"\0A"), date) + sound)
    policy = TagPolicy(form=TagForm(id3_version="2.3"))
    assert_refused(listed(Path(track.uri)), "ID3v2.3 would lose a part of other tags", policy)


def test_what_only_id3v1_knew_is_still_known(track_of):
    track = track_of("mp3", full=False)
    with open(track.uri, "ab") as stream:
        stream.write(ID3V1.ljust(127, b"\0") + bytes([255]))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert read_header(track.uri)[0].title == "Other title"


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


def test_a_tag_with_a_checksum_gets_a_new_one(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    extended = (10).to_bytes(4, "big") + b"\x80\0" + bytes(4) + b"CRC!"
    tag_bytes = id3_tag(3, (b"TIT2", b"\0A"))
    size = len(tag_bytes) - 10 + len(extended)
    content = b"ID3\3\0\x40\0\0\0" + bytes([size]) + extended + tag_bytes[10:] + sound
    Path(track.uri).write_bytes(content)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    written = Path(track.uri).read_bytes()
    size, padding = int(BitPaddedInt(written[6:10])), int.from_bytes(written[16:20], "big")
    frames = written[24 : 10 + size - padding]
    assert written[20:24] == zlib.crc32(frames).to_bytes(4, "big")
    assert frames.startswith(b"TIT2")
    assert frames.endswith(b"Jazz")
    assert written.endswith(sound)


def test_a_checksum_of_id3v2_4_is_of_frames_and_padding(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    extended = bytes([0, 0, 0, 12, 1, 0x20, 5]) + bytes(5)
    body = extended + id3_tag(4, (b"TIT2", b"\0A"), padding=50)[10:]
    Path(track.uri).write_bytes(b"ID3\4\0\x40\0\0\0" + bytes([len(body)]) + body + sound)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    written = Path(track.uri).read_bytes()
    rest = written[22 : 10 + int(BitPaddedInt(written[6:10]))]
    assert int(BitPaddedInt(written[17:22])) == zlib.crc32(rest)
    assert read_header(track.uri)[0].genres == ("Jazz",)
    assert written.endswith(sound)


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
    assert_refused(listed(Path(track.uri)), "ID3v2.3 would lose some of its frames", policy)


def test_what_only_id3v1_knew_is_taken_over_in_the_version_asked_for(track_of):
    track = track_of("mp3", full=False)
    block = b"TAG" + b"A".ljust(90, b"\0") + b"1999" + bytes(30) + bytes([255])
    with open(track.uri, "ab") as stream:
        stream.write(block)
    policy = TagPolicy(form=TagForm(id3_version="2.3"))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append, policy)
    assert str(ID3(track.uri, translate=False, load_v1=False)["TYER"]) == "1999"


def test_a_tag_with_a_footer_becomes_one_with_padding(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    head = id3_tag(4, (b"TIT2", b"\0A"), flags=0x10)
    Path(track.uri).write_bytes(head + b"3DI" + head[3:10] + sound)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    tags = ID3(track.uri)
    assert (str(tags["TIT2"]), str(tags["TCON"])) == ("A", "Jazz")
    content = Path(track.uri).read_bytes()
    assert (content[5], b"3DI" in content[:200]) == (0, False)
    assert content.endswith(sound)


def test_a_tag_without_the_footer_that_it_claims_is_left_alone(track_of):
    track = track_of("mp3", full=False)
    sound = Path(track.uri).read_bytes()
    Path(track.uri).write_bytes(id3_tag(4, (b"TIT2", b"\0A"), flags=0x10) + sound)
    assert_refused(listed(Path(track.uri)), "has a footer")


def test_a_short_id3v1_tag_is_left_alone(track_of):
    track = track_of("mp3", full=False)
    with open(track.uri, "ab") as stream:
        stream.write(ID3V1.ljust(124, b"\0"))
    assert_refused(listed(Path(track.uri)), "ID3v1 tag at its end has the wrong size")


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
