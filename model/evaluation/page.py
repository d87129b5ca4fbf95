"""A page that shows how good a model is: one HTML file that needs no network.

``plots.py`` describes the plots, and ``templates/evaluation.js`` draws them with plotly, whose
library is inside the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genrebeam.model import files
from genrebeam.model.bundle import Bundle
from genrebeam.model.evaluation.plots import (
    LEAST_FOR_MAP,
    NO_VALUE,
    confusion_plot,
    curves_plot,
    map_of,
    map_plot,
    reliability_plot,
    roc_plot,
    segments_plot,
)
from genrebeam.model.pages.page import web_page

_N_WRONG = 15


def write_page(
    path: str | Path,
    bundle: Bundle,
    figures: dict[str, Any],
    embedding: np.ndarray | None,
    *,
    names: Sequence[str],
    targets: np.ndarray,
    probabilities: np.ndarray,
    dataset: str,
) -> None:
    """Write the page.

    Parameters
    ----------
    path : str or Path
        The HTML file, about 5 MB.
    bundle : Bundle
        If its training facts have a ``history`` (of each network a dict of ``loss``,
        ``val_loss``, ``accuracy`` and ``val_accuracy``, one value per epoch), the page has
        the curves.
    figures : dict
        Of `genrebeam.model.evaluation.metrics.evaluate`; perhaps also ``accuracy_by_segments`` and
        ``cost``, of `accuracy_by_segments` and `model_cost` there, and ``families``, figures by
        family.
    embedding : np.ndarray or None
        ``(n_tracks, d) float32`` of `genrebeam.model.evaluation.predict.predict`; None: no map.
    names : sequence of str
        Of the tracks.
    targets : np.ndarray
        ``(n_tracks,) int64``.
    probabilities : np.ndarray
        ``(n_tracks, n_classes) float``, calibrated.
    dataset : str
        What it was measured on, for people.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from plotly.offline import get_plotlyjs

    genres = bundle.genres
    plots = _plots(bundle, figures, targets, probabilities)
    spots = None if embedding is None else map_of(embedding)
    if spots is not None:
        plots["map"] = map_plot(*spots, names, targets, genres)
    page = web_page(
        "genrebeam.model.evaluation",
        "evaluation.html.j2",
        ["evaluation.js"],
        library=get_plotlyjs(),
        bundle=bundle,
        figures=figures,
        dataset=dataset,
        tiles=_tiles(figures),
        plots=plots,
        n_on_map=0 if spots is None else len(spots[0]),
        least_for_map=LEAST_FOR_MAP,
        wrong=most_confidently_wrong(names, targets, probabilities, genres),
        percent_of=_percent,
    )
    with files.writing(path) as stream:
        stream.write(page)


def _plots(
    bundle: Bundle, figures: dict[str, Any], targets: np.ndarray, probabilities: np.ndarray
) -> dict[str, Any]:
    """All plots but the map."""
    genres = bundle.genres
    plots = {
        "confusion": confusion_plot(figures["confusion"], genres),
        "roc": roc_plot(targets, probabilities, figures, genres),
        "reliability": reliability_plot(figures["reliability"]),
    }
    if "families" in figures:
        plots["family_reliability"] = reliability_plot(figures["families"]["reliability"])
    if "accuracy_by_segments" in figures:
        plots["segments"] = segments_plot(figures["accuracy_by_segments"])
    history = bundle.training.get("history", [])
    if history:
        plots["loss"] = curves_plot(history, "loss", "loss")
        plots["accuracy"] = curves_plot(history, "accuracy", "segment accuracy")
    return plots


def most_confidently_wrong(
    names: Sequence[str],
    targets: np.ndarray,
    probabilities: np.ndarray,
    genres: Sequence[str],
) -> list[dict[str, Any]]:
    """Tracks that got another genre than their own, the surest mistakes first.

    Parameters
    ----------
    targets : np.ndarray
        ``(n_tracks,) int64``.
    probabilities : np.ndarray
        ``(n_tracks, n_classes) float``.

    Returns
    -------
    list of dict
        ``name``, ``true``, ``guessed``, ``confidence``.
    """
    guesses, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = np.argsort(-confidences, kind="stable")
    wrong = [i for i in order if guesses[i] != targets[i]][:_N_WRONG]
    return [
        {
            "name": names[i],
            "true": genres[targets[i]],
            "guessed": genres[guesses[i]],
            "confidence": float(confidences[i]),
        }
        for i in wrong
    ]


def _percent(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.1%}"


def _tiles(figures: dict[str, Any]) -> list[dict[str, str]]:
    """Headline figures: what, how much, and how sure that is."""

    def interval(key: str) -> str:
        low, high = figures[f"{key}_ci95"]
        return f"95 %: {low:.1%} to {high:.1%}"

    def tile(name: str, value: str, *notes: str) -> dict[str, Any]:
        return {"name": name, "value": value, "notes": notes}

    area = figures["roc_auc"]
    tiles = [
        tile("Track accuracy", _percent(figures["track_accuracy"]), interval("track_accuracy")),
        tile(
            "By majority vote",
            _percent(figures["majority_accuracy"]),
            interval("majority_accuracy"),
            f"{_percent(figures['majority_refused'])} refused, "
            f"{_percent(figures['majority_accuracy_of_rest'])} of the rest right",
        ),
        tile(
            "Segment accuracy", _percent(figures["segment_accuracy"]), interval("segment_accuracy")
        ),
        tile("Macro F1", _percent(figures["macro_f1"]), interval("macro_f1")),
        tile(
            "ROC AUC",
            NO_VALUE if area is None else f"{area:.3f}",
            "mean of each genre against the rest",
        ),
        tile("Calibration error", _percent(figures["ece"]), interval("ece")),
    ]
    if "cost" in figures:
        cost = figures["cost"]
        tiles.append(
            tile(
                "Cost",
                f"{cost['cpu_ms_per_track']:.3g} ms",
                f"of processor time a track of {cost['segments_per_track']} segments",
            )
        )
    return tiles
