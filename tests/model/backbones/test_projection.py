"""Projection: what is kept of a backbone's outputs for a track."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from genrebeam.model.backbones.backbone import BACKBONES
from genrebeam.model.backbones.projection import Projection, halved, load_projection, product


@pytest.fixture
def projection() -> Projection:
    """Of four outputs; the second is kept, the last two are summed."""
    matrix = np.array([[0], [0], [1], [1]], np.float32)
    return Projection(np.array([1]), np.array([0, 0, 1, 2], np.float32), matrix)


def test_a_track_is_the_mean_of_its_segments(projection):
    outputs = np.array([[9, 1, 2, 4], [9, 3, 4, 6]], np.float32)
    found = projection.inputs_of(outputs)
    assert found.tolist() == [2, (3 - 1) + (5 - 2)]
    assert projection.inputs_of(outputs[:, None]).tolist() == [[1, 3], [3, 7]]
    kept, embedding = projection.split(found)
    assert (kept.tolist(), embedding.tolist()) == ([2], [5])


def test_inputs_are_rounded_as_reports_store_them(projection):
    (logit, embedding) = projection.inputs_of(np.full((1, 4), 1 / 3, np.float32))
    assert logit == round(16 / 3) / 16
    assert embedding == pytest.approx(2 / 3 - 3, abs=1 / 500)
    assert embedding == halved(embedding)


def test_it_is_saved_and_loaded(projection, tmp_path):
    projection.save(tmp_path / "p.npz")
    loaded = load_projection(tmp_path / "p.npz")
    np.testing.assert_array_equal(loaded.matrix, projection.matrix)
    loaded.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "p.npz").read_bytes()


def test_that_of_mn04_keeps_kinds_of_music_and_fits_its_outputs():
    backbone = BACKBONES["mn04"]
    found, labels = backbone.projection, backbone.read_labels()
    assert found.matrix.shape == (sum(backbone.outputs.values()), 256)
    kept = {labels[place] for place in found.classes}
    assert {"Music", "Jazz", "Singing", "Sad music", "Guitar"} <= kept
    assert not {"Speech", "Dog"} & kept


@pytest.mark.parametrize("n_rows", [0, 1, 65])
def test_a_product_is_computed_in_one_thread_and_leaves_the_number_of_threads(n_rows):
    chance = np.random.default_rng(0)
    rows = chance.normal(size=(n_rows, 3000)).astype(np.float32)
    matrix = _Watched(chance.normal(size=(3000, 70)).astype(np.float32))
    before = _threads()
    found = product(rows, matrix)
    np.testing.assert_allclose(found, rows @ matrix.values, atol=1e-3)
    assert matrix.threads == {1}
    assert _threads() == before


class _Watched:
    """A matrix that notes the threads of BLAS while it is multiplied."""

    __array_ufunc__ = None

    def __init__(self, values):
        self.values, self.threads = values, set()

    def __rmatmul__(self, rows):
        self.threads |= _threads()
        return rows @ self.values


def _threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
