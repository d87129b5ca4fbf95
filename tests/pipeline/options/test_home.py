"""Home: the report folder of a library, where nobody names one."""

import json
import os
from pathlib import Path

import pytest

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.home import homes, is_home, make_home, report_here, report_of


@pytest.fixture
def music(tmp_path, monkeypatch) -> Path:
    """A library, and a working directory that is none."""
    (tmp_path / "music" / "album").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "music"


def made(library: Path, *runs: str) -> str:
    """The home of a library, with runs."""
    report = report_of(str(library))
    make_home(report, str(library))
    for run in runs:
        os.makedirs(os.path.join(report, "runs", run))
    return report


def test_each_library_has_a_home_in_the_users_state_folder(music, no_reports):
    report = made(music)
    assert os.path.dirname(report) == str(no_reports)
    assert os.path.basename(report).startswith("music-")
    assert is_home(report)
    assert report_of(str(music.parent / "elsewhere")) != report
    assert [(home.path, home.library) for home in homes()] == [(report, str(music))]


def test_others_cannot_look_into_a_home(music):
    report = made(music)
    assert os.stat(report).st_mode & 0o777 == 0o700
    assert os.stat(os.path.dirname(report)).st_mode & 0o777 == 0o700


def test_an_album_and_a_file_have_the_home_of_the_library_around_them(music):
    assert report_of(str(music / "album")) != report_of(str(music))
    report = made(music)
    (music / "album" / "a.mp3").touch()
    assert report_of(str(music / "album")) == report
    assert report_of(str(music / "album" / "a.mp3")) == report


def test_a_file_alone_has_the_home_of_its_folder(music):
    (music / "a.mp3").touch()
    report = report_of(str(music / "a.mp3"))
    make_home(report, str(music / "a.mp3"))
    assert report == report_of(str(music))
    assert homes()[0].library == str(music)


def test_a_link_to_a_library_leads_to_the_same_home(music):
    (music.parent / "link").symlink_to(music)
    assert report_of(str(music.parent / "link")) == report_of(str(music))


def test_names_that_are_no_text_have_a_home(music):
    odd = Path(os.fsdecode(os.fsencode(music) + b"/caf\xe9 / ..")).parent
    odd.mkdir()
    report = made(odd)
    assert homes()[0].library == str(odd)
    assert os.path.basename(report).isprintable()


def test_a_command_reads_the_home_of_the_library_that_it_is_started_in(music, monkeypatch):
    report = made(music, "20261101T1")
    made(music.parent / "elsewhere", "20261102T1")
    monkeypatch.chdir(music / "album")
    assert report_here() == (report, "")


def test_elsewhere_it_reads_the_home_that_was_used_last_and_says_so(music, tmp_path, monkeypatch):
    made(music, "20261101T1", "20261103T1")
    made(tmp_path / "elsewhere", "20261102T1")
    monkeypatch.chdir(tmp_path)
    assert report_here() == (report_of(str(music)), f"reports on {music}")


def test_of_several_libraries_around_it_the_one_used_last_counts(music, monkeypatch):
    album = made(music / "album", "20261101T1")
    whole = made(music, "20261102T1")
    monkeypatch.chdir(music / "album")
    assert report_here() == (whole, f"reports on {music}")
    os.makedirs(os.path.join(album, "runs", "20261103T1"))
    assert report_here() == (album, f"reports on {music / 'album'}")


def test_a_file_and_a_run_lead_to_their_homes_from_anywhere(music, tmp_path):
    report = made(music, "20261101T1")
    made(tmp_path / "elsewhere", "20261102T1")
    assert report_here(near=str(music / "album" / "a.mp3"))[0] == report
    assert report_here(run="20261101T1")[0] == report
    assert report_here(run="../../elsewhere")[0] != report


def test_a_bucket_has_no_home(music):
    with pytest.raises(UsageError, match="--report"):
        report_of("gs://music/all")


def test_without_reports_a_command_says_what_makes_them(music):
    with pytest.raises(UsageError, match="genrebeam tag"):
        report_here()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"library": 1}',
        '{"library": "/m", "version": 2}',
        '{"library": "/m", "more": 1}',
    ],
)
def test_what_is_no_home_is_left_out(music, no_reports, content):
    (no_reports / "odd").mkdir(parents=True)
    (no_reports / "odd" / "library.json").write_text(content)
    assert homes() == []


def test_a_pipe_for_a_home_makes_nobody_wait(music, no_reports):
    (no_reports / "odd").mkdir(parents=True)
    os.mkfifo(no_reports / "odd" / "library.json")
    assert homes() == []


def test_a_home_says_once_which_library_it_is(music):
    report = made(music)
    make_home(report, str(music / "album"))
    assert json.loads(Path(report, "library.json").read_text())["library"] == str(music)


def test_a_folder_that_the_user_names_is_left_to_him(music, tmp_path):
    make_home(str(tmp_path / "mine"), str(music))
    assert not (tmp_path / "mine").exists()
