"""Plane: embeddings in two dimensions, those near each other that are near each other."""

from __future__ import annotations

import numpy as np

# Fewer have no neighbourhoods that t-SNE could keep.
_FEW = 10
_N_DIMENSIONS = 50
_NEIGHBOURS = 30


def on_a_plane(embeddings: np.ndarray) -> np.ndarray:
    """Put tracks on a plane.

    t-SNE (van der Maaten and Hinton, "Visualizing data using t-SNE", 2008) of the 50 principal
    components, started from the first two, so that the same embeddings give the same plane.
    Of fewer than ten tracks these two alone.

    Parameters
    ----------
    embeddings : np.ndarray
        ``(n_tracks, d) float32``.

    Returns
    -------
    np.ndarray
        ``(n_tracks, 2) float32``; all zero where the tracks are all in one place.
    """
    n_tracks = len(embeddings)
    if n_tracks < 2 or not np.ptp(embeddings, axis=0).any():
        return np.zeros((n_tracks, 2), np.float32)
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n_dimensions = min(_N_DIMENSIONS, n_tracks - 1, embeddings.shape[1])
    main = PCA(n_dimensions, random_state=0).fit_transform(embeddings)
    start = np.zeros((n_tracks, 2), np.float32)
    start[:, : main.shape[1]] = main[:, :2]
    if n_tracks < _FEW:
        return start
    plane = TSNE(
        perplexity=min(_NEIGHBOURS, (n_tracks - 1) / 3),
        init=start / start.std() * 1e-4,
        random_state=0,
    )
    return np.asarray(plane.fit_transform(main), np.float32)
