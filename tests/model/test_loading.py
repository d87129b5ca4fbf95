"""Loading: what libraries write while they load is not seen, unless somebody wants the details."""

import logging
import os

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
