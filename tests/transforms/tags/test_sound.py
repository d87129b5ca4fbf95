"""Sound: a copy that sounds otherwise never replaces its file."""

import shutil
import subprocess
from pathlib import Path

import mutagen
import pytest

from benchmarks.safety.fuzz_tags import sounds_of
from genrebeam.transforms.records import TagWriteError
from genrebeam.transforms.tags import header, tag
from genrebeam.transforms.tags.sound import check_same_sound
from genrebeam.transforms.tags.tag import TagPolicy, write_genres
from tests.conftest import tone, write_audio
from tests.music_files import FORMATS, decision, listed


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("where", [0.4, 0.9])
def test_one_changed_byte_of_sound_is_found(track_of, monkeypatch, format, where):
    track = track_of(format)
    before = Path(track.uri).read_bytes()

    def damage(copy, *rest):
        header.write_fields(copy, *rest)
        data = bytearray(Path(copy).read_bytes())
        begin = data.index(b"mdat") if format == "m4a" else 12_000
        end = data.index(b"moov") if format == "m4a" else len(data) - 600
        data[begin + int((end - begin) * where)] ^= 1
        Path(copy).write_bytes(data)

    monkeypatch.setattr(tag, "write_fields", damage)
    with pytest.raises(TagWriteError, match="the sound would not be the same"):
        write_genres(track, ("Jazz",), pytest.fail)
    assert Path(track.uri).read_bytes() == before


@pytest.mark.parametrize("format", ["ogg", "opus"])
def test_headers_of_any_size_are_no_sound(track_of, format):
    path = Path(track_of(format).uri)
    file = mutagen.File(path)
    file["metadata_block_picture"] = "A" * 150_000
    file.save()
    write_genres(listed(path), ("Jazz",), [].append)
    assert mutagen.File(path)["genre"] == ["Jazz"]


@pytest.mark.parametrize("format", FORMATS)
def test_sound_that_is_cut_off_is_found(track_of, tmp_path, format):
    path = Path(track_of(format).uri)
    copy = tmp_path / f"copy.{format}"
    data = path.read_bytes()
    copy.write_bytes(data[: len(data) // 2])
    with pytest.raises(TagWriteError):
        check_same_sound(str(path), str(copy), "song")


@pytest.mark.parametrize(
    "flags",
    [
        "frag_keyframe+empty_moov",
        "frag_keyframe+empty_moov+default_base_moof",
        "frag_keyframe+delay_moov",
        "frag_keyframe+empty_moov+global_sidx",
        "dash",
        "cmaf",
        "frag_keyframe+empty_moov+separate_moof",
        "faststart",
    ],
)
def test_fragments_sound_as_before(tmp_path, flags):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    path = tmp_path / "song.m4a"
    write_audio(tmp_path / "song.wav", tone(8, 44100, 2), 44100)
    options = ["-movflags", flags, "-frag_duration", "1500000", str(path)]
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(tmp_path / "song.wav"), *options]
    subprocess.run(command, check=True)
    before, sounds = path.read_bytes(), sounds_of(str(path))
    outcome = tag.tag(decision(listed(path), "x" * 3000), TagPolicy("replace"), [].append)
    assert outcome.status == "tagged", outcome.error_message
    assert sounds_of(str(path)) == sounds
    data = path.read_bytes()
    assert len(data) > len(before)
    place = data.rfind(b"mfra")
    if place > 0:
        at = data.index(b"tfra", place) + 4
        wide = 8 if data[at] else 4
        sizes = int.from_bytes(data[at + 8 : at + 12], "big")
        step = 2 * wide + sum((sizes >> shift & 3) + 1 for shift in (4, 2, 0))
        for number in range(int.from_bytes(data[at + 12 : at + 16], "big")):
            entry = at + 16 + number * step + wide
            fragment = int.from_bytes(data[entry : entry + wide], "big")
            assert data[fragment + 4 : fragment + 8] == b"moof"
