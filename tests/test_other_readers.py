"""Other readers: what is written is what other programs read.

FFmpeg's ``ffprobe`` and TagLib, through its Python binding ``taglib`` (package pytaglib), share
no code with what writes here. Both are skipped where they are not installed.
"""

import functools
import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from mutagen.apev2 import APEv2

from tests.conftest import tone, write_audio
from tests.test_tag import FORMATS, fill, listed
from transforms.fields import TagForm
from transforms.tag import TagPolicy, write_genres

ONE, SEVERAL = ("Škola ☂",), ("Hip-Hop", "Škola ☂", "R&B / Soul")
# Formats as they come, and tags that are another choice within a format.
KINDS = (
    *(*FORMATS, "dsf"),
    *("mp3 ID3v2.2", "mp3 ID3v2.3", "mp3 ID3v2.3 joined", "mp3 ID3v1", "mp3 APEv2"),
    *("wav ID3v2.3", "aiff ID3v2.3"),
)
FORMS = {
    "ID3v2.3": TagForm(id3_version="2.3"),
    "ID3v2.3 joined": TagForm(id3_version="2.3", separator="; "),
}
# ffprobe joins Vorbis comments and shows the first value of everything else.
JOINED_BY_FFPROBE = ("flac", "ogg", "opus")
# It shows no text tags at all of these, whoever wrote them.
UNREAD_BY_FFPROBE = ("mp3 APEv2",)
# Values beyond the first are kept in another part of the file, which TagLib reads first.
REORDERED_BY_TAGLIB = ("wma",)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A bare file of a format, made once."""
    folder = tmp_path_factory.mktemp("sounds")

    @functools.cache
    def make(format: str) -> Path:
        path, rate = folder / f"a.{format}", 48000 if format == "opus" else 44100
        if format == "dsf":
            path.write_bytes(dsf())
        else:
            write_audio(path, tone(2, rate, 2), rate)
        if format == "tta":
            # FFmpeg marks what it encodes in a second tag, and then reads only that one.
            APEv2(path).delete()
        return path

    return make


def dsf() -> bytes:
    """A DSD file, which no encoder at hand makes: one block of idle pattern per channel."""
    rate, n_channels, block = 2822400, 2, 4096
    sound = b"\x69" * n_channels * block
    body = b"fmt " + struct.pack(
        "<QIIIIIIQII", 52, 1, 0, 2, n_channels, rate, 1, 8 * block, block, 0
    )
    body += b"data" + struct.pack("<Q", 12 + len(sound)) + sound
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(body), 0) + body


@pytest.fixture
def tagged(sounds, tmp_path):
    """A file of a kind with these genres."""

    def make(kind: str, genres: tuple[str, ...]) -> Path:
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
        elif not variant and format != "dsf":
            fill(path)
        form = FORMS.get(variant, TagForm())
        write_genres(listed(path), genres, [].append, TagPolicy(form=form))
        return path

    return make


@pytest.fixture
def ffprobe():
    """The genre that ffprobe shows."""
    program = shutil.which("ffprobe")
    if program is None:
        pytest.skip("ffprobe is not installed")

    def read(path: Path) -> str | None:
        options = ["-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "json"]
        shown = subprocess.run([program, *options, path], capture_output=True, check=True)
        facts = json.loads(shown.stdout)
        # Ogg has its tags at the stream.
        for part in (facts["format"], *facts.get("streams", [])):
            for key, value in part.get("tags", {}).items():
                if key.lower() == "genre":
                    return value
        return None

    return read


@pytest.fixture
def taglib():
    """The genres that TagLib shows."""
    module = pytest.importorskip("taglib", reason="TagLib's binding (pytaglib) is not installed")

    def read(path: Path) -> list[str] | None:
        with module.File(str(path)) as file:
            return file.tags.get("GENRE")

    return read


@pytest.mark.parametrize("genres", [ONE, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("kind", KINDS)
def test_ffprobe_reads_the_genre(tagged, ffprobe, kind, genres):
    if kind in UNREAD_BY_FFPROBE:
        pytest.skip(f"ffprobe shows no text tags of {kind}")
    expected = genres[0]
    if kind in JOINED_BY_FFPROBE:
        expected = ";".join(genres)
    elif kind.endswith("joined"):
        expected = "; ".join(genres)
    assert ffprobe(tagged(kind, genres)) == expected


@pytest.mark.parametrize("genres", [ONE, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("kind", KINDS)
def test_taglib_reads_all_genres(tagged, taglib, kind, genres):
    expected = ["; ".join(genres)] if kind.endswith("joined") else list(genres)
    found = taglib(tagged(kind, genres))
    if kind in REORDERED_BY_TAGLIB:
        expected, found = sorted(expected), sorted(found)
    assert found == expected
