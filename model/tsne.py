"""t-SNE: embeddings in two dimensions, those near each other that are near each other."""

from __future__ import annotations

import numpy as np

# Fewer have no neighbourhoods that t-SNE could keep.
_FEW = 10
_N_DIMENSIONS = 50
_PERPLEXITY = 30


def embed_2d(embeddings: np.ndarray) -> np.ndarray:
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

    n_dimensions = min(_N_DIMENSIONS, n_tracks - 1, embeddings.shape[1])
    main = PCA(n_dimensions, random_state=0).fit_transform(embeddings)
    start = np.zeros((n_tracks, 2))
    start[:, : main.shape[1]] = main[:, :2]
    if n_tracks < _FEW:
        return np.asarray(start, np.float32)
    # scikit-learn's is much slower for 50,000 tracks (see benchmarks/README.md).
    from openTSNE import TSNE

    plane = TSNE(
        perplexity=min(_PERPLEXITY, (n_tracks - 1) / 3),
        initialization=start / start.std() * 1e-4,
        neighbors="exact",
        random_state=0,
        n_jobs=1,  # threads would add up in an order of their own
    )
    return np.asarray(plane.fit(main), np.float32)
