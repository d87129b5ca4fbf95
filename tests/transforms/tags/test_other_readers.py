"""Other readers: what is written is what other programs read, and keep when they write."""

import functools
import shutil
from pathlib import Path

import mutagen
import pytest
from mutagen.apev2 import APEv2

from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy, write_genres
from tests.audio_bytes import audio_hash
from tests.conftest import tone, write_audio
from tests.music_files import FORMATS, dff, dsf, fill, listed
from tests.readers import with_exiftool, with_ffmpeg, with_taglib

ONE, SEVERAL = ("Škola ☂",), ("Hip-Hop", "Škola ☂", "R&B / Soul")
# Formats as they come, and tags that are another choice within a format.
KINDS = (
    *(*FORMATS, "dsf", "dff"),
    *("mp3 ID3v2.2", "mp3 ID3v2.3", "mp3 ID3v2.3 joined", "mp3 ID3v1", "mp3 APEv2"),
    *("wav ID3v2.3", "aiff ID3v2.3"),
)
FORMS = {
    "ID3v2.3": TagForm(id3_version="2.3"),
    "ID3v2.3 joined": TagForm(id3_version="2.3", separator="; "),
}
# FFmpeg joins Vorbis comments and shows the first value of everything else.
JOINED_BY_FFMPEG = ("flac", "ogg", "opus")
# It finds no tags in it, whoever wrote them.
UNREAD_BY_FFMPEG = ("dff",)
# It does not know these formats.
UNREAD_BY_EXIFTOOL = ("wv", "dsf", "dff")
# Values beyond the first are kept in another part of the file, which TagLib reads first.
REORDERED_BY_TAGLIB = ("wma",)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A bare file of a format, made once."""
    folder = tmp_path_factory.mktemp("sounds")

    @functools.cache
    def make(format: str) -> Path:
        path, rate = folder / f"a.{format}", 48000 if format == "opus" else 44100
        if format in ("dsf", "dff"):
            path.write_bytes(dsf() if format == "dsf" else dff())
        else:
            write_audio(path, tone(2, rate, 2), rate)
        if format == "tta":
            # FFmpeg marks what it encodes in a second tag, and then reads only that one.
            APEv2(path).delete()
        return path

    return make


@pytest.fixture
def tagged(sounds, tmp_path):
    """A file of a kind with these genres."""

    def make(kind: str, genres: tuple[str, ...], mood: str = "") -> Path:
        format, _, variant = kind.partition(" ")
        path = Path(shutil.copy(sounds(format), tmp_path / f"song.{format}"))
        if variant == "ID3v2.2":
            frame = b"TT2\0\0\6\0Title"
            path.write_bytes(b"ID3\2\0\0\0\0\0" + bytes([len(frame)]) + frame + path.read_bytes())
        elif variant == "ID3v1":
            path.write_bytes(path.read_bytes() + b"TAG" + bytes(124) + b"\x11")
        elif variant == "APEv2":
            tags = APEv2()
            tags["Title"] = "Title"
            tags.save(path)
        elif not variant and format not in ("dsf", "dff"):
            fill(path)
        form = FORMS.get(variant, TagForm())
        custom = {"MOOD": mood} if mood else {}
        write_genres(listed(path), genres, [].append, TagPolicy(form=form), custom)
        return path

    return make


@pytest.mark.parametrize("genres", [ONE, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in UNREAD_BY_FFMPEG])
def test_ffmpeg_reads_the_genre(tagged, kind, genres):
    expected = genres[0]
    if kind in JOINED_BY_FFMPEG:
        expected = ";".join(genres)
    elif kind.endswith("joined"):
        expected = "; ".join(genres)
    assert with_ffmpeg([tagged(kind, genres)]) == [[expected]]


@pytest.mark.parametrize("genres", [ONE, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("kind", KINDS)
def test_taglib_reads_all_genres(tagged, kind, genres):
    expected = ["; ".join(genres)] if kind.endswith("joined") else list(genres)
    (found,) = with_taglib([tagged(kind, genres)])
    if kind in REORDERED_BY_TAGLIB:
        expected, found = sorted(expected), sorted(found)
    assert found == expected


@pytest.mark.parametrize("kind", KINDS)
def test_taglib_reads_the_mood(tagged, kind):
    assert shown_by_taglib(tagged(kind, ONE, "Sad"))["MOOD"] == ["Sad"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in UNREAD_BY_EXIFTOOL])
def test_exiftool_reads_the_genre(tagged, kind):
    assert with_exiftool([tagged(kind, ONE)]) == [list(ONE)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_outlives_another_program(tagged, kind):
    """TagLib opens and saves what mutagen has written, and mutagen that: nothing is lost."""
    taglib = pytest.importorskip("taglib", reason="pytaglib is not installed")
    path = tagged(kind, ONE)
    before, sound = shown_by_taglib(path), audio_hash(path)
    with taglib.File(str(path)) as file:
        file.tags["COMPOSER"] = ["Somebody"]
        assert file.save() == {}
    mutagen.File(path).save()
    after = shown_by_taglib(path)
    assert after.pop("COMPOSER") == ["Somebody"]
    assert after == before
    assert read_header(str(path))[0].genres == ONE
    assert audio_hash(path) == sound


def shown_by_taglib(path: Path) -> dict[str, list[str]]:
    taglib = pytest.importorskip("taglib", reason="pytaglib is not installed")
    with taglib.File(str(path)) as file:
        return dict(file.tags)
