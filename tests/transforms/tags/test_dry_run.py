"""A dry run says what the run says, and changes nothing."""

import os
import struct
from collections.abc import Callable

import pytest

from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy, tag
from tests.conftest import tone, write_audio
from tests.music_files import FORMATS, decision, listed


def _sizes(size: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        place = data.index(b"data") + 4
        said = struct.pack("<I", size)
        return data[:4] + said + data[8:place] + said + data[place + 4 :]

    return change


def _larger(data: bytes) -> bytes:
    place = data.index(b"data") + 4
    size = struct.unpack("<I", data[place : place + 4])[0] + 1000
    return data[:place] + struct.pack("<I", size) + data[place + 4 :]


# What a file of a format may have suffered, or that it is whole.
CASES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    **{f"a whole {format}": (format, lambda data: data) for format in FORMATS},
    "a wav from a pipe": ("wav", _sizes(0xFFFFFFFF)),
    "a wav from sox": ("wav", _sizes(0x7FFFF000)),
    "a wav without sizes": ("wav", _sizes(0)),
    "a wav that is cut off": ("wav", _larger),
    "bytes behind RIFF": ("wav", lambda data: data + b"any bytes behind it"),
    "bytes behind an ogg": ("ogg", lambda data: data + b"any bytes behind it"),
    "bytes behind an m4a": ("m4a", lambda data: data + b"any bytes behind it"),
    "bytes behind a flac": ("flac", lambda data: data + b"any bytes behind it"),
    "an mp3 whose tag has a footer": ("mp3", lambda data: b"ID3\4\0\x10\0\0\0\0" + data),
}


@pytest.mark.parametrize("case", CASES)
def test_dry_run_and_run_say_the_same(tmp_path, case):
    format, change = CASES[case]
    path, rate = tmp_path / "music" / f"song.{format}", 48000 if format == "opus" else 44100
    path.parent.mkdir()
    write_audio(path, tone(1, rate, 2), rate)
    path.write_bytes(change(path.read_bytes()))
    content, facts = path.read_bytes(), os.stat(path)
    track = listed(path)
    tried = tag(decision(track, "Jazz"), TagPolicy(dry_run=True), pytest.fail)
    assert path.read_bytes() == content
    assert os.stat(path).st_mtime_ns == facts.st_mtime_ns
    assert os.listdir(path.parent) == [path.name]
    done = tag(decision(track, "Jazz"), TagPolicy(), [].append)
    expected = {"tagged": "would_tag"}.get(done.status, done.status)
    assert (tried.status, tried.reason, tried.error_type) == (
        expected,
        done.reason,
        done.error_type,
    )
    assert "backup" not in done.reason


@pytest.mark.parametrize("case", ["a wav from a pipe", "a wav from sox", "a wav without sizes"])
def test_a_wav_of_unsaid_length_is_tagged_and_says_its_length_then(tmp_path, case):
    path = tmp_path / "song.wav"
    write_audio(path, tone(1, 44100, 2), 44100)
    whole = path.read_bytes()
    path.write_bytes(CASES[case][1](whole))
    assert read_header(str(path))[1].duration_s == pytest.approx(1)
    assert tag(decision(listed(path), "Jazz"), TagPolicy(), [].append).status == "tagged"
    assert path.read_bytes().startswith(whole[:4])
    assert path.read_bytes()[8 : len(whole)] == whole[8:]
    assert read_header(str(path))[0].genres == ("Jazz",)


def test_a_dry_run_needs_no_room_for_a_copy(track_of, monkeypatch):
    track = track_of("mp3")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    outcome = tag(decision(track, "Jazz"), TagPolicy(dry_run=True), pytest.fail)
    assert outcome.status == "would_tag"
    assert "not tried" in outcome.reason
