"""WAV: RIFF's own genre follows ID3, and damaged chunks are left alone."""

from pathlib import Path

import mutagen
import pytest

from genrebeam.transforms.records import TagWriteError
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import TagPolicy, tag, write_genres
from tests.music_files import assert_refused, decision, listed


def test_a_wave_file_that_does_not_know_its_end_is_tagged_and_sounds_the_same(track_of):
    # As a recorder leaves it that was switched off.
    track = track_of("wav", full=False)
    content = bytearray(Path(track.uri).read_bytes())
    data = content.index(b"data")
    content[4:8] = (data + 8 - 8).to_bytes(4, "little")
    content[data + 4 : data + 8] = bytes(4)
    Path(track.uri).write_bytes(content)
    before = Path(track.uri).read_bytes()
    outcome = tag(decision(listed(Path(track.uri)), "Jazz"), TagPolicy(), lambda change: None)
    assert outcome.status == "tagged"
    sound = before[data + 8 :]
    assert Path(track.uri).read_bytes()[data + 8 :].startswith(sound)


def test_a_wave_file_that_is_cut_off_is_left_alone(track_of):
    track = track_of("wav", full=False)
    content = Path(track.uri).read_bytes()
    Path(track.uri).write_bytes(content[: len(content) // 2])
    assert_refused(listed(Path(track.uri)), "its sound is cut off")


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
