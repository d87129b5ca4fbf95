"""Extras: what is missing is said before any work, with the name to install."""

import os
import subprocess
import sys
from importlib.metadata import metadata

import pytest

from genrebeam.model.extras import EXTRAS, MissingExtraError, is_installed, require
from tests import REPOSITORY
from tests.conftest import tone, write_audio


@pytest.fixture
def without_extras(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def test_extras_are_those_of_the_package():
    assert set(EXTRAS) <= set(metadata("genrebeam").get_all("Provides-Extra"))


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_that_is_there_is_enough(extra):
    assert is_installed(extra)
    require(extra, "this")


def test_a_missing_extra_is_named(without_extras):
    with pytest.raises(MissingExtraError, match=r"^the map needs an extra: .*genrebeam\[pages\]"):
        require("pages", "the map")


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["map"], "pages"),
        (["inspect", "song.mp3"], "pages"),
        (["watch", "."], "watch"),
        (["train", "music", "--out", "x"], "train"),
        (["evaluate", "gtzan", "--data", "music"], "train"),
        (["prepare", "music", "--dataset", "tags", "--out", "x"], "train"),
        (["tag", ".", "--bundle", "gtzan"], "train"),
    ],
)
def test_commands_say_what_they_lack_in_one_line(arguments, extra, tmp_path):
    (tmp_path / "song.mp3").touch()
    hidden = "import importlib.util, sys; importlib.util.find_spec = lambda name: None\n"
    program = f"{hidden}from genrebeam.pipeline.cli import main; sys.exit(main({arguments!r}))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.endswith(f"needs an extra: pip install 'genrebeam[{extra}]'")


def test_tagging_needs_no_extra(tmp_path):
    """Not even in the processes that decode: every module that an extra brings fails to import."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for module in {module for modules in EXTRAS.values() for module in modules}:
        (stubs / f"{module}.py").write_text("raise ImportError('belongs to an extra')\n")
    (tmp_path / "music").mkdir()
    write_audio(tmp_path / "music" / "tone.wav", tone(7), 22050)
    for command in (["tag", "music"], ["report"]):
        result = subprocess.run(
            [sys.executable, "-m", "genrebeam", *command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{stubs}:{REPOSITORY}"},
        )
        assert (result.returncode, result.stderr) == (0, "")
