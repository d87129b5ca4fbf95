"""How good a model is, measured on whole tracks.

Figures are of tracks, as a library is made of tracks. Intervals are of the bootstrap over
tracks: segments of one track are too much alike to be drawn one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from model.calibration import expected_calibration_error, reliability_curve
from model.evaluation.hearing import Hearing

# (n_segments, n_classes) probabilities, a rule and the (n_classes,) probabilities of all segments
# together (None: their mean) to (class or None, its confidence).
Vote = Callable[[np.ndarray, str, np.ndarray | None], tuple[int | None, float]]


def track_probabilities(
    track_logits: Sequence[np.ndarray], temperature: float, overall: np.ndarray | None = None
) -> np.ndarray:
    """Calibrated probabilities of each track: the mean over its segments, unless given.

    Parameters
    ----------
    track_logits : sequence of np.ndarray
        One ``(n_segments, n_classes) float32`` per track.
    temperature : float
    overall : np.ndarray, optional
        See `Hearing.overall`.

    Returns
    -------
    np.ndarray
        ``(n_tracks, n_classes) float``.
    """
    if overall is not None:
        return softmax(overall / temperature, axis=1)
    return np.stack([softmax(logits / temperature, axis=1).mean(axis=0) for logits in track_logits])


def evaluate_logits(
    track_logits: Sequence[np.ndarray],
    targets: np.ndarray,
    *,
    temperature: float,
    vote: Vote,
    genres: Sequence[str] | None = None,
    overall: np.ndarray | None = None,
    n_resamples: int = 2000,
) -> dict[str, Any]:
    """Figures of a model on tracks whose genre is known.

    Classes may be without tracks: they count in no mean, and what cannot be said of them
    is None.

    Parameters
    ----------
    track_logits : sequence of np.ndarray
        One ``(n_segments, n_classes) float32`` per track.
    targets : np.ndarray
        ``(n_tracks,) int64``.
    temperature : float
    vote : callable
        ``vote(probabilities, rule, overall)`` returns the class (None: refused) and confidence.
    genres : sequence of str, optional
        Names of the classes; by default their numbers.
    overall : np.ndarray, optional
        See `Hearing.overall`.
    n_resamples : int
        Of the bootstrap over tracks.

    Returns
    -------
    dict
        What JSON can hold, shares in 0..1:

        - ``n_tracks``
        - ``track_accuracy``: of the mean vote
        - ``majority_accuracy`` (a refused track is not right), ``majority_refused``, and
          ``majority_accuracy_of_rest``: of the tracks not refused
        - ``segment_accuracy``
        - ``macro_f1``: mean F1 of the classes
        - ``roc_auc``: mean area under each class's curve, one class against the rest
        - ``nll``: mean negative log-likelihood of the true class, in nat
        - ``ece``: expected calibration error; its interval lies high, because fewer
          different tracks fill the bins less evenly
        - ``<figure>_ci95``: ``[low, high]`` of the accuracies, ``macro_f1`` and ``ece``
        - ``recall``: of every class, 0 for one without tracks
        - ``confusion``: tracks; rows are true classes
        - ``per_class``: ``genre``, ``support``, ``precision``, ``recall``, ``f1``,
          ``roc_auc``
        - ``reliability``: see `model.calibration.reliability_curve`

    Raises
    ------
    ValueError
        If there are no tracks.
    """
    if not len(track_logits):
        raise ValueError("there are no tracks to measure on")
    targets = np.asarray(targets)
    segments = [softmax(logits / temperature, axis=1) for logits in track_logits]
    probabilities = track_probabilities(track_logits, temperature, overall)
    n_classes = probabilities.shape[1]
    both = list(zip(segments, probabilities, strict=True))
    by_mean = [vote(p, "mean", whole) for p, whole in both]
    by_majority = [vote(p, "majority", whole)[0] for p, whole in both]
    guesses = np.array([guess for guess, _ in by_mean])
    confidences = np.array([confidence for _, confidence in by_mean])
    right = guesses == targets
    refused = np.array([guess is None for guess in by_majority])
    majority_right = np.array([g == t for g, t in zip(by_majority, targets, strict=True)])
    heard = np.array([len(p) for p in segments])
    heard_right = np.array(
        [(p.argmax(axis=1) == t).sum() for p, t in zip(segments, targets, strict=True)]
    )

    def figures(counts: np.ndarray) -> dict[str, float]:
        """Figures where track i counts ``counts[i]`` times."""
        return {
            "track_accuracy": np.average(right, weights=counts),
            "majority_accuracy": np.average(majority_right, weights=counts),
            "segment_accuracy": (counts @ heard_right) / (counts @ heard),
            "macro_f1": _macro_f1(targets, guesses, n_classes, counts),
            "ece": expected_calibration_error(confidences, right, weights=counts),
        }

    confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(confusion, (targets, guesses), 1)
    support = confusion.sum(axis=1)
    per_class = _per_class(confusion, targets, probabilities, genres)
    areas = [row["roc_auc"] for row in per_class if row["roc_auc"] is not None]
    likelihoods = probabilities[np.arange(len(targets)), targets]
    resampled = [figures(counts) for counts in _resamples(len(targets), n_resamples)]
    return {
        "n_tracks": len(targets),
        **{name: _rounded(value) for name, value in figures(np.ones(len(targets))).items()},
        **{f"{name}_ci95": _interval([r[name] for r in resampled]) for name in resampled[0]},
        "majority_refused": _rounded(refused.mean()),
        "majority_accuracy_of_rest": _share(majority_right.sum(), (~refused).sum()),
        "roc_auc": _rounded(np.mean(areas)) if areas else None,
        "nll": _rounded(-np.log(np.maximum(likelihoods, 1e-12)).mean()),
        "recall": [_rounded(r) for r in confusion.diagonal() / np.maximum(1, support)],
        "confusion": confusion.tolist(),
        "per_class": per_class,
        "reliability": reliability_curve(confidences, right),
    }


def _per_class(
    confusion: np.ndarray,
    targets: np.ndarray,
    probabilities: np.ndarray,
    genres: Sequence[str] | None,
) -> list[dict[str, Any]]:
    found, guessed, support = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    rows = []
    for number in range(len(confusion)):
        is_it = targets == number
        has_curve = is_it.any() and not is_it.all()
        has_tracks = support[number] > 0
        rows.append(
            {
                "genre": str(number) if genres is None else genres[number],
                "support": int(support[number]),
                "precision": _share(found[number], guessed[number]),
                "recall": _share(found[number], support[number]),
                "f1": _share(2 * found[number], guessed[number] + support[number])
                if has_tracks
                else None,
                "roc_auc": _rounded(roc_auc_score(is_it, probabilities[:, number]))
                if has_curve
                else None,
            }
        )
    return rows


def _macro_f1(
    targets: np.ndarray, guesses: np.ndarray, n_classes: int, counts: np.ndarray
) -> float:
    """Mean F1 of the classes that have tracks."""
    support = np.bincount(targets, counts, n_classes)
    guessed = np.bincount(guesses, counts, n_classes)
    found = np.bincount(targets, counts * (targets == guesses), n_classes)
    present = support > 0
    return float(np.mean(2 * found[present] / (support + guessed)[present]))


def _resamples(n_tracks: int, n_resamples: int) -> Iterator[np.ndarray]:
    """How often each track is drawn when as many are drawn as there are."""
    rng = np.random.default_rng(0)
    for _ in range(n_resamples):
        yield np.bincount(rng.integers(0, n_tracks, n_tracks), minlength=n_tracks)


def _interval(values: Sequence[float]) -> list[float]:
    return [_rounded(q) for q in np.quantile(values, (0.025, 0.975))]


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float) -> float:
    return round(float(value), 4)


def accuracy_by_segments(
    hearing: Hearing,
    targets: np.ndarray,
    *,
    which: Sequence[int] | np.ndarray,
    probabilities: Callable[[np.ndarray], np.ndarray],
    vote: Vote,
    n_resamples: int = 2000,
) -> list[dict[str, Any]]:
    """Accuracy of the mean vote as a function of the segments heard.

    Parameters
    ----------
    hearing : Hearing
        Of all counts of segments that are to be told.
    targets : np.ndarray
        ``(n,) int``, the class of each track.
    which : sequence of int
        The tracks, by their numbers among the clips.
    probabilities : callable
        ``(n, n_model_classes)`` logits to calibrated probabilities of the classes that count.
    vote : callable
        As in `evaluate_logits`.
    n_resamples : int
        Of the bootstrap over tracks.

    Returns
    -------
    list of dict
        ``segments`` (a count; None is all), ``heard`` (their mean number, as a short track has
        fewer), ``track_accuracy`` and ``track_accuracy_ci95``.
    """
    draws = list(_resamples(len(targets), n_resamples))
    rows = []
    for count, starts in hearing.starts.items():
        logits, overall = hearing.logits(count), hearing.overall(count)
        wholes = [None] * len(targets) if overall is None else probabilities(overall[which])
        guesses = [
            vote(probabilities(logits[track]), "mean", whole)[0]
            for track, whole in zip(which, wholes, strict=True)
        ]
        right = np.array(guesses) == targets
        rows.append(
            {
                "segments": count,
                "heard": round(float(np.mean([len(starts[track]) for track in which])), 2),
                "track_accuracy": _rounded(right.mean()),
                "track_accuracy_ci95": _interval([d @ right / len(right) for d in draws]),
            }
        )
    return rows


def model_cost(
    classify: Callable[[np.ndarray], Any],
    segments: np.ndarray,
    *,
    n_segments: int,
    rounds: int = 7,
) -> dict[str, Any]:
    """Processor time of the network, all threads together.

    Parameters
    ----------
    classify : callable
        Takes `segments`; the way that the tagger calls the network.
    segments : np.ndarray
        ``(n, *features.shape) float32``.
    n_segments : int
        Segments heard of a track.
    rounds : int
        Calls; the median counts.

    Returns
    -------
    dict
        ``cpu_ms_per_segment``, ``cpu_ms_per_track``, ``segments_per_track``.
    """
    classify(segments)  # the first call compiles
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        classify(segments)
        spent.append(time.process_time() - started)
    per_segment = 1000 * float(np.median(spent)) / len(segments)
    return {
        "cpu_ms_per_segment": round(per_segment, 3),
        "cpu_ms_per_track": round(per_segment * n_segments, 2),
        "segments_per_track": n_segments,
    }


def summary_lines(figures: dict[str, Any]) -> str:
    """The figures for a terminal.

    Parameters
    ----------
    figures : dict
        Of `evaluate_logits`.

    Returns
    -------
    str
        Headline figures and a table of the genres, in aligned columns.
    """

    def row(name: str, key: str, note: str = "") -> str:
        low, high = figures[f"{key}_ci95"]
        return f"{name:<18} {figures[key]:6.1%}  (95 %: {low:.1%} to {high:.1%}){note}"

    rest = figures["majority_accuracy_of_rest"]
    rest = "" if rest is None else f", {rest:.1%} of the rest right"
    lines = [
        f"{'tracks':<18} {figures['n_tracks']:>6,}",
        row("track accuracy", "track_accuracy"),
        row("by majority vote", "majority_accuracy"),
        f"{'  refused':<18} {figures['majority_refused']:6.1%}{rest}",
        row("segment accuracy", "segment_accuracy"),
        row("macro F1", "macro_f1"),
        f"{'ROC AUC':<18} {_cell(figures['roc_auc'], '.3f'):>6}",
        row("calibration error", "ece"),
        "",
    ]
    names = [
        "".join(c if c.isprintable() else "?" for c in one["genre"]) for one in figures["per_class"]
    ]
    width = max(18, *map(len, names))
    lines.append(f"{'genre':<{width}} tracks  precision  recall     F1    AUC")
    lines += [
        f"{name:<{width}} {one['support']:>6,}  {_cell(one['precision'], '.1%'):>9}"
        f"  {_cell(one['recall'], '.1%'):>6} {_cell(one['f1'], '.1%'):>6}"
        f"  {_cell(one['roc_auc'], '.3f'):>5}"
        for name, one in zip(names, figures["per_class"], strict=True)
    ]
    return "\n".join(lines)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
