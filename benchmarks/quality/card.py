"""The card of the default model, which says more than that of a model that ``train`` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from genrebeam.model.backbones.backbone import BACKBONES
from genrebeam.model.bundle import Bundle

# Figures of the default card: their keys and what they are called.
_ROWS = (
    ("right", "family right"),
    ("mean_of_families", "mean over families"),
    ("within_two", "right within two families"),
    ("ece", "calibration error (ECE)"),
    ("written", "share that the default writes"),
    ("right_where_written", "of these right"),
)


def default_card(bundle: Bundle) -> str:
    """Markdown that tells how good the default model is, what it is and what it learned from.

    Parameters
    ----------
    bundle : Bundle
        As ``benchmarks/quality/default_bundle.py`` makes it.

    Returns
    -------
    str
        With ``{version}`` where the version goes.
    """
    metrics = bundle.metrics
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=False,
    )
    return environment.get_template("default_card.md.j2").render(
        bundle=bundle,
        families=dict.fromkeys(bundle.families),
        about=BACKBONES[bundle.features.backbone].about,
        rows=_ROWS,
        world=metrics["world"],
        apart=metrics["world_sources_apart"],
        magnatune=metrics["magnatune"],
        gtzan=metrics["gtzan_test"],
        clips=metrics["gtzan_clips"],
        songs=metrics["songs"],
        styles=metrics["styles"],
        percent=_percent,
        interval=_interval,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _interval(figure: dict[str, Any], what: str = "") -> str:
    """A figure with its interval: a calibration error as it is, all else in percent."""
    values = (figure["value"], *figure["ci95"])
    value, low, high = (f"{v:.3f}" if what == "ece" else f"{100 * v:.0f}" for v in values)
    return f"{value} ({low} to {high})" if what == "ece" else f"{value} % ({low} to {high})"
