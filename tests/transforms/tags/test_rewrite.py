"""Rewrite: a file changes in one step, or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from genrebeam.transforms.records import HardLinked, TagWriteError
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.rewrite import WritePolicy
from genrebeam.transforms.tags.tag import TagPolicy, write_genres
from tests.music_files import listed


def test_mode_stays_and_time_is_new(track_of):
    track = track_of("mp3")
    os.chmod(track.uri, 0o640)
    os.utime(track.uri, ns=(10**18, 10**18))
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    facts = os.stat(track.uri)
    assert stat.S_IMODE(facts.st_mode) == 0o640
    assert facts.st_mtime_ns > 10**18


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes here")
def test_extended_attributes_stay(track_of):
    track = track_of("mp3")
    try:
        os.setxattr(track.uri, "user.mood", b"calm")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert os.getxattr(track.uri, "user.mood") == b"calm"


def test_a_file_that_changed_since_it_was_read_is_left_alone(track_of):
    track = track_of("mp3")
    with open(track.uri, "ab") as stream:
        stream.write(b"more")
    content = Path(track.uri).read_bytes()
    with pytest.raises(TagWriteError, match="changed while it was being analysed"):
        write_genres(track, ("Jazz",), [].append)
    assert Path(track.uri).read_bytes() == content


def test_the_same_element_twice_ends_as_once(track_of):
    track, journal = track_of("mp3"), []
    first = write_genres(track, ("Jazz",), journal.append)
    content = Path(track.uri).read_bytes()
    assert write_genres(track, ("Jazz",), journal.append) == first
    assert Path(track.uri).read_bytes() == content
    assert len(journal) == 1


def test_two_at_work_on_one_file_both_end_with_it_done(track_of):
    """Two names of one file can be in flight at a time, in two threads or two runs."""
    track, ends = track_of("mp3"), []

    def the_other_is_faster(change):
        if not ends:
            ends.append(None)
            ends[0] = write_genres(track, ("Jazz",), [].append)

    ends.append(write_genres(track, ("Jazz",), the_other_is_faster))
    facts = os.stat(track.uri)
    assert [(end.size_bytes, end.mtime_ns) for end in ends] == [
        (facts.st_size, facts.st_mtime_ns)
    ] * 2
    assert read_header(track.uri)[0].genres == ("Jazz",)
    assert os.listdir(os.path.dirname(track.uri)) == ["song.mp3"]


def test_a_file_that_others_change_while_it_is_tagged_is_left_to_them(track_of):
    track = track_of("mp3")

    def others_are_faster(change):
        write_genres(track, ("Folk",), [].append)

    with pytest.raises(TagWriteError, match="changed while it was being tagged"):
        write_genres(track, ("Jazz",), others_are_faster)
    assert read_header(track.uri)[0].genres == ("Folk",)


def test_a_hard_linked_file_is_refused(track_of, tmp_path):
    track = track_of("mp3")
    os.link(track.uri, tmp_path / "other.mp3")
    with pytest.raises(HardLinked, match="2 hard links"):
        write_genres(track, ("Jazz",), [].append)


def test_a_link_stays_a_link_and_its_file_is_tagged(track_of, tmp_path):
    track = track_of("mp3")
    link = tmp_path / "link.mp3"
    link.symlink_to("song.mp3")
    write_genres(listed(link), ("Jazz",), [].append)
    assert link.is_symlink()
    assert read_header(track.uri)[0].genres == ("Jazz",)


def test_the_journal_knows_before_the_file_changes(track_of):
    track = listed(Path(track_of("mp3", genres=("Old",)).uri))
    seen = []

    def journal(change):
        seen.append((change, read_header(track.uri)[0].genres))

    write_genres(track, ("New",), journal)
    ((change, genres_then),) = seen
    assert genres_then == ("Old",)
    assert (change.genres_before, change.genres_after) == (("Old",), ("New",))
    change.to_line()


@pytest.mark.parametrize("step", ["os.replace", "os.fsync", "shutil.copyfileobj", "journal"])
def test_when_a_step_fails_the_file_is_as_before_and_nothing_is_left(track_of, monkeypatch, step):
    track = track_of("flac")
    content = Path(track.uri).read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step != "journal":
        monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="No space left"):
        write_genres(track, ("Jazz",), full if step == "journal" else [].append)
    assert Path(track.uri).read_bytes() == content
    assert os.listdir(os.path.dirname(track.uri)) == ["song.flac"]


def refused(*arguments, **options):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("call", ["os.chmod", "os.chown", "os.utime", "shutil.copystat"])
def test_a_share_whose_files_are_all_alike_may_refuse_owner_mode_and_times(
    track_of, monkeypatch, call
):
    track = track_of("mp3")
    os.chmod(track.uri, 0o600)  # as every new file there
    monkeypatch.setattr(call, refused)
    write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert read_header(track.uri)[0].genres == ("Jazz",)
    assert stat.S_IMODE(os.stat(track.uri).st_mode) == 0o600


def test_a_file_that_would_lose_its_mode_is_left_as_it_is(track_of, monkeypatch):
    track = track_of("mp3")
    os.chmod(track.uri, 0o644)
    content = Path(track.uri).read_bytes()
    monkeypatch.setattr(os, "chmod", refused)
    with pytest.raises(PermissionError):
        write_genres(listed(Path(track.uri)), ("Jazz",), [].append)
    assert Path(track.uri).read_bytes() == content
    assert os.listdir(os.path.dirname(track.uri)) == ["song.mp3"]


def test_a_time_that_was_to_be_kept_and_cannot_be_is_an_error(track_of, monkeypatch):
    track = track_of("mp3")
    content = Path(track.uri).read_bytes()
    monkeypatch.setattr(os, "utime", refused)
    policy = TagPolicy(write=WritePolicy(keep_mtime=True))
    with pytest.raises(PermissionError):
        write_genres(listed(Path(track.uri)), ("Jazz",), [].append, policy=policy)
    assert Path(track.uri).read_bytes() == content


@pytest.mark.parametrize("code", [errno.EACCES, errno.EBUSY, errno.ETXTBSY])
def test_a_file_that_another_has_open_on_a_share_is_left_with_nothing_beside_it(
    track_of, monkeypatch, code
):
    track = track_of("flac")
    content = Path(track.uri).read_bytes()

    def held(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(OSError, match=os.strerror(code)):
        write_genres(track, ("Jazz",), [].append)
    assert Path(track.uri).read_bytes() == content
    assert os.listdir(os.path.dirname(track.uri)) == ["song.flac"]
