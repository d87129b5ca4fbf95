"""Linear classifiers of what a backbone puts out, trained in seconds."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from genrebeam.model.backbones.backbone import backbone_of
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.head import Head

_MOST_ITERATIONS = 100


def fit_head(
    inputs: np.ndarray,
    targets: np.ndarray,
    spec: FeatureSpec,
    *,
    strength: float = 3.0,
    weights: np.ndarray | None = None,
    prior: np.ndarray | None = None,
) -> Head:
    """Fit a multinomial logistic regression on embeddings.

    Parameters
    ----------
    inputs : np.ndarray
        ``(n_tracks, n_inputs) float32``, see `genrebeam.model.head.inputs_of`.
    targets : np.ndarray
        ``(n_tracks, n_classes)``: the share of each class in a track, 1 together.
    strength : float
        Inverse of the penalty on the weights.
    weights : np.ndarray, optional
        ``(n_tracks,)``: how much each track counts.
    prior : np.ndarray, optional
        ``(n_tracks, n_classes)``: logits to begin with, which the head does not contain.

    Returns
    -------
    Head
        To one level of classes.
    """
    embeddings = backbone_of(spec).projection.split(inputs)[1]
    centre = embeddings.mean(axis=0, dtype=np.float64)
    scale = 1 / np.sqrt(((embeddings - centre) ** 2).sum(axis=1).mean() + 1e-9)
    fitted, bias = fit_softmax((embeddings - centre) * scale, targets, 1 / strength, weights, prior)
    kernel = np.zeros((inputs.shape[1], targets.shape[1]))
    kernel[-len(fitted) :] = fitted * scale
    bias = bias - centre @ kernel[-len(fitted) :]
    return Head(kernel.astype(np.float32), bias.astype(np.float32))


def fit_softmax(
    inputs: np.ndarray,
    targets: np.ndarray,
    penalty: float,
    weights: np.ndarray | None = None,
    prior: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression, whose bias is not penalised.

    Parameters
    ----------
    inputs : np.ndarray
        ``(n_tracks, n_inputs)``.
    targets, weights, prior
        See `fit_head`.
    penalty : float
        On half of the kernel's squares.

    Returns
    -------
    kernel : np.ndarray
        ``(n_inputs, n_classes) float64``.
    bias : np.ndarray
        ``(n_classes,) float64``.
    """
    from scipy.optimize import minimize

    n_inputs, n_classes = inputs.shape[1], targets.shape[1]
    inputs = inputs.astype(np.float32)
    mass = (targets if weights is None else targets * weights[:, None]).astype(np.float32)
    start = np.float32(0) if prior is None else prior.astype(np.float32)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        values = values.astype(np.float32)
        kernel = values[n_classes:].reshape(n_inputs, n_classes)
        logs = log_softmax(inputs @ kernel + values[:n_classes] + start, axis=1)
        change = np.exp(logs) * mass.sum(axis=1, keepdims=True) - mass
        slopes = inputs.T @ change + penalty * kernel
        found = -float((mass * logs).sum()) + penalty / 2 * float((kernel**2).sum())
        return found, np.concatenate([change.sum(axis=0), slopes.ravel()]).astype(np.float64)

    first = np.zeros(n_classes * (1 + n_inputs))
    options = {"maxiter": _MOST_ITERATIONS}
    values = minimize(loss, first, jac=True, method="L-BFGS-B", options=options).x
    return values[n_classes:].reshape(n_inputs, n_classes), values[:n_classes]
