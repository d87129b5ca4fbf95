"""Foreign tags: a genre that any reader can see is kept, or changed with all others."""

import contextlib
import re
import shutil
from pathlib import Path

import mutagen
import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3

from benchmarks.safety.fuzz_tags import sounds_of
from genrebeam.pipeline.runs.undo import undo
from genrebeam.transforms.records import TagReadError
from genrebeam.transforms.tags.change import read_journal
from genrebeam.transforms.tags.tag import TagPolicy, tag
from tests.conftest import tone, write_audio
from tests.foreign_tags import AROUND, GENRE, WITHIN, box, in_moov
from tests.music_files import FORMATS, decision, dff, dsf, listed
from tests.readers import READERS

NEW = ("Jazz", "Škola")
CASES = [(format, kind) for format in (*FORMATS, "aac", "dsf", "dff") for kind in AROUND]
CASES += list(WITHIN)
# What is before an MP4 shifts the places of its sound: its numbers are wrong already. Nobody has
# been seen to put APEv2 before an mp3.
REFUSED = {("m4a", kind) for kind in AROUND if "before" in kind} | {
    *(("mp3", "APEv2 before"), ("tta", "APEv2 before"), ("tta", "two ID3v2 before")),
    # With these genres "APETAGEX" is 128 bytes from the end, where FFmpeg takes "TAG" for ID3v1.
    ("wv", "ID3v2.4 with a footer behind"),
}
CASES = [case for case in CASES if case not in REFUSED]
# Has no tags of its own, and here none that has room for these.
WITHOUT_ROOM = {
    *(("aac", "ID3v1 behind"), ("aac", "Lyrics3 and ID3v1 behind")),
    ("aac", "ID3v1 enhanced behind"),
}


def with_mutagen(path: Path) -> list[str]:
    found = []
    for open_ in (mutagen.File, ID3, APEv2):
        with contextlib.suppress(mutagen.MutagenError, TypeError, KeyError):
            tags = open_(path)
            for key in ("TCON", "genre", "Genre", "\xa9gen", "WM/Genre"):
                with contextlib.suppress(Exception):
                    value = tags[key]
                    found += list(getattr(value, "genres", None) or map(str, list(value)))
    return found


def shown(path: Path) -> dict[str, set[str]]:
    """What each program shows, value by value; nothing where it cannot open a file."""
    found = {"mutagen": with_mutagen(path)}
    for name, reader in READERS.items():
        found[name] = []
        with contextlib.suppress(Exception):
            found[name] = reader([path])[0]
    return {
        name: {part.strip() for value in values for part in re.split("[;/]", value)} - {"", "None"}
        for name, values in found.items()
    }


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    for format in (*FORMATS, "aac"):
        rate = 48000 if format == "opus" else 44100
        write_audio(folder / f"a.{format}", tone(1, rate, 2), rate)
        with contextlib.suppress(mutagen.MutagenError):
            mutagen.File(folder / f"a.{format}").delete()
    (folder / "a.dsf").write_bytes(dsf())
    (folder / "a.dff").write_bytes(dff())
    return folder


@pytest.fixture
def song(bare, tmp_path):
    def make(format: str, kind: str) -> Path:
        data = (bare / f"a.{format}").read_bytes()
        if (format, kind) in WITHIN:
            if format == "m4a":  # its own user data is in the way
                data = without_user_data(data)
            data = WITHIN[format, kind](data, tmp_path)
        else:
            data = AROUND[kind](data, tmp_path)
        path = tmp_path / f"song.{format}"
        path.write_bytes(data)
        return path

    return make


def without_user_data(data: bytes) -> bytes:
    place = data.index(b"udta") - 4
    size = int.from_bytes(data[place : place + 4], "big")
    moov = data.index(b"moov") - 4
    length = int.from_bytes(data[moov : moov + 4], "big") - size
    assert place + size == len(data)
    return data[:moov] + length.to_bytes(4, "big") + data[moov + 4 : place]


@pytest.mark.parametrize(("format", "kind"), CASES)
def test_a_genre_in_a_foreign_tag_is_kept_merged_and_replaced(song, format, kind):
    path = song(format, kind)
    before, sounds = path.read_bytes(), sounds_of(str(path))
    assert TagPolicy().existing_genres(listed(path)) == (GENRE,)
    for existing, genres in (("merge", (GENRE, "Jazz", "Škola")), ("replace", NEW)):
        if (format, kind) in WITHOUT_ROOM and existing == "merge":
            continue
        journal = []
        outcome = tag(decision(listed(path), *NEW), TagPolicy(existing), journal.append)
        assert (outcome.status, outcome.genres_after) == ("tagged", genres), outcome
        for name, values in shown(path).items():
            # ExifTool leaves the null characters out that APEv2 has between values.
            assert values <= {*genres, "".join(genres)}, (existing, name)
        assert sounds_of(str(path)) == sounds
        again = tag(decision(listed(path), *NEW), TagPolicy(existing), journal.append)
        assert (again.status, len(journal)) == ("unchanged", 1)
        (entry,) = read_journal([journal[0].to_line()])
        assert undo(entry).status == "restored"
        assert path.read_bytes() == before


@pytest.mark.parametrize(("format", "kind"), sorted(WITHOUT_ROOM))
def test_a_row_says_what_a_tag_without_room_for_more_has(song, format, kind):
    path = song(format, kind)
    before = path.read_bytes()
    outcome = tag(decision(listed(path), *NEW), TagPolicy("merge"), [].append)
    assert (outcome.status, outcome.genres_after) == ("unchanged", (GENRE,))
    assert outcome.reason.startswith("its tag has no room for more genres")
    assert path.read_bytes() == before


@pytest.mark.parametrize(("format", "kind"), sorted(REFUSED))
def test_what_cannot_be_changed_safely_is_left_alone(song, format, kind):
    path = song(format, kind)
    before = path.read_bytes()
    try:
        outcome = tag(decision(listed(path), *NEW), TagPolicy("replace"), pytest.fail)
    except TagReadError:
        return
    assert outcome.status == "failed"
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["ID3v1 behind", "APEv2 and ID3v1 behind"])
def test_wavpack_has_one_id3v1_tag_afterwards(song, kind):
    path = song("wv", kind)
    tag(decision(listed(path), *NEW), TagPolicy("replace"), [].append)
    assert path.read_bytes().count(b"TAG" + b"Title") == 1
    assert path.read_bytes()[-128:-125] == b"TAG"


@pytest.mark.parametrize("number", [0, 193, 65535])
def test_a_number_that_is_no_genre_is_none(song, bare, tmp_path, number):
    item = box(b"gnre", box(b"data", bytes(8), number.to_bytes(2, "big")))
    hdlr = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    udta = box(b"udta", box(b"meta", bytes(4), hdlr, box(b"ilst", item)))
    path = tmp_path / "song.m4a"
    path.write_bytes(in_moov(without_user_data((bare / "a.m4a").read_bytes()), udta))
    assert listed(path).tags.genres == ()


def test_a_short_track_number_is_no_damage(bare, tmp_path):
    path = tmp_path / "song.m4a"
    shutil.copy(bare / "a.m4a", path)
    items = box(b"trkn", box(b"data", bytes(8), b"\0\0\0\1"))
    hdlr = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    udta = box(b"udta", box(b"meta", bytes(4), hdlr, box(b"ilst", items)))
    path.write_bytes(in_moov(without_user_data(path.read_bytes()), udta))
    outcome = tag(decision(listed(path), *NEW), TagPolicy(), [].append)
    assert outcome.status == "tagged"
    assert items in path.read_bytes()
    assert listed(path).tags.genres == NEW


def test_a_wav_with_fields_of_riff_gets_riffs_genre(bare, tmp_path):
    path = tmp_path / "song.wav"
    data = (bare / "a.wav").read_bytes()
    info = b"LIST\x0e\0\0\0INFOISFT\2\0\0\0A\0"
    whole = data + info
    path.write_bytes(whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:])
    tag(decision(listed(path), *NEW), TagPolicy(), [].append)
    text = "; ".join(NEW).encode() + b"\0"
    assert b"IGNR" + len(text).to_bytes(4, "little") + text in path.read_bytes()
