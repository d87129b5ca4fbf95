"""What a system lacks is said in one line, before any work."""

import multiprocessing
import sys

import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.options.system import check_system


def test_this_system_lacks_nothing():
    check_system()


@pytest.mark.parametrize("module", ["fcntl", "resource"])
def test_a_module_that_is_missing_is_named(tmp_path, monkeypatch, capsys, module):
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["tag", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"genrebeam: this system's Python lacks {module} (")
    assert line.endswith("; on Windows, run GenreBeam in WSL")


def test_a_way_to_start_processes_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert main(["tag", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "lacks forkserver (" in line


def test_help_needs_nothing_of_the_system(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(SystemExit) as ended:
        main(["tag", "--help"])
    assert ended.value.code == 0


def test_a_current_folder_that_is_gone_is_said(tmp_path, monkeypatch, capsys):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    assert main(["tag", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "genrebeam: the current folder is gone; change to another one\n"
    )
