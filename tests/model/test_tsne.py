"""t-SNE: tracks near each other stay near each other, and the same tracks give the same plane."""

import numpy as np
import pytest

from genrebeam.model.tsne import embed_2d


def groups(n_each, d=16):
    """Embeddings around two points that are far from each other."""
    rng = np.random.default_rng(0)
    centres = np.repeat(10 * np.eye(2, d), n_each, axis=0)
    return (centres + rng.normal(0, 0.1, (2 * n_each, d))).astype(np.float32)


@pytest.mark.parametrize("n_each", [3, 30], ids=["components", "t-SNE"])
def test_two_groups_stay_apart(n_each):
    plane = embed_2d(groups(n_each))
    assert (plane.shape, plane.dtype) == ((2 * n_each, 2), np.float32)
    distances = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert ((distances.argmin(axis=1) >= n_each) == (np.arange(2 * n_each) >= n_each)).all()


def test_the_same_tracks_give_the_same_plane():
    np.testing.assert_array_equal(embed_2d(groups(10)), embed_2d(groups(10)))


@pytest.mark.parametrize("n_tracks", [0, 1, 20])
def test_tracks_that_are_all_alike_are_in_one_place(n_tracks):
    plane = embed_2d(np.ones((n_tracks, 8), np.float32))
    np.testing.assert_array_equal(plane, np.zeros((n_tracks, 2)))
