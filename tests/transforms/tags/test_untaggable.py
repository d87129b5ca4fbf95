"""Music that has no place for a genre: refused by the name of its format, never touched."""

import io
from pathlib import Path

import pytest
import soundfile

from benchmarks.safety.fuzz_tags import SPEC
from genrebeam.transforms.audio.features import extract
from genrebeam.transforms.library.walk import walk
from genrebeam.transforms.records import NoTagField, TagWriteError, Track
from genrebeam.transforms.tags.formats import chunks
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from genrebeam.transforms.tags.untaggable import why_untaggable
from tests.conftest import tone, write_audio
from tests.music_files import fill, listed


@pytest.mark.parametrize(
    ("format", "name", "said"),
    [
        ("RF64", "song.wav", "RF64 (a wav for more than 4 GB)"),
        ("RF64", "song.rf64", "RF64"),
        ("W64", "song.w64", "Wave64"),
        ("CAF", "song.caf", "CAF"),
    ],
)
def test_containers_without_tags_are_listed_analysed_and_refused(tmp_path, format, name, said):
    path = tmp_path / name
    soundfile.write(path, tone(4, 44100, 2), 44100, format=format)
    (track,) = walk(str(tmp_path))
    assert isinstance(track, Track)
    assert len(extract(track.uri, track.format, SPEC, 2).values) == 2
    with pytest.raises(NoTagField) as caught:
        read_header(track.uri)
    assert said in caught.value.reason


@pytest.mark.parametrize("name", ["song.mka", "song.webm"])
def test_matroska_is_refused_by_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))
    with pytest.raises(NoTagField, match="Matroska and WebM"):
        read_header(str(path))


def test_an_mp3_in_a_wav_is_refused(tmp_path):
    # libsndfile reads on behind the sound, where the tag would be.
    write_audio(tmp_path / "a.wav", tone(1, 44100, 2), 44100)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    place = data.index(b"fmt ") + 8
    data[place : place + 2] = b"\x55\0"
    assert "an mp3 in a wav" in why_untaggable(io.BytesIO(data))


@pytest.mark.parametrize("format", ["ogg", "opus"])
def test_ogg_recordings_in_a_row_are_refused_and_one_is_not(tmp_path, format):
    paths = [tmp_path / f"{name}.{format}" for name in "ab"]
    for number, path in enumerate(paths):
        write_audio(path, tone(2, 48000, 2, seed=number), 48000)
        fill(path)
        assert read_header(str(path))[0].title
    first, second = (path.read_bytes() for path in paths)
    paths[0].write_bytes(first + second)
    with pytest.raises(NoTagField, match="several Ogg recordings in a row"):
        read_header(str(paths[0]))


def test_an_ogg_of_two_streams_at_a_time_is_refused(tmp_path):
    pages = []
    for number, name in enumerate("ab"):
        write_audio(tmp_path / f"{name}.ogg", tone(2, 44100, 2, seed=number), 44100)
        data = (tmp_path / f"{name}.ogg").read_bytes()
        pages.append((data[: 27 + 1 + data[27]], data[27 + 1 + data[27] :]))
    (first, rest), (second, other) = pages
    assert "2 streams at a time" in why_untaggable(io.BytesIO(first + second + rest + other))


def test_a_protected_wma_is_refused(tmp_path):
    write_audio(tmp_path / "a.wma", tone(2, 44100, 2), 44100)
    data = (tmp_path / "a.wma").read_bytes()
    assert why_untaggable(io.BytesIO(data)) is None
    lock = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
    size = int.from_bytes(data[16:24], "little")
    locked = data[: size - 16] + lock + data[size:]
    assert "protected from copying" in why_untaggable(io.BytesIO(locked))


@pytest.mark.parametrize("format", ["wav", "aiff"])
def test_a_file_without_room_for_larger_sizes_is_left_alone(
    tmp_path, monkeypatch, format, tags_in_this_process
):
    path = tmp_path / f"a.{format}"
    write_audio(path, tone(1, 22050, 2), 22050)
    content = path.read_bytes()
    monkeypatch.setattr(chunks, "_LARGEST_CHUNKED", len(content) - 1)
    with pytest.raises(TagWriteError, match="as large as its format can be"):
        write_genres(listed(path), ("Jazz",), [].append)
    assert path.read_bytes() == content


@pytest.mark.parametrize("head", [b"", b"OggS", b"RIFF", b"OggS" + bytes(23), b"RIFF1234WAVEfmt "])
def test_stubs_are_nobodys_trouble(head):
    assert why_untaggable(io.BytesIO(head)) is None


def test_mp4_with_sizes_of_64_bits_is_tagged(tmp_path):
    path: Path = tmp_path / "a.m4a"
    write_audio(path, tone(2, 44100, 2), 44100)
    data = path.read_bytes()
    place = data.index(b"mdat") - 4
    size = int.from_bytes(data[place : place + 4], "big")
    # FFmpeg leaves a free atom in front, for the wide form of this one's header.
    assert data[place - 8 : place] == b"\0\0\0\x08free"
    wide = b"\0\0\0\1mdat" + (size + 8).to_bytes(8, "big")
    path.write_bytes(data[: place - 8] + wide + data[place + 8 :])
    sound = extract(str(path), "m4a", SPEC, 2).values
    write_genres(listed(path), ("Jazz",), [].append)
    assert read_header(str(path))[0].genres == ("Jazz",)
    assert (extract(str(path), "m4a", SPEC, 2).values == sound).all()
