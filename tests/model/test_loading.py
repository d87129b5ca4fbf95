"""Loading: what libraries write is not seen unless it is wanted, and nothing is reported."""

import logging
import os
import subprocess
import sys

import pytest

from genrebeam.model.loading import say, silenced


@pytest.mark.parametrize(("level", "seen"), [(logging.WARNING, ""), (logging.INFO, "noise")])
def test_descriptor_2_is_silent_unless_details_are_wanted(capfd, monkeypatch, level, seen):
    monkeypatch.setattr(logging.getLogger(), "level", level)
    logging.getLogger().manager._clear_cache()
    with silenced():
        os.write(2, b"noise")
    assert capfd.readouterr().err == seen


def test_a_line_for_people_is_seen_all_the_same(capfd):
    with silenced():
        say("stopping")
    say("stopped")
    assert capfd.readouterr().err == "stopping\nstopped\n"


def test_descriptor_2_is_back_after_an_error(capfd):
    with pytest.raises(RuntimeError), silenced():
        raise RuntimeError
    os.write(2, b"back")
    assert capfd.readouterr().err == "back"


def test_onnx_runtime_has_no_telemetry(tmp_path):
    unset = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")
    variables = {name: value for name, value in os.environ.items() if name not in unset}
    code = """
from genrebeam.model.backbones.backbone import BACKBONES
import numpy
run = BACKBONES["mn04"].open(1)
run(numpy.zeros((1, *BACKBONES["mn04"].windows.shape), numpy.float32))
"""
    subprocess.run(
        [sys.executable, "-c", code], env={**variables, "HOME": str(tmp_path)}, check=True
    )
    assert list(tmp_path.iterdir()) == []  # it keeps a database there
