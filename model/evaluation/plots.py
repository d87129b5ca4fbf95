"""The plots of the evaluation page, as plain data that plotly draws.

Each is a dict of ``data`` and ``layout`` for plotly and a ``height`` in pixels; some have
``legend``, the number of its entries, and ``aspect``, height by width. A colour that begins with
``@`` is one of the page's own, light or dark as the reader has it (see
``templates/evaluation.js``). Names of genres and tracks may hold anything: `_shown` escapes
what plotly would take for markup.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from genrebeam.model.colours import COLOURS, colours_of
from genrebeam.model.tsne import embed_2d

# Shapes and dashes repeat after another number than colours do, so that readers who see few
# colours can tell classes apart.
_SHAPES = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star")
_DASHES = ("solid", "dash", "dot")
LEAST_FOR_MAP = 10
_MOST_ON_MAP = 3000
_LONGEST_NAME = 16
# Where there is no figure.
NO_VALUE = "-"
_SHARE = {"tickformat": ".0%", "range": [-0.01, 1.02], "zeroline": False}
_DIAGONAL: dict[str, Any] = {
    "x": [0, 1],
    "y": [0, 1],
    "mode": "lines",
    "line": {"color": "@faint", "width": 1, "dash": "dot"},
    "hoverinfo": "skip",
}


def map_of(embedding: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Tracks on a plane, those near each other that are near each other in the embedding.

    t-SNE (van der Maaten and Hinton, "Visualizing data using t-SNE", 2008) of at most 3000
    tracks, started from the principal components, so that the same embedding gives the
    same map.

    Parameters
    ----------
    embedding : np.ndarray
        ``(n_tracks, d) float32``.

    Returns
    -------
    chosen : np.ndarray
        ``(n,) int64``, the tracks that are on the map.
    places : np.ndarray
        ``(n, 2) float32``.

    None for fewer than ten tracks, or where they are all in one place.
    """
    n_tracks = len(embedding)
    if n_tracks < LEAST_FOR_MAP or not np.ptp(embedding, axis=0).any():
        return None
    n = min(n_tracks, _MOST_ON_MAP)
    chosen = np.arange(n) * n_tracks // n
    return chosen, embed_2d(embedding[chosen])


def _shown(text: str) -> str:
    """Text that plotly shows as it is: some tags are its own, "@" marks the page's colours."""
    return html.escape(text, quote=False).replace("@", "&#64;")


def _short(text: str) -> str:
    fits = len(text) <= _LONGEST_NAME
    return _shown(text if fits else f"{text[: _LONGEST_NAME - 1]}…")


def confusion_plot(confusion: list[list[int]], genres: Sequence[str]) -> dict[str, Any]:
    """Tracks of each genre, and what they were taken for.

    Parameters
    ----------
    confusion : list of list of int
        Tracks; rows are true classes.
    """
    counts = np.array(confusion)
    rows = [int(row) for row in np.flatnonzero(counts.sum(axis=1))]
    shares = counts[rows] / counts[rows].sum(axis=1, keepdims=True)
    hover = [
        [
            f"{_shown(genres[row])} taken for {_shown(genres[column])}<br>"
            f"{counts[row, column]} of {counts[row].sum()} tracks, {share:.0%}"
            for column, share in enumerate(row_shares)
        ]
        for row, row_shares in zip(rows, shares, strict=True)
    ]
    numbers = [
        {
            "x": column,
            "y": height,
            "text": str(counts[row, column]),
            "showarrow": False,
            "font": {"color": "@surface" if shares[height, column] > 0.6 else "@text"},
        }
        for height, row in enumerate(rows)
        for column in np.flatnonzero(counts[row]).tolist()
    ]
    ticks = {"tickmode": "array", "showgrid": False, "zeroline": False, "ticks": ""}
    return {
        "data": [
            {
                "type": "heatmap",
                "z": np.round(shares, 4).tolist(),
                "zmin": 0,
                "zmax": 1,
                "hovertext": hover,
                "hoverinfo": "text",
                "colorscale": "@shades",
                "showscale": False,
                "xgap": 1,
                "ygap": 1,
            }
        ],
        "layout": {
            "annotations": numbers,
            "xaxis": {
                **ticks,
                "tickvals": list(range(len(genres))),
                "ticktext": [_short(genre) for genre in genres],
                "tickangle": -45,
                "title": {"text": "predicted"},
            },
            "yaxis": {
                **ticks,
                "tickvals": list(range(len(rows))),
                "ticktext": [_short(genres[row]) for row in rows],
                "autorange": "reversed",
            },
        },
        "height": 150 + 34 * len(rows),
    }


def roc_plot(
    targets: np.ndarray,
    probabilities: np.ndarray,
    figures: dict[str, Any],
    genres: Sequence[str],
) -> dict[str, Any]:
    """The ROC curve of each genre against the rest.

    Parameters
    ----------
    targets : np.ndarray
        ``(n_tracks,) int64``.
    probabilities : np.ndarray
        ``(n_tracks, n_classes) float``.
    figures : dict
        Of `genrebeam.model.evaluation.metrics.evaluate`.
    """
    lines = [{**_DIAGONAL, "showlegend": False}]
    colours = colours_of(genres)
    for number, row in enumerate(figures["per_class"]):
        if row["roc_auc"] is None:
            continue
        false, true, _ = roc_curve(targets == number, probabilities[:, number])
        lines.append(
            {
                "x": np.round(false, 4).tolist(),
                "y": np.round(true, 4).tolist(),
                "mode": "lines",
                "line": {
                    "color": colours[number],
                    "dash": _DASHES[number % len(_DASHES)],
                    "width": 2,
                },
                "name": f"{_short(genres[number])} {row['roc_auc']:.2f}",
                "hovertemplate": "%{y:.0%} found, %{x:.0%} of the others taken for it",
            }
        )
    return {
        "data": lines,
        "layout": {
            "xaxis": {"title": {"text": "of the other tracks, taken for it"}, **_SHARE},
            "yaxis": {"title": {"text": "of its tracks, found"}, **_SHARE},
        },
        "height": 440,
        "legend": len(lines) - 1,
    }


def reliability_plot(bins: list[dict[str, Any]]) -> dict[str, Any]:
    """How often a confidence is right, and how many tracks have it.

    Parameters
    ----------
    bins : list of dict
        Of `genrebeam.model.calibration.reliability_curve`.
    """
    filled = [b for b in bins if b["count"]]
    return {
        "data": [
            _DIAGONAL,
            {
                "x": [b["confidence"] for b in filled],
                "y": [b["accuracy"] for b in filled],
                "mode": "lines+markers",
                "line": {"color": "@accent", "width": 2},
                "marker": {"size": 8},
                "customdata": [b["count"] for b in filled],
                "hovertemplate": "%{customdata} tracks said to be %{x:.0%} sure<br>"
                "%{y:.0%} of them right<extra></extra>",
            },
            {
                "type": "bar",
                "x": [(b["low"] + b["high"]) / 2 for b in bins],
                "y": [b["count"] for b in bins],
                "width": [0.9 * (b["high"] - b["low"]) for b in bins],
                "marker": {"color": "@accent", "opacity": 0.35},
                "yaxis": "y2",
                "hovertemplate": "%{y} tracks<extra></extra>",
            },
        ],
        "layout": {
            "xaxis": {"title": {"text": "confidence"}, "anchor": "y2", **_SHARE},
            "yaxis": {"title": {"text": "right"}, "domain": [0.32, 1], **_SHARE},
            "yaxis2": {"title": {"text": "tracks"}, "domain": [0, 0.24], "nticks": 3},
        },
        "height": 460,
    }


def map_plot(
    chosen: np.ndarray,
    places: np.ndarray,
    names: Sequence[str],
    targets: np.ndarray,
    genres: Sequence[str],
) -> dict[str, Any]:
    """Tracks on a plane, coloured by genre.

    Parameters
    ----------
    chosen, places : np.ndarray
        Of `map_of`.
    names : sequence of str
        Of all tracks.
    targets : np.ndarray
        ``(n_tracks,) int64``.
    """
    groups = []
    colours = colours_of(genres)
    for number in np.unique(targets[chosen]):
        of_it = targets[chosen] == number
        groups.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": np.round(places[of_it, 0], 2).tolist(),
                "y": np.round(places[of_it, 1], 2).tolist(),
                "name": _short(genres[number]),
                "text": [f"{_shown(names[i])}<br>{_shown(genres[number])}" for i in chosen[of_it]],
                "hoverinfo": "text",
                "marker": {
                    "color": colours[number],
                    "symbol": _SHAPES[number % len(_SHAPES)],
                    "size": 8,
                    "line": {"width": 0.5, "color": "@surface"},
                },
            }
        )
    bare = {"visible": False}
    width, height = np.ptp(places, axis=0)
    return {
        "data": groups,
        "layout": {"xaxis": bare, "yaxis": {**bare, "scaleanchor": "x"}},
        "height": 520,
        "aspect": float(height / width),
        "legend": len(groups),
    }


def segments_plot(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy by the number of segments analysed.

    Parameters
    ----------
    rows : list of dict
        Of `genrebeam.model.evaluation.metrics.accuracy_by_segments`.
    """
    # Short tracks have no more than some number: what was analysed is shown, once.
    points = sorted(
        {row["analysed"]: row for row in rows}.values(), key=lambda row: row["analysed"]
    )
    accuracy = np.array([row["track_accuracy"] for row in points])
    low, high = np.array([row["track_accuracy_ci95"] for row in points]).T
    return {
        "data": [
            {
                "x": list(range(len(points))),
                "y": accuracy.tolist(),
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": np.round(high - accuracy, 4).tolist(),
                    "arrayminus": np.round(accuracy - low, 4).tolist(),
                    "thickness": 1.2,
                    "width": 4,
                },
                "mode": "lines+markers",
                "line": {"color": "@accent", "width": 2},
                "marker": {"size": 8},
                "hovertemplate": "%{y:.1%}<extra></extra>",
            }
        ],
        "layout": {
            "xaxis": {
                "title": {"text": "segments of a track (mean)"},
                "tickvals": list(range(len(points))),
                "ticktext": [f"{row['analysed']:g}" for row in points],
                "range": [-0.4, len(points) - 0.6],
                "zeroline": False,
                "showgrid": False,
            },
            "yaxis": {"title": {"text": "track accuracy"}, "tickformat": ".0%"},
        },
        "height": 320,
    }


def curves_plot(history: list[dict[str, list[float]]], key: str, title: str) -> dict[str, Any]:
    """A metric by epoch: of each network on the train list (dotted) and the valid list (solid).

    Parameters
    ----------
    history : list of dict
        One per network: a metric, or ``val_`` and the metric, to a value for each epoch.
    key : str
        The metric.
    """
    lines = []
    for number, member in enumerate(history):
        whose = f", network {number + 1}" if len(history) > 1 else ""
        for name, which, dash in (("train", key, "dot"), ("valid", f"val_{key}", "solid")):
            values = member.get(which, [])
            if values:
                lines.append(
                    {
                        "x": list(range(1, len(values) + 1)),
                        # JSON knows no NaN, which a loss that blew up is.
                        "y": [v if np.isfinite(v) else None for v in map(float, values)],
                        "mode": "lines",
                        "name": f"{name}{whose}",
                        "line": {"color": COLOURS[number % len(COLOURS)], "dash": dash, "width": 2},
                    }
                )
    return {
        "data": lines,
        "layout": {
            "xaxis": {"title": {"text": "epoch"}, "zeroline": False},
            "yaxis": {"title": {"text": title}, "zeroline": False},
        },
        "height": 300,
        "legend": len(lines),
    }
