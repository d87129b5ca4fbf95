"""Reasons: what is wrong with a file and what can be done, in words that a person knows."""

import errno
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.safety.fuzz_tags import SPEC, make_originals, mutants
from genrebeam.transforms.audio.decode import DecodeError
from genrebeam.transforms.audio.extract import DecoderCrash, DecoderTimeout
from genrebeam.transforms.audio.features import TooShort, extract
from genrebeam.transforms.reasons import explain
from genrebeam.transforms.records import (
    HardLinked,
    NoTagField,
    TagReadError,
    TagWriteError,
    Track,
    TrackError,
    dropped,
)
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.conftest import tone, write_audio

# What only who writes programs understands.
JARGON = re.compile(
    r"codec can't|Error\b|\bb'|\[Errno|libsndfile|FFmpeg:|0x[0-9a-f]|Invalid (arg|data)|"
    r"not permitted|index out|^\W|^error$|\batom\b|synchsafe|bytes, read"
)


def reason(error: BaseException, stage: str = "read_tags", format: str = "mp3") -> str:
    return dropped(Track(f"/m/a.{format}", format), stage, error).reason


@pytest.mark.parametrize(
    ("error", "stage", "said"),
    [
        (TagReadError("a", "error"), "read_tags", "its tags are truncated or damaged"),
        (TagReadError("a", "damaged (IndexError: out)"), "read_tags", "its header cannot be read"),
        (TagReadError("a", "'ascii' codec can't decode"), "read_tags", "it is not mp3 audio"),
        (TagReadError("a", "can't sync to MPEG frame"), "read_tags", "it is not mp3 audio"),
        (NoTagField("a", "AAC files have no place for a genre"), "read_tags", "m4a has (ffmpeg"),
        (DecodeError("a", "FFmpeg: Operation not permitted; x"), "decode", "no decoder can read"),
        (DecodeError("a", "nothing of its 3 s can be decoded"), "decode", "promises is there"),
        (DecoderTimeout("a", "not decoded within 8 s"), "decode", "not decoded within 8 s"),
        (DecoderCrash("a", "the decoder crashed (exit code 7)"), "decode", "crashed on it"),
        (TooShort("a", "1.0 s of audio"), "decode", "1.0 s of audio"),
        (HardLinked("a", "has 2 hard links, which"), "tag", "--in-place-links"),
        (TagWriteError("a", "its sound is cut off"), "tag", "promises more than is there"),
        (
            TagWriteError("a", "the ID3v2 tag has a footer"),
            "tag",
            "a footer; save it again with a tag editor",
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "tag", "the disk is full"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "decode", "check the disk for errors"),
        (OSError(errno.ESTALE, os.strerror(errno.ESTALE)), "tag", "lost it; run again"),
        (OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)), "read_tags", "does not answer"),
        (OSError(errno.EBUSY, os.strerror(errno.EBUSY)), "tag", "another program has it open"),
        (OSError(errno.ETXTBSY, os.strerror(errno.ETXTBSY)), "tag", "another program has it open"),
        (OSError(errno.EPERM, os.strerror(errno.EPERM)), "tag", "check the mount options"),
        (IndexError("list index out of range"), "decode", "no decoder can read it"),
        (RuntimeError("OOM"), "classify", "fewer processes"),
        (ZeroDivisionError("division"), "tag", "is as it was"),
    ],
)
def test_says_what_is_wrong_and_what_can_be_done(error, stage, said):
    assert said in reason(error, stage)
    assert not JARGON.search(reason(error, stage))


def test_what_the_error_said_stays_in_its_own_column():
    outcome = dropped(
        Track("/a.mp3", "mp3"), "decode", DecodeError("/a.mp3", "FFmpeg: End of file")
    )
    assert (outcome.error_type, outcome.error_message) == ("DecodeError", "FFmpeg: End of file")
    assert "no decoder can read it" in outcome.reason


@given(st.text(), st.text(max_size=10), st.sampled_from(["read_tags", "decode", "tag", "walk"]))
def test_any_message_has_one(message, format, stage):
    kinds = ("TagReadError", "DecodeError", "TagWriteError", "IndexError", "OSError")
    for kind in kinds:
        assert explain((kind,), message, stage=stage, format=format) or not message


def test_of_damaged_files_none_has_a_reason_that_only_programmers_know(tmp_path):
    (tmp_path / "whole").mkdir()
    said = set()
    for name, data in mutants(make_originals(tmp_path / "whole"), 250, seed=5):
        path = tmp_path / name
        path.write_bytes(data)
        said |= set(_reasons(path))
    assert len(said) > 8
    assert [text for text in said if JARGON.search(text)] == []


def _reasons(path: Path) -> list[str]:
    format = path.suffix[1:]
    facts = path.stat()
    track = Track(str(path), format, facts.st_size, facts.st_mtime_ns)
    found = []
    for stage, step in (
        ("read_tags", lambda: read_header(str(path))),
        ("tag", lambda: write_genres(track, ("Jazz",), [].append)),
    ):
        try:
            step()
        except (TrackError, OSError) as error:
            found.append(reason(error, stage, format))
    return found


def test_a_file_of_another_kind_than_its_name_says_so(tmp_path):
    write_audio(tmp_path / "a.flac", tone(4, 44100, 2), 44100)
    path = (tmp_path / "a.flac").rename(tmp_path / "a.m4a")
    assert extract(str(path), "m4a", SPEC, 1).values.shape[0] == 1  # goes by what is inside
    path.write_text("no music " * 100)
    with pytest.raises(TagReadError) as caught:
        read_header(str(path))
    assert reason(caught.value, format="m4a").startswith("it is not m4a audio")


def test_a_file_without_an_extension_is_not_audio_of_a_kind():
    message = "not an audio file of a known format"
    said = explain(("TagReadError",), message, stage="read_tags", format="")
    assert said.startswith("it is not audio, or")
