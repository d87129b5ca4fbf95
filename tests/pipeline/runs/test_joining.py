"""Joining: runs on an album, and on a library under another name, end in one home."""

import os
import shutil
from pathlib import Path

import pytest
from mutagen.flac import FLAC

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.options.home import homes, report_of
from genrebeam.pipeline.options.job import with_a_folder_in_common
from genrebeam.pipeline.runs.joining import join_homes
from genrebeam.pipeline.runs.lock import locked
from genrebeam.pipeline.runs.run import runs_of
from tests.conftest import tone, write_audio


@pytest.fixture
def music(tmp_path, monkeypatch) -> Path:
    for album in ("one", "two"):
        (tmp_path / "Music" / album).mkdir(parents=True)
        write_audio(tmp_path / "Music" / album / "a.flac", tone(7), 22050)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "Music"


@pytest.fixture
def tag(tiny_bundle):
    options = ["--bundle", tiny_bundle.path, "--min-confidence", "0", "--quiet"]
    return lambda *paths: main(["tag", *map(str, paths), *options])


def genres_of(path: Path) -> list[str]:
    return list(FLAC(path).get("genre", []))


def test_an_album_that_was_tagged_first_is_undone_from_its_library(music, tag, capsys):
    assert tag(music / "one") == 0
    assert tag(music) == 0
    assert [home.library for home in homes()] == [str(music)]
    assert report_of(str(music / "one")) == homes()[0].path
    assert genres_of(music / "one" / "a.flac")
    os.chdir(music)
    assert main(["undo"]) == main(["undo"]) == 0
    assert "restored" in capsys.readouterr().out
    assert genres_of(music / "one" / "a.flac") == genres_of(music / "two" / "a.flac") == []


def test_undo_in_an_album_takes_back_runs_on_it_alone(music, tag, capsys):
    tag(music, music / "one")
    write_audio(music / "one" / "b.flac", tone(8), 22050)
    tag(music / "one")
    write_audio(music / "two" / "b.flac", tone(8), 22050)
    tag(music / "two")
    os.chdir(music / "one")
    assert main(["undo"]) == 0
    assert genres_of(music / "one" / "b.flac") == []
    assert genres_of(music / "two" / "b.flac")
    assert genres_of(music / "one" / "a.flac")


def test_what_was_tagged_as_an_album_is_not_analysed_again(music, tag, capsys):
    tag(music / "one")
    capsys.readouterr()
    tag(music)
    assert "1 tagged" in capsys.readouterr().out


def test_a_library_that_was_moved_keeps_its_runs(music, tag, capsys):
    tag(music)
    moved = music.rename(music.with_name("Songs"))
    capsys.readouterr()
    assert tag(moved) == 0
    assert "tagged" not in capsys.readouterr().out
    assert [home.library for home in homes()] == [str(moved)]
    assert len(runs_of(homes()[0].path)) == 2


def test_a_copy_of_a_library_has_a_home_of_its_own(music, tag):
    tag(music)
    tag(shutil.copytree(music, music.with_name("Copy")))
    assert len(homes()) == 2


def test_paths_on_different_disks_are_libraries_of_their_own(music, tag, monkeypatch, capsys):
    assert with_a_folder_in_common(["/mnt/a", "/srv/b", "/mnt/c"]) == [
        ["/mnt/a", "/mnt/c"],
        ["/srv/b"],
    ]
    monkeypatch.setattr(
        "genrebeam.pipeline.commands.tag.with_a_folder_in_common",
        lambda named: [[path] for path in named],
    )
    assert tag(music / "one", music / "two") == 0
    assert capsys.readouterr().out == "1 tagged\n1 tagged\n"
    assert [home.library for home in homes()] == [str(music / "one"), str(music / "two")]
    assert main(["tag", str(music / "one"), str(music / "two"), "--json"]) == 2


def test_a_file_alone_takes_no_home_of_others(music, tag):
    tag(music / "one")
    write_audio(music / "b.flac", tone(7), 22050)
    tag(music / "b.flac")
    assert len(homes()) == 2


def test_a_home_where_a_run_is_at_work_is_left_for_the_next_time(music, tag):
    tag(music / "one")
    album = homes()[0].path
    report = report_of(str(music / "two" / ".."))
    with locked(album):
        join_homes(report, str(music), [str(music)])
    assert len(runs_of(album)) == 1


def test_joining_that_was_cut_off_goes_on(music, tag, monkeypatch):
    tag(music / "one")
    report = report_of(str(music))
    rename = os.rename

    def cut_off(source, target):
        if "/runs/" in source:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", cut_off)
    with pytest.raises(KeyboardInterrupt):
        join_homes(report, str(music), [str(music)])
    monkeypatch.setattr(os, "rename", rename)
    join_homes(report, str(music), [str(music)])
    (run,) = runs_of(report)
    assert os.listdir(run.tracks)
    assert [home.path for home in homes()] == [report]
