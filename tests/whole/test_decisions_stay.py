"""Decisions stay: work on speed changes no genre of the default model."""

import json

from genrebeam.model.bundle import load_bundle
from tools.note_decisions import NOTED, probabilities, tracks_in


def test_probabilities_of_real_music_are_those_that_were_noted(shared_data):
    noted = json.loads(NOTED.read_text(encoding="utf-8"))
    assert noted["model"] == load_bundle().version, "the model is another: tools/note_decisions.py"
    found = probabilities(tracks_in(shared_data))
    assert found.keys() == noted["tracks"].keys()
    for name, before in noted["tracks"].items():
        now = found[name]
        moved = {g: abs(now.get(g, 0) - before.get(g, 0)) for g in now.keys() | before.keys()}
        assert max(moved.values(), default=0) <= 0.01, (name, before, now)
