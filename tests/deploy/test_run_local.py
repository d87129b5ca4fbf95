"""run_local.sh: sets up once, says what is missing, passes everything on."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests import REPOSITORY


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout without .venv, at a path with a space and an umlaut."""
    folder = tmp_path / "müsic tools"
    (folder / "requirements").mkdir(parents=True)
    shutil.copy(REPOSITORY / "run_local.sh", folder)
    for name in ("base", "pages", "test"):
        (folder / "requirements" / f"{name}.lock").write_text(f"# {name}\n")
    return folder


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def run(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(checkout / "run_local.sh"), *arguments],
        capture_output=True,
        text=True,
        cwd=checkout.parent,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout), **environment},
    )


def only(tmp_path: Path, **programs: str) -> str:
    """A PATH with the basic tools and these programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in programs.items():
        script(folder / name.replace("_", "."), body)
    for tool in ("bash", "sh", "dirname", "cmp", "cat", "mkdir", "rm", "env"):
        (folder / tool).symlink_to(shutil.which(tool))
    return str(folder)


def test_too_old_a_python_is_said_to_be(checkout, tmp_path):
    body = 'if [ "$1" = --version ]; then echo Python 3.8.1; else exit 1; fi'
    result = run(checkout, "tag", "x", PATH=only(tmp_path, python3=body))
    assert result.returncode == 2
    expected = "run_local.sh: Python 3.11, 3.12 or 3.13 is needed, found Python 3.8.1; "
    assert result.stderr == f"{expected}set PYTHON to one\n"


def test_no_python_at_all_is_said(checkout, tmp_path):
    result = run(checkout, "tag", "x", PATH=only(tmp_path))
    assert result.returncode == 2
    assert "found no python3" in result.stderr


def test_a_python_without_venv_is_said_to_lack_it(checkout, tmp_path):
    body = 'case "$2" in *ensurepip*) exit 1;; esac'
    result = run(checkout, "tag", "x", PATH=only(tmp_path, python3_11=body))
    assert result.returncode == 2
    assert "this Python has no venv" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def installed(checkout: Path, *locks: str) -> Path:
    """Pretend that .venv is set up."""
    binaries = checkout / ".venv" / "bin"
    script(binaries / "genrebeam", 'echo "genrebeam in $PWD:"; printf "<%s>" "$@"; exit 3')
    script(binaries / "python", 'echo "python in $PWD:" "$@"')
    for lock in locks:
        content = (checkout / "requirements" / f"{lock}.lock").read_text()
        (checkout / ".venv" / f".installed-{lock}").write_text(f"{checkout}\n{content}")
    return binaries


@pytest.mark.parametrize("lock", ["base", "test"])
def test_passes_arguments_working_folder_and_exit_code_on(checkout, lock):
    installed(checkout, lock)
    result = run(checkout, "tag", "my music", "--top-k", "2", "ü *")
    assert result.stdout == f"genrebeam in {checkout.parent}:\n<tag><my music><--top-k><2><ü *>"
    assert (result.stderr, result.returncode) == ("", 3)


def test_a_changed_lock_is_installed_again(checkout):
    installed(checkout, "base")
    (checkout / "requirements" / "base.lock").write_text("# newer\n")
    result = run(checkout, "tag", "x")
    assert "Bringing" in result.stderr
    assert "pip install" in result.stderr
    assert run(checkout, "tag", "x").stderr == ""


def test_a_checkout_that_was_moved_is_installed_again(checkout):
    installed(checkout, "base")
    moved = checkout.rename(checkout.with_name("moved"))
    assert "Bringing" in run(moved, "tag", "x").stderr
    assert run(moved, "tag", "x").stderr == ""


def test_a_set_up_that_was_cut_off_is_made_anew(checkout, tmp_path):
    script(checkout / ".venv" / "bin" / "python", "exit 1")
    body = """if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi
if [ "$3" = install ]; then cp "$0" "${0%python}genrebeam"; fi"""
    result = run(checkout, "tag", "x", PYTHON=str(script(tmp_path / "python", body)))
    assert "Setting up" in result.stderr
    assert result.returncode == 0
    assert not (checkout / ".venv.guard").exists()


def test_a_guard_whose_owner_died_does_not_stop_anyone(checkout):
    installed(checkout)
    (checkout / ".venv.guard").mkdir()
    (checkout / ".venv.guard" / "owner").write_text("999999999")
    assert "Bringing" in run(checkout, "tag", "x").stderr


def test_called_through_a_link_it_uses_its_own_checkout(checkout, tmp_path):
    installed(checkout, "base")
    (tmp_path / "link").symlink_to("müsic tools/run_local.sh")
    result = subprocess.run(
        [str(tmp_path / "link"), "x"], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.stdout == f"genrebeam in {tmp_path}:\n<x>"


def test_a_search_path_for_cd_does_not_confuse_it(checkout):
    installed(checkout, "base")
    assert run(checkout, "x", CDPATH=f".:{checkout.parent}").returncode == 3


def test_further_arguments_of_test_go_to_pytest(checkout):
    installed(checkout, "test")
    result = run(checkout, "test", "-k", "tags or walk")
    started = result.stdout.splitlines()[-1]
    assert started.startswith(f"python in {checkout}: -m pytest --numprocesses=auto ")
    assert started.endswith(" -k tags or walk")


def test_no_arguments_explain_without_setting_anything_up(checkout):
    result = run(checkout)
    assert result.returncode == 2
    assert "run_local.sh tag LIBRARY     tag a folder of music" in result.stderr
    assert result.stdout == ""
    assert not (checkout / ".venv").exists()


def test_a_command_that_needs_an_extra_gets_it_and_runs(checkout):
    """The command hands itself back, with the extra's name; afterwards it runs as it was."""
    binaries = installed(checkout, "base")
    script(
        binaries / "genrebeam",
        f'if [ -e "{checkout}/.venv/.installed-pages" ]; then printf "<%s>" "$@"; exit 3; fi\n'
        'exec "$_GENREBEAM_SCRIPT" with pages "$@"',
    )
    result = run(checkout, "map", "--out", "a b.html")
    assert 'This command needs more libraries: adding "pages".' in result.stderr
    assert "pages.lock" in result.stderr
    assert result.stdout == "<map><--out><a b.html>"
    assert result.returncode == 3


def test_an_extra_that_is_there_and_not_found_is_not_tried_in_a_circle(checkout):
    binaries = installed(checkout, "base", "pages")
    script(
        binaries / "genrebeam",
        'if [ -z "$_GENREBEAM_SCRIPT" ]; then echo missing >&2; exit 2; fi\n'
        'exec "$_GENREBEAM_SCRIPT" with pages "$@"',
    )
    result = run(checkout, "map")
    assert result.stderr.endswith("missing\n")
    assert result.returncode == 2
