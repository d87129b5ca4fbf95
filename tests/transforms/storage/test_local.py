"""A disk: what it promises, and what shares and sticks cannot do and need not."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from genrebeam.transforms.records import TagWriteError
from genrebeam.transforms.storage import path_of
from genrebeam.transforms.storage.local import (
    Local,
    NotRegular,
    _temporary_file,
    clean_abandoned,
    open_regular,
)


def test_folders_of_a_report_need_no_file_system_that_can_sync_them(tmp_path, monkeypatch):
    fsync = os.fsync

    def files_only(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    Local().make_folder(str(tmp_path / "report" / "runs"))
    journal = str(tmp_path / "report" / "journal.jsonl")
    Local().begin_journal(journal)
    Local().append(journal, b"a line\n")
    assert list(Local().lines(journal)) == ["a line\n"]


def test_a_folder_that_a_broken_disk_cannot_sync_is_an_error(tmp_path, monkeypatch):
    def broken(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        Local().make_folder(str(tmp_path / "report"))


def test_lines_that_are_written_at_once_have_no_empty_lines_between_them(tmp_path):
    path = str(tmp_path / "journal.jsonl")
    line = b"x" * 300_000 + b"\n"  # many pages: a file grows by one after the other

    def write() -> None:
        for _ in range(15):
            Local().append(path, line)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(Local().lines(path)) == {line.decode()}


def test_a_path_that_is_no_text_is_found_by_what_the_report_shows(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp3")
    (tmp_path / name).touch()
    shown = f"{tmp_path}/caf\\udce9.mp3"
    assert path_of(shown) == f"{tmp_path}/{name}"
    (tmp_path / "caf\\udce9.mp3").touch()  # a file that really is called so
    assert path_of(shown) == shown


def test_other_paths_are_themselves():
    for path in ("/music/a.mp3", "/music/\\u00e9.mp3", "gs://bucket/a.mp3"):
        assert path_of(path) == path


def test_a_pipe_in_place_of_a_song_is_no_song_and_nobody_waits_for_it(tmp_path):
    path = tmp_path / "a.mp3"
    os.mkfifo(path)
    with pytest.raises(NotRegular, match="not a regular file"):
        open_regular(str(path))
    for open_it in (Local().read, Local().open_header, Local().open_in_place):
        with pytest.raises(NotRegular):
            open_it(str(path))
    with pytest.raises(NotRegular), Local().changing(Local().find(str(path)), "mp3"):
        pass
    assert os.listdir(tmp_path) == ["a.mp3"]


def test_a_copy_of_a_run_that_lives_is_left_alone(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(b"music")
    with Local().changing(Local().find(str(path)), "mp3") as (_, copy):
        clean_abandoned(copy)
        assert Path(copy).read_bytes() == b"music"
        cut_off = f"{copy}.mp3"  # as if its run had been killed
        Path(cut_off).touch()
        clean_abandoned(cut_off)
        assert not os.path.exists(cut_off)


def test_a_copy_that_was_cleaned_up_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    lock, cleaned = fcntl.flock, []

    def clean_first(handle, how):
        if not cleaned:
            cleaned.append(True)
            (copy,) = tmp_path.iterdir()
            copy.unlink()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", clean_first)
    handle, path = _temporary_file(str(tmp_path), "mp3")
    os.close(handle)
    assert cleaned
    assert os.path.exists(path)


def test_where_there_are_no_locks_only_age_tells(tmp_path, monkeypatch):
    def no_locks(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    handle, path = _temporary_file(str(tmp_path), "mp3")
    os.close(handle)
    clean_abandoned(path)
    assert os.path.exists(path)
    tomorrow = os.stat(path).st_ctime + 25 * 3600
    monkeypatch.setattr("time.time", lambda: tomorrow)
    clean_abandoned(path)
    assert not os.path.exists(path)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="only Linux tells who writes")
def test_a_file_that_another_program_writes_to_is_left_alone(tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes(b"first half")
    code = "import sys; open(sys.argv[1], 'ab').flush(); stream = open(sys.argv[1], 'ab')\n"
    code += "print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(TagWriteError, match="another program has it open for writing"):
            Local().check_writable(str(path))
        with path.open("rb"):
            pass  # who reads is in nobody's way
        writer.stdin.close()
    with path.open("rb"):
        Local().check_writable(str(path))
