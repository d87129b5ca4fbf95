"""How good a model is, measured on whole tracks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from model.bundle import FeatureSpec
from model.calibration import expected_calibration_error
from model.datasets import Clips

if TYPE_CHECKING:
    import keras

# (n_segments, n_classes) probabilities to (class or None, its confidence).
Vote = Callable[[np.ndarray, str], tuple[int | None, float]]


def predict_logits(
    network: keras.Model, features: FeatureSpec, clips: Clips, n_segments: int | None = None
) -> list[np.ndarray]:
    """Logits of each clip's segments.

    Parameters
    ----------
    network : keras.Model
    features : FeatureSpec
    clips : Clips
    n_segments : int, optional
        Segments heard of each clip; by default all.

    Returns
    -------
    list of np.ndarray
        One ``(n_segments, n_classes) float32`` per clip.
    """
    segments = [
        np.stack(
            [
                log_mel[:, start : start + features.segment_frames]
                for start in features.segment_starts(log_mel.shape[1], n_segments)
            ]
        )
        for log_mel in clips.log_mel
    ]
    logits = network.predict(np.concatenate(segments).astype(np.float32), batch_size=256, verbose=0)
    return np.split(np.asarray(logits), np.cumsum([len(s) for s in segments])[:-1])


def evaluate_logits(
    track_logits: Sequence[np.ndarray],
    targets: np.ndarray,
    *,
    temperature: float,
    vote: Vote,
    n_resamples: int = 2000,
) -> dict[str, Any]:
    """Figures of a model on tracks whose genre is known.

    Parameters
    ----------
    track_logits : sequence of np.ndarray
        One ``(n_segments, n_classes) float32`` per track.
    targets : np.ndarray
        ``(n_tracks,) int64``.
    temperature : float
    vote : callable
        ``vote(probabilities, rule)`` returns the class (None: refused) and confidence.
    n_resamples : int
        Of the bootstrap over tracks.

    Returns
    -------
    dict
        ``track_accuracy``, ``track_accuracy_ci95``, ``majority_accuracy`` (a refused track
        is not right), ``majority_refused``, ``segment_accuracy``, ``ece``, ``n_tracks``,
        ``recall`` (per class) and ``confusion`` (rows: true class).
    """
    n_classes = track_logits[0].shape[1]
    probabilities = [softmax(logits / temperature, axis=1) for logits in track_logits]
    by_mean = [vote(p, "mean") for p in probabilities]
    by_majority = [vote(p, "majority")[0] for p in probabilities]
    guesses = np.array([guess for guess, _ in by_mean])
    correct = guesses == targets
    rng = np.random.default_rng(0)
    resampled = correct[rng.integers(0, len(correct), (n_resamples, len(correct)))].mean(axis=1)
    confusion = np.zeros((n_classes, n_classes), dtype=int)
    np.add.at(confusion, (targets, guesses), 1)
    segments_right = np.concatenate(
        [p.argmax(axis=1) == target for p, target in zip(probabilities, targets, strict=True)]
    )
    recall = confusion.diagonal() / np.maximum(1, confusion.sum(axis=1))
    return {
        "n_tracks": len(targets),
        "track_accuracy": _rounded(correct.mean()),
        "track_accuracy_ci95": [_rounded(q) for q in np.quantile(resampled, (0.025, 0.975))],
        "majority_accuracy": _rounded(
            np.mean([g == t for g, t in zip(by_majority, targets, strict=True)])
        ),
        "majority_refused": _rounded(np.mean([guess is None for guess in by_majority])),
        "segment_accuracy": _rounded(segments_right.mean()),
        "ece": _rounded(
            expected_calibration_error(np.array([confidence for _, confidence in by_mean]), correct)
        ),
        "recall": [_rounded(r) for r in recall],
        "confusion": confusion.tolist(),
    }


def _rounded(value: float) -> float:
    return round(float(value), 4)
