"""How good a model is, measured on whole tracks.

Figures are of tracks, as a library is made of tracks. Intervals are of the bootstrap over artists:
segments of a track, and tracks of an artist, are too alike to be drawn one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from genrebeam.model.calibration import (
    expected_calibration_error,
    probabilities_of,
    reliability_curve,
)
from genrebeam.model.evaluation.predict import TrackScores

# (n_segments, n_classes) probabilities, a rule and the (n_classes,) probabilities of all segments
# together (None: their mean) to (class or None, its confidence).
Vote = Callable[[np.ndarray, str, np.ndarray | None], tuple[int | None, float]]
# Of the bootstrap over artists.
N_RESAMPLES = 2000


def evaluate(
    probabilities: TrackScores,
    targets: np.ndarray,
    *,
    vote: Vote,
    genres: Sequence[str] | None = None,
    artists: Sequence[str] | None = None,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Any]:
    """Figures of a model on tracks whose genre is known.

    Classes may be without tracks: they count in no mean, and figures that they cannot have
    are None.

    Parameters
    ----------
    probabilities : TrackScores
        Calibrated.
    targets : np.ndarray
        ``(n_tracks,) int64``.
    vote : callable
        ``vote(probabilities, rule, overall)`` returns the class (None: refused) and confidence.
    genres : sequence of str, optional
        Names of the classes; by default their numbers.
    artists : sequence of str, optional
        Of each track; by default each is another artist's.
    n_resamples : int
        Of the bootstrap over artists.

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
        - ``reliability``: see `genrebeam.model.calibration.reliability_curve`

    Raises
    ------
    ValueError
        If there are no tracks.
    """
    if not probabilities.segments:
        raise ValueError("there are no tracks to measure on")
    targets, by_track = np.asarray(targets), probabilities.tracks
    voted = _voted(probabilities, targets, vote)
    confusion = np.zeros((by_track.shape[1], by_track.shape[1]), dtype=np.int64)
    np.add.at(confusion, (targets, voted.guesses), 1)
    support = confusion.sum(axis=1)
    per_class = _per_class(confusion, targets, by_track, genres)
    areas = [row["roc_auc"] for row in per_class if row["roc_auc"] is not None]
    likelihoods = by_track[np.arange(len(targets)), targets]
    drawn = _Drawn.of(artists, len(targets))
    resampled = [voted.figures(counts, len(confusion)) for counts in drawn.counts(n_resamples)]
    once = voted.figures(np.ones(len(targets)), len(confusion))
    return {
        "n_tracks": len(targets),
        **{name: _rounded(value) for name, value in once.items()},
        **{f"{name}_ci95": drawn.interval([r[name] for r in resampled]) for name in once},
        "majority_refused": _rounded(voted.refused.mean()),
        "majority_accuracy_of_rest": _share(voted.majority_right.sum(), (~voted.refused).sum()),
        "roc_auc": _rounded(np.mean(areas)) if areas else None,
        "nll": _rounded(-np.log(np.maximum(likelihoods, 1e-12)).mean()),
        "recall": [_rounded(r) for r in confusion.diagonal() / np.maximum(1, support)],
        "confusion": confusion.tolist(),
        "per_class": per_class,
        "reliability": reliability_curve(voted.confidences, voted.right),
    }


def evaluate_logits(
    logits: TrackScores, targets: np.ndarray, *, temperature: float, vote: Vote, **options: Any
) -> dict[str, Any]:
    """As `evaluate`, of logits that one temperature calibrates.

    Parameters
    ----------
    targets : np.ndarray
        ``(n_tracks,) int64``.
    **options
        Of `evaluate`.
    """
    probabilities = logits.mapped(lambda rows: probabilities_of(rows, temperature))
    return evaluate(probabilities, targets, vote=vote, **options)


@dataclass(frozen=True)
class _Voted:
    """How the tracks' votes went, one value per track."""

    targets: np.ndarray
    guesses: np.ndarray
    confidences: np.ndarray
    majority_right: np.ndarray
    refused: np.ndarray
    analysed: np.ndarray
    analysed_right: np.ndarray

    @property
    def right(self) -> np.ndarray:
        return self.guesses == self.targets

    def figures(self, counts: np.ndarray, n_classes: int) -> dict[str, float]:
        """Figures where track i counts ``counts[i]`` times."""
        return {
            "track_accuracy": np.average(self.right, weights=counts),
            "majority_accuracy": np.average(self.majority_right, weights=counts),
            "segment_accuracy": (counts @ self.analysed_right) / (counts @ self.analysed),
            "macro_f1": _macro_f1(self.targets, self.guesses, n_classes, counts),
            "ece": expected_calibration_error(self.confidences, self.right, weights=counts),
        }


def _voted(probabilities: TrackScores, targets: np.ndarray, vote: Vote) -> _Voted:
    by_mean = [vote(segments, "mean", overall) for segments, overall in _both(probabilities)]
    by_majority = [
        vote(segments, "majority", overall)[0] for segments, overall in _both(probabilities)
    ]
    pairs = list(zip(probabilities.segments, targets, strict=True))
    return _Voted(
        targets=targets,
        guesses=np.array([guess for guess, _ in by_mean]),
        confidences=np.array([confidence for _, confidence in by_mean]),
        majority_right=np.array([g == t for g, t in zip(by_majority, targets, strict=True)]),
        refused=np.array([guess is None for guess in by_majority]),
        analysed=np.array([len(segments) for segments, _ in pairs]),
        analysed_right=np.array([(p.argmax(axis=1) == target).sum() for p, target in pairs]),
    )


def _both(scores: TrackScores) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Each track's segments, and the whole of it where that is more than their mean."""
    overall = [None] * len(scores.segments) if scores.overall is None else scores.overall
    return zip(scores.segments, overall, strict=True)


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


@dataclass(frozen=True)
class _Drawn:
    """Artists that are drawn anew, as many as there are.

    Parameters
    ----------
    artists : np.ndarray
        ``(n_tracks,) int64``: the number of each track's.
    """

    artists: np.ndarray

    @classmethod
    def of(cls, artists: Sequence[str] | None, n_tracks: int) -> _Drawn:
        if artists is None:
            return cls(np.arange(n_tracks))
        return cls(np.unique(artists, return_inverse=True)[1])

    @property
    def n_artists(self) -> int:
        return int(self.artists.max()) + 1

    def counts(self, n_resamples: int) -> Iterator[np.ndarray]:
        """How often each track is drawn, again and again."""
        rng = np.random.default_rng(0)
        for _ in range(n_resamples):
            drawn = rng.integers(0, self.n_artists, self.n_artists)
            yield np.bincount(drawn, minlength=self.n_artists)[self.artists]

    def interval(self, values: Sequence[float]) -> list[float]:
        """95 % interval of a figure, of its values for artists that were drawn anew.

        If all tracks are right, or all wrong, so are those that are drawn; then it is the exact
        one (Clopper and Pearson 1934), as if an artist had one track.
        """
        low, high = np.quantile(values, (0.025, 0.975))
        unseen = 1 - 0.025 ** (1 / self.n_artists)
        if min(values) == 1:
            low = 1 - unseen
        if max(values) == 0:
            high = unseen
        return [_rounded(low), _rounded(high)]


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float) -> float:
    return round(float(value), 4)


def accuracy_by_segments(
    by_count: Mapping[int | None, TrackScores],
    targets: np.ndarray,
    *,
    vote: Vote,
    artists: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Accuracy of the mean vote by the number of segments analysed.

    Parameters
    ----------
    by_count : mapping
        Segments analysed of each track (None: all) to calibrated probabilities, see
        `genrebeam.model.evaluation.predict.Predictions`.
    targets : np.ndarray
        ``(n_tracks,) int64``.
    vote : callable
        As in `evaluate`.
    artists : sequence of str, optional
        Of each track; by default each is another artist's.

    Returns
    -------
    list of dict
        ``segments`` (as in `by_count`), ``analysed`` (their mean number, as a short track has
        fewer), ``track_accuracy`` and ``track_accuracy_ci95``.
    """
    drawn = _Drawn.of(artists, len(targets))
    draws = list(drawn.counts(N_RESAMPLES))
    rows = []
    for count, probabilities in by_count.items():
        guesses = [vote(segments, "mean", overall)[0] for segments, overall in _both(probabilities)]
        right = np.array(guesses) == targets
        shares = [draw @ right / draw.sum() for draw in draws]
        rows.append(
            {
                "segments": count,
                "analysed": round(float(np.mean([len(s) for s in probabilities.segments])), 2),
                "track_accuracy": _rounded(right.mean()),
                "track_accuracy_ci95": drawn.interval(shares),
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
        Called with `segments`, as the tagger calls the network.
    segments : np.ndarray
        ``(n, *features.shape) float32``.
    n_segments : int
        Segments analysed of a track.
    rounds : int
        Calls; the median is taken.

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
        Of `evaluate`.

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
