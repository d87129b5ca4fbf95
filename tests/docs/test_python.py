"""Every example of docs/python.md runs, one after the other, as it is written there."""

import re

import pytest

from tests import REPOSITORY
from tests.conftest import tone, write_audio

EXAMPLES = re.findall(
    r"```python\n(.+?)```", (REPOSITORY / "docs/python.md").read_text(), re.DOTALL
)


def test_there_are_examples():
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs_as_it_is_written(code, tmp_path, monkeypatch, capfd):
    (tmp_path / "Music").mkdir()
    write_audio(tmp_path / "Music" / "song.flac", tone(8), 22050)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/python.md", "exec"), {"__name__": "example"})
    if "missing.mp3" in code:
        printed = capfd.readouterr().out
        assert "Music/song.flac" in printed
        assert "Music/missing.mp3 failed it was deleted or moved" in printed
