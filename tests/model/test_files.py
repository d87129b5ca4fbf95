"""Files: whole or not at all, and never through a name that others have laid."""

import os
from pathlib import Path

import pytest

from genrebeam.model import files


@pytest.fixture
def precious(tmp_path) -> Path:
    """A file elsewhere, which no link may reach."""
    path = tmp_path / "elsewhere" / ".bashrc"
    path.parent.mkdir()
    path.write_text("precious")
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def write(path: Path, content: bytes = b"new", **options) -> None:
    with files.writing(path, **options) as stream:
        stream.write(content)


def test_a_file_is_there_at_the_end_and_nothing_beside_it(folder):
    with files.writing(folder / "page.html") as stream:
        stream.write(b"new")
        assert not (folder / "page.html").exists()
    assert (folder / "page.html").read_bytes() == b"new"
    assert os.listdir(folder) == ["page.html"]


def test_what_is_not_finished_leaves_the_old_file_and_no_other(folder):
    (folder / "page.html").write_text("old")
    with pytest.raises(TypeError), files.writing(folder / "page.html") as stream:
        stream.write("no bytes")
    assert (folder / "page.html").read_text() == "old"
    assert os.listdir(folder) == ["page.html"]


@pytest.mark.parametrize("lay", [os.symlink, os.link])
def test_a_link_with_the_name_is_replaced_and_not_followed(folder, precious, lay):
    lay(precious, folder / "run.json")
    write(folder / "run.json")
    assert precious.read_text() == "precious"
    assert (folder / "run.json").read_bytes() == b"new"
    assert not (folder / "run.json").is_symlink()


def test_no_temporary_name_can_be_foreseen(folder, precious):
    for name in ("run.json.new", ".run.json", "run.json.tmp", "run.json~"):
        (folder / name).symlink_to(precious)
    before = set(os.listdir(folder))
    with files.writing(folder / "run.json") as stream:
        stream.write(b"new")
        (made,) = set(os.listdir(folder)) - before
        assert len(made) > 16
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_a_folder_with_the_name_is_an_error_at_once(folder, make):
    make(folder / "run.json")
    with pytest.raises(OSError, match="a link, a pipe or a folder has this name"):
        write(folder / "run.json")
    with pytest.raises(OSError, match=r"a folder|Is a directory"):
        files.open_own(str(folder / "run.json"), os.O_RDWR | os.O_CREAT)
    assert os.listdir(folder) == ["run.json"]


def test_a_file_of_ours_is_not_opened_through_a_link(folder, precious):
    (folder / "lock").symlink_to(precious)
    with pytest.raises(OSError, match="a link"):
        files.open_own(str(folder / "lock"), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    assert precious.read_text() == "precious"


def test_below_a_folder_no_folder_may_be_a_link(folder, precious):
    (folder / "runs").mkdir()
    (folder / "runs" / "1").symlink_to(precious.parent)
    path = folder / "runs" / "1" / precious.name
    with pytest.raises(NotADirectoryError):
        write(path, below=str(folder))
    with pytest.raises(NotADirectoryError):
        files.open_own(str(path), os.O_RDWR, below=str(folder))
    assert precious.read_text() == "precious"


def test_the_way_to_a_folder_may_have_links(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    (folder / "runs").mkdir()
    home = str(tmp_path / "link")
    write(Path(home, "runs", "run.json"), below=home, workplace=home)
    assert (folder / "runs" / "run.json").read_bytes() == b"new"
    assert os.listdir(folder) == ["runs"]


def test_a_file_in_the_current_folder_needs_no_folder_in_its_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    write(Path("page.html"))
    assert (folder / "page.html").read_bytes() == b"new"


def test_a_link_leads_elsewhere_at_once(folder):
    files.link(str(folder / "latest"), "runs/1", below=str(folder))
    files.link(str(folder / "latest"), "runs/2", below=str(folder))
    assert os.readlink(folder / "latest") == "runs/2"
    assert os.listdir(folder) == ["latest"]


def test_a_file_in_the_way_of_a_link_stays(folder):
    (folder / "latest").write_text("mine")
    with pytest.raises(FileExistsError):
        files.link(str(folder / "latest"), "runs/1")
    assert (folder / "latest").read_text() == "mine"
    assert os.listdir(folder) == ["latest"]


def test_what_is_removed_is_a_file_or_an_empty_folder_and_never_behind_a_link(folder, precious):
    (folder / "link").symlink_to(precious.parent)
    with pytest.raises(OSError, match="Not a directory"):
        files.remove(str(folder / "link" / ".bashrc"), below=str(folder))
    files.remove(str(folder / "link"), below=str(folder))
    (folder / "inner").mkdir()
    (folder / "inner" / "a").touch()
    with pytest.raises(OSError, match="not empty"):
        files.remove(str(folder / "inner"), below=str(folder))
    assert precious.read_text() == "precious"
    assert os.listdir(folder) == ["inner"]
