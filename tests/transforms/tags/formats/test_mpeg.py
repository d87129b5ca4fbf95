"""mp3: a second tag never contradicts the first."""

import struct
from pathlib import Path

import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3

from genrebeam.transforms.tags import tag
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy, write_genres
from tests.music_files import ID3V1, REPLAYGAIN, assert_refused, decision, listed, put_ape


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


def test_a_writer_that_leaves_the_second_tag_as_it_was_is_stopped(
    track_of, monkeypatch, tags_in_this_process
):
    track = track_of("mp3", genres=("Old",))
    put_ape(track.uri, Genre="Folk")
    monkeypatch.setattr("genrebeam.transforms.tags.ape_bytes.exchange", lambda *arguments: None)
    assert_refused(listed(Path(track.uri)), "second tag would be read back as")
