"""Honest confidences: one temperature for all logits.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (2017), here
fitted to the confidence of whole tracks, because that is what is written and refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax


def fit_temperature(track_logits: Sequence[np.ndarray], targets: np.ndarray) -> float:
    """Temperature under which the mean vote is most likely right.

    Parameters
    ----------
    track_logits : sequence of np.ndarray
        One ``(n_segments, n_classes) float32`` per track.
    targets : np.ndarray
        ``(n_tracks,) int64``.

    Returns
    -------
    float
        Between 0.05 and 10.
    """

    def surprise(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        likelihoods = [
            softmax(logits / temperature, axis=1).mean(axis=0)[target]
            for logits, target in zip(track_logits, targets, strict=True)
        ]
        return -float(np.log(np.maximum(likelihoods, 1e-12)).mean())

    found = minimize_scalar(surprise, bounds=(np.log(0.05), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))


def expected_calibration_error(
    confidences: np.ndarray, correct: np.ndarray, *, n_bins: int = 10
) -> float:
    """Mean gap between confidence and accuracy over equal bins, weighted by their size.

    Parameters
    ----------
    confidences : np.ndarray
        ``(n,) float`` in 0..1.
    correct : np.ndarray
        ``(n,) bool``.
    n_bins : int

    Returns
    -------
    float
    """
    bins = np.minimum((np.asarray(confidences) * n_bins).astype(int), n_bins - 1)
    gaps = [
        (bins == b).sum() * abs(confidences[bins == b].mean() - correct[bins == b].mean())
        for b in np.unique(bins)
    ]
    return float(sum(gaps) / len(bins))
