"""The model card: what a model is, what it learned from and how good it is."""

from __future__ import annotations

import re
from typing import Any

from genrebeam.model.backbones.backbone import BACKBONES
from genrebeam.model.bundle import Bundle

# Descriptions of published data sets; any other source is somebody's own library.
_SOURCES = {
    "gtzan": "GTZAN (Tzanetakis and Cook, 2002): 30 s clips of ten genres.",
    "fma": "FMA (Defferrard, Benzi, Vandergheynst and Bresson, 2017): Creative Commons music.",
    "homburg": "Homburg (Homburg, Mierswa, Möller, Morik and Wurst, 2005): 10 s excerpts.",
}


def model_card(bundle: Bundle) -> str:
    """Markdown that tells what a model is, what it learned from and how good it is.

    Parameters
    ----------
    bundle : Bundle
        With `training` and `metrics` filled in.

    Returns
    -------
    str
        With ``{version}`` where the version goes.
    """
    training, test = bundle.training, bundle.metrics["test"]
    low, high = test["track_accuracy_ci95"]
    return f"""# {bundle.name}, version {{version}}

Genres: {", ".join(map(_plain, bundle.genres))}.

## What it is
Recipe `{training["recipe"]}` (seed {training["seed"]}): {_networks(training)}.
It classifies segments of {bundle.features.segment_seconds:.1f} s and averages their probabilities,
calibrated with a temperature of {bundle.temperature}.
{_backbone(bundle)}
## What it learned from
{_sources(training["sources"])}

{_lists(training)} Of all tracks {training["left_out"]:,} could not be used,
because they are missing or damaged. No audio is part of this model.

{training["about"]}

## How good it is
On the test list of the first source, which nothing was chosen on ({test["n_tracks"]:,} tracks,
every segment; accuracy of the mean vote 95 %: {low:.1%} to {high:.1%}):

{_figures(bundle.metrics)}

{_genres(bundle.genres, test["confusion"])}
{_beside(bundle)}
## What it must not be used for
It knows these {len(bundle.genres)} genres as its training data defines them; all other music and
speech still gets one of them. Do not use it to judge people, to pay rights holders, or where a
wrong genre does harm.
"""


def _plain(text: str) -> str:
    """Text from tags and folders, without what Markdown or HTML would make of it."""
    return re.sub(r"[|<>`\\\[\]*_]", " ", text)


def _networks(training: dict[str, Any]) -> str:
    if "best_epoch" not in training:
        return "a linear head on the outputs of a pretrained network"
    epochs = ", ".join(
        f"best epoch {best} of {run}"
        for best, run in zip(training["best_epoch"], training["epochs_run"], strict=True)
    )
    count = len(training["best_epoch"])
    return f"{'one network' if count == 1 else f'the mean of {count} networks'} ({epochs})"


def _backbone(bundle: Bundle) -> str:
    """Whose network it uses."""
    if not bundle.features.backbone:
        return ""
    return f"""
It uses a network that others trained, whose notice comes with genrebeam
(`model/backbones/weights`): {BACKBONES[bundle.features.backbone].about}.
"""


def _lists(training: dict[str, Any]) -> str:
    clips = training["clips"]
    if "best_epoch" in training:
        return (
            f"It learned from {clips['train']:,} tracks, was stopped and calibrated on "
            f"{clips['valid']:,}, and is tested on {clips['test']:,}."
        )
    learned = clips["train"] + clips["valid"]
    return (
        f"It learned from {learned:,} tracks, was calibrated on {training['folds']} parts of them "
        f"with artists apart, and is tested on {clips['test']:,}."
    )


def _figures(metrics: dict[str, Any]) -> str:
    """Headline figures of the lists as a table."""
    rows = (
        ("track accuracy, mean vote", "track_accuracy", ".1%"),
        ("track accuracy, majority vote", "majority_accuracy", ".1%"),
        ("refused by majority vote", "majority_refused", ".1%"),
        ("segment accuracy", "segment_accuracy", ".1%"),
        ("calibration error (ECE)", "ece", ".3f"),
    )
    lists = [split for split in ("test", "valid") if split in metrics]
    lines = [f"| figure | {' | '.join(lists)} |", "|---" * (1 + len(lists)) + "|"]
    for title, key, form in rows:
        cells = " | ".join(format(metrics[split][key], form) for split in lists)
        lines.append(f"| {title} | {cells} |")
    return "\n".join(lines)


def _sources(sources: list[dict[str, str]]) -> str:
    return "\n".join(
        f"- {_SOURCES.get(source['name'], 'Tracks of `' + _plain(source['name']) + '`.')} "
        f"Train, valid and test by {source['split']}."
        for source in sources
    )


def _beside(bundle: Bundle) -> str:
    """How it does on what it learned from beside the first source."""
    figures = bundle.metrics.get("beside")
    if not figures:
        return ""
    low, high = figures["track_accuracy_ci95"]
    return f"""
On the test lists of its other sources ({figures["n_tracks"]:,} tracks of artists not learned from):
{figures["track_accuracy"]:.1%} (95 %: {low:.1%} to {high:.1%}).

{_genres(bundle.genres, figures["confusion"])}
"""


def _genres(genres: tuple[str, ...], confusion: list[list[int]]) -> str:
    """Recall, precision and the usual mistakes of each genre as a table."""
    genres = tuple(map(_plain, genres))
    rows = [
        "| genre | tracks | found (recall) | right where said (precision) | mostly taken for |",
        "|---|---|---|---|---|",
    ]
    for own, genre in enumerate(genres):
        counts = confusion[own]
        tracks, said = sum(counts), sum(row[own] for row in confusion)
        if not tracks and not said:
            continue
        found = f"{counts[own] / tracks:.0%}" if tracks else "-"
        right = f"{counts[own] / said:.0%}" if said else "-"
        others = sorted((o for o in range(len(genres)) if o != own), key=lambda o: -counts[o])
        mistakes = ", ".join(f"{genres[o]} ({counts[o]})" for o in others[:2] if counts[o])
        rows.append(f"| {genre} | {tracks} | {found} | {right} | {mistakes} |")
    return "\n".join(rows)
