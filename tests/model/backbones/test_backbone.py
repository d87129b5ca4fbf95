"""Backbones: opened twice over, named by version, and never mixed up."""

import dataclasses

import numpy as np
import pytest

from genrebeam.model.backbones import backbone as module
from genrebeam.model.backbones.backbone import BACKBONES, BackboneError, backbone_of
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES

MN04 = BACKBONES["mn04"]


def test_outputs_have_their_places_one_after_the_other():
    ends = [(place.start, place.stop) for place in MN04.places.values()]
    assert ends == [(0, 527), (527, 2223), (2223, 4527)]
    assert BACKBONE_FEATURES.n_outputs == BACKBONE_FEATURES.outputs.n_rows == 4527


def test_features_name_the_backbone_that_they_are_for():
    assert backbone_of(BACKBONE_FEATURES) is MN04
    assert BACKBONE_FEATURES.outputs.windows == BACKBONE_FEATURES


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"backbone_version": "0" * 12}, "the model needs 000000000000"), ({"backbone": "m"}, "'m'")],
)
def test_other_weights_than_a_model_was_made_with_are_refused(changed, reason):
    with pytest.raises(BackboneError, match=reason):
        backbone_of(dataclasses.replace(BACKBONE_FEATURES, **changed))


def test_outputs_of_a_window_depend_on_no_other_and_on_no_thread():
    windows = np.random.default_rng(0).normal(size=(5, 128, 200)).astype(np.float16)
    together = MN04.open(threads=3)(windows)
    run = MN04.open(threads=1)
    alone = np.concatenate([run(window[None]) for window in windows])
    np.testing.assert_array_equal(together, alone)


def test_a_graph_that_is_damaged_is_named(monkeypatch, tmp_path):
    (tmp_path / "mn04.npz").write_bytes(MN04.weights.read_bytes())
    (tmp_path / "mn04.onnx").write_bytes(b"no graph")
    monkeypatch.setattr(module, "WEIGHTS", tmp_path)
    with pytest.raises(BackboneError, match=r"mn04\.onnx: cannot be opened"):
        MN04.open(threads=1)
