"""Calibration: temperature scaling of logits, and the calibration error that is left.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (2017), here fitted to
whole tracks, because tracks are what is written or refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genrebeam.model.genres import places_of

_N_BINS = 10


def fit_temperature(
    track_logits: Sequence[np.ndarray], targets: np.ndarray, overall: np.ndarray | None = None
) -> float:
    """Temperature with which the mean vote gives the true classes the highest likelihood.

    Parameters
    ----------
    track_logits : sequence of np.ndarray
        One ``(n_segments, n_classes) float32`` per track.
    targets : np.ndarray
        ``(n_tracks,) int64``.
    overall : np.ndarray, optional
        ``(n_tracks, n_classes) float32``: logits of each track as a whole, used instead of
        `track_logits`.

    Returns
    -------
    float
        Between 0.05 and 10.
    """
    from scipy.optimize import minimize_scalar  # late: only training needs it

    if overall is not None:
        track_logits = [logits[None] for logits in overall]

    def nll(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        likelihoods = [
            softmax(logits / temperature).mean(axis=0)[target]
            for logits, target in zip(track_logits, targets, strict=True)
        ]
        return -float(np.log(np.maximum(likelihoods, 1e-12)).mean())

    found = minimize_scalar(nll, bounds=(np.log(0.05), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))


def probabilities_of(
    logits: np.ndarray,
    temperature: float,
    families: Sequence[str] = (),
    style_temperature: float = 1.0,
) -> np.ndarray:
    """Calibrated probabilities of genres.

    Parameters
    ----------
    logits : np.ndarray
        ``(n, n_genres) float32``.
    temperature : float
        For all genres, or for the families where there are any.
    families : sequence of str
        The family of each genre; empty where genres have none.
    style_temperature : float
        For the genres within a family.

    Returns
    -------
    np.ndarray
        ``(n, n_genres) float32``.

    Notes
    -----
    A family's logit is the log-sum-exp of its genres' logits, taken before they are divided by a
    temperature: many genres that are a little likely make a likely family, and a temperature
    below 1 would undo that.

    Examples
    --------
    >>> logits = np.log([[0.3, 0.3, 0.4]])
    >>> probabilities_of(logits, 0.5, ["Rock", "Rock", "Jazz"]).round(2).tolist()
    [[0.35, 0.35, 0.31]]
    """
    if not families:
        return softmax(logits / temperature)
    family_of = places_of(families)
    sums = log_sums(logits, family_of)
    by_family = softmax(sums / temperature)[:, family_of]
    styles = logits / style_temperature
    within = np.exp(styles - log_sums(styles, family_of)[:, family_of])
    return (by_family * within).astype(logits.dtype)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities by logits, over the last axis.

    scipy has it too, but to import ``scipy.special`` takes a tenth of the start of a run.
    """
    likely = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return likely / likely.sum(axis=-1, keepdims=True)


def log_sums(logits: np.ndarray, group_of: np.ndarray) -> np.ndarray:
    """The log-sum-exp of each group of classes.

    Parameters
    ----------
    logits : np.ndarray
        ``(n, n_classes)``.
    group_of : np.ndarray
        ``(n_classes,) int64``: the group of each class; every group has one.

    Returns
    -------
    np.ndarray
        ``(n, n_groups) float64``.
    """
    n_groups = int(group_of.max()) + 1
    largest = np.full((len(logits), n_groups), -np.inf)
    np.maximum.at(largest.T, group_of, logits.T)
    sums = np.zeros((len(logits), n_groups))
    np.add.at(sums.T, group_of, np.exp(logits - largest[:, group_of]).T)
    return np.log(sums) + largest


def bins_of(confidences: np.ndarray) -> np.ndarray:
    """Tenth of 0..1 that each confidence falls into.

    Parameters
    ----------
    confidences : np.ndarray
        ``(n,) float`` in 0..1.

    Returns
    -------
    np.ndarray
        ``(n,) int64``, 0 to 9.

    Examples
    --------
    >>> bins_of(np.array([0.0, 0.34, 1.0])).tolist()
    [0, 3, 9]
    """
    return np.minimum((np.asarray(confidences) * _N_BINS).astype(np.int64), _N_BINS - 1)


def expected_calibration_error(
    confidences: np.ndarray,
    correct: np.ndarray,
    *,
    weights: np.ndarray | None = None,
) -> float:
    """Mean gap between confidence and accuracy over ten equal bins, weighted by their size.

    Parameters
    ----------
    confidences : np.ndarray
        ``(n,) float`` in 0..1.
    correct : np.ndarray
        ``(n,) bool``.
    weights : np.ndarray, optional
        ``(n,)``; how often each one counts.
    """
    weights = np.ones(len(confidences)) if weights is None else weights
    gaps = weights * (np.asarray(confidences) - correct)
    return float(np.abs(np.bincount(bins_of(confidences), gaps)).sum() / weights.sum())


def reliability_curve(confidences: np.ndarray, correct: np.ndarray) -> list[dict[str, Any]]:
    """How often a confidence is right, over ten equal bins.

    Parameters
    ----------
    confidences : np.ndarray
        ``(n,) float`` in 0..1.
    correct : np.ndarray
        ``(n,) bool``.

    Returns
    -------
    list of dict
        One per bin: its edges ``low`` and ``high``, ``count``, mean ``confidence`` and
        ``accuracy``, both None where the bin is empty.
    """
    bins = bins_of(confidences)
    rows = []
    for number in range(_N_BINS):
        inside = bins == number
        count = int(inside.sum())
        rows.append(
            {
                "low": number / _N_BINS,
                "high": (number + 1) / _N_BINS,
                "count": count,
                "confidence": round(float(confidences[inside].mean()), 4) if count else None,
                "accuracy": round(float(correct[inside].mean()), 4) if count else None,
            }
        )
    return rows
