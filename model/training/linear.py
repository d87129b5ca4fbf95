"""Linear classifiers of what the ears say, trained in seconds."""

from __future__ import annotations

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.pretrained.ears import outputs_of

# Inputs that hardly vary among the training tracks are not blown up to the size of the others.
_LEAST_SPREAD = 0.1


def fit_linear(
    inputs: np.ndarray,
    targets: np.ndarray,
    spec: FeatureSpec,
    *,
    strength: float = 3.0,
    balanced: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression on the ears' embeddings.

    Each ear's embedding is standard-scaled and counts as much as the other's. Scores are left out:
    they are computed from the embeddings, and adding them did not help.

    Parameters
    ----------
    inputs : np.ndarray
        ``(n_tracks, n_inputs) float32``, see `genrebeam.model.head.inputs_of`.
    targets : np.ndarray
        ``(n_tracks,)`` numbers from 0 up, each there at least once.
    spec : FeatureSpec
    strength : float
        Inverse of the penalty on the weights.
    balanced : bool
        Whether every class counts alike, however many tracks it has.

    Returns
    -------
    kernel : np.ndarray
        ``(n_inputs, n_classes) float32``.
    bias : np.ndarray
        ``(n_classes,) float32``.
    """
    from sklearn.linear_model import LogisticRegression

    centre, scale = np.zeros(inputs.shape[1]), np.zeros(inputs.shape[1])
    for of in outputs_of(spec):
        part = inputs[:, of.embedding].astype(np.float64)
        spread = part.std(axis=0)
        spread = spread + _LEAST_SPREAD * spread.mean() + 1e-9
        centre[of.embedding] = part.mean(axis=0)
        scale[of.embedding] = 1 / (spread * np.sqrt(part.shape[1]))
    used = np.flatnonzero(scale)
    model = LogisticRegression(
        C=strength, max_iter=3000, class_weight="balanced" if balanced else None
    )
    model.fit((inputs[:, used] - centre[used]) * scale[used], targets)
    weights, bias = model.coef_, model.intercept_
    if len(weights) == 1:  # of two classes it fits the second one's odds
        weights, bias = np.stack([-weights[0] / 2, weights[0] / 2]), np.array([-0.5, 0.5]) * bias
    kernel = np.zeros((inputs.shape[1], len(weights)), np.float32)
    kernel[used] = (weights * scale[used]).T
    bias = bias - centre[used] @ (weights * scale[used]).T
    return kernel, bias.astype(np.float32)
