"""docs/genrebeam.1 is what the parsers say."""

import shutil
import subprocess

import pytest

from tests import REPOSITORY
from tools.man import manual

PAGE = REPOSITORY / "docs" / "genrebeam.1"


def test_the_manual_is_up_to_date():
    message = "run: python -m tools.man > docs/genrebeam.1"
    assert PAGE.read_text(encoding="utf-8") == manual(), f"docs/genrebeam.1 is stale; {message}"


def test_every_command_and_option_is_in_it():
    text = manual().replace("\\-", "-")
    for word in ("genrebeam tag", "genrebeam undo", "-n, --dry-run", "--report DIR"):
        assert word in text


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff here")
def test_groff_has_no_complaint():
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", str(PAGE)], capture_output=True, text=True
    )
    assert done.stderr == ""
