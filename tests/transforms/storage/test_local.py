"""A disk: what it promises, and what shares and sticks cannot do and need not."""

import errno
import os
import stat
import threading

import pytest

from genrebeam.transforms.storage import path_of
from genrebeam.transforms.storage.local import Local


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
