"""An inspection as one PNG.

matplotlib must take no text for a formula: names come from people's tags.
"""

from __future__ import annotations

import textwrap
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from genrebeam import __version__
from genrebeam.model import files
from genrebeam.pipeline.views.inspection.inspection import Inspection
from genrebeam.pipeline.views.terminal import clock, safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
from genrebeam.pipeline.views.inspection.panels import Lines, Picture, envelope, panels, shades_of
from genrebeam.pipeline.views.inspection.words import (
    GENERATOR,
    MOST_GENRES,
    chance,
    colours,
    facts,
    genre_note,
    heading,
    model_note,
    percent,
    time_ticks,
    verdicts,
    wave_note,
)

# Sizes in inches.
_WIDTH, _LEFT, _RIGHT, _LINE = 11.0, 0.95, 0.4, 0.17
_TEXT, _QUIET, _GRID, _SURFACE, _FAINT = "#1b1f26", "#59616e", "#dfe2e7", "#f6f7f9", "#b9bfc9"
_LINE_COLOURS = ("#c25400", "#1f6fb2")


def write_png(path: str, inspection: Inspection) -> None:
    """Write the picture: one PNG of some 1 MB, 1650 pixels wide.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from matplotlib import rc_context

    style: dict[Any, Any] = {
        "text.parse_math": False,  # a dollar in a title is a dollar
        "text.color": _TEXT,
        "axes.labelcolor": _QUIET,
        "xtick.color": _QUIET,
        "ytick.color": _QUIET,
        "axes.facecolor": _SURFACE,
        "axes.axisbelow": True,
        "grid.color": _GRID,
        "font.size": 8.5,
    }
    with rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks
        figure = _figure(inspection)
        facts_of_file = {"Software": f"{GENERATOR} {__version__}"}
        with files.writing(path) as stream:
            figure.savefig(stream, format="png", dpi=150, metadata=facts_of_file)


class _Sheet:
    """A figure that is filled from the top, in inches."""

    def __init__(self, height: float) -> None:
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        self.height = height
        self.used = 0.0

    def text(self, left: float, down: float, text: str, **style: Any) -> None:
        """Write at a place below what is filled."""
        place = (left / _WIDTH, 1 - (self.used + down) / self.height)
        self.figure.text(*place, text, va="top", **style)

    def axes(self, left: float, down: float, width: float, height: float) -> Axes:
        """Bare axes below what is filled."""
        bottom = 1 - (self.used + down + height) / self.height
        box = (left / _WIDTH, bottom, width / _WIDTH, height / self.height)
        axes = self.figure.add_axes(box)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        return axes

    def panel(self, title: str, note: str, height: float) -> Axes:
        """A titled panel as wide as the sheet."""
        self.text(_LEFT, 0.3, title, weight="bold", size=10)
        self.text(_LEFT, 0.49, note, color=_QUIET)
        axes = self.axes(_LEFT, 0.69, _WIDTH - _LEFT - _RIGHT, height)
        self.used += 0.69 + height
        return axes


def _figure(inspection: Inspection) -> Figure:
    ranking = inspection.ranking[:MOST_GENRES]
    shown = panels(inspection)
    lines = [_lines(text, is_genre) for _, text, is_genre in verdicts(inspection)]
    texts = sum(map(_height, lines)) + 0.21 * len(facts(inspection))
    head = 0.95 + max(0.06 + texts, 0.21 * len(ranking))
    heights = [1.1, 0.21 * len(ranking), *(_LINE * panel.height for panel in shown)]
    sheet = _Sheet(head + sum(heights) + 0.69 * len(heights) + 0.85)
    _draw_head(sheet, inspection, ranking)
    sheet.used = head

    duration = inspection.duration_s
    charts = [_draw_wave(sheet, heights[0], inspection)]
    charts.append(_draw_genres(sheet, heights[1], inspection, ranking))
    charts += [
        _draw_panel(sheet, height, panel, duration)
        for height, panel in zip(heights[2:], shown, strict=True)
    ]
    ticks = time_ticks(duration, most=12)
    for axes in charts:
        axes.set_xlim(0, duration)
        axes.set_xticks(ticks, [])
    charts[-1].set_xticks(ticks, [clock(seconds) for seconds in ticks])
    sheet.text(_LEFT, 0.4, model_note(inspection), color=_QUIET)
    return sheet.figure


def _draw_head(sheet: _Sheet, inspection: Inspection, ranking: list[int]) -> None:
    title, artist = heading(inspection)
    sheet.text(_LEFT, 0.3, _cut(title, 60), size=17, weight="bold")
    sheet.text(_LEFT, 0.65, _cut(artist, 110), size=10, color=_QUIET)
    down = 1.0
    for rule, verdict, is_genre in verdicts(inspection):
        lines = _lines(verdict, is_genre)
        style: dict[str, Any] = {"size": 14, "weight": "bold"} if is_genre else {"size": 10}
        sheet.text(_LEFT, down, rule, color=_QUIET)
        sheet.text(_LEFT, down + 0.16, "\n".join(lines), **style)
        down += _height(lines)
    for name, fact in facts(inspection):
        sheet.text(_LEFT, down, name, color=_QUIET)
        sheet.text(_LEFT + 1.2, down, _cut(fact, 48))
        down += 0.21

    genres, votes, colour = inspection.names, inspection.mean.votes, colours(inspection)
    means = inspection.whole[ranking]
    axes = sheet.axes(7.0, 1.1, _WIDTH - 7.0 - 1.4, 0.21 * len(ranking))
    rows = range(len(ranking))
    axes.barh(rows, means, height=0.62, color=[colour[genre] for genre in ranking])
    axes.set(xlim=(0, 1), xticks=[], ylim=(len(ranking) - 0.5, -0.5), facecolor="none")
    axes.set_yticks(rows, [_cut(genres[genre], 18) for genre in ranking], color=_TEXT)
    for place, name, texts in (
        (1.14, chance(inspection), [percent(mean) for mean in means]),
        (1.35, "votes", [str(votes[genres[genre]]) for genre in ranking]),
    ):
        axes.text(place, -0.75, name, ha="right", va="bottom", color=_QUIET)
        for row, text in enumerate(texts):
            axes.text(place, row, text, ha="right", va="center_baseline")


def _lines(verdict: str, is_genre: bool) -> list[str]:
    """A verdict as wide as there is room beside the chart."""
    if is_genre:
        return [_cut(verdict, 55)]
    return textwrap.wrap(_cut(verdict, 400), 72, max_lines=4, placeholder="…")


def _height(lines: list[str]) -> float:
    return 0.33 + 0.17 * len(lines)


def _cut(text: str, longest: int) -> str:
    text = safe(" ".join(text.split()))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _draw_wave(sheet: _Sheet, height: float, inspection: Inspection) -> Axes:
    axes = sheet.panel("Waveform", wave_note(inspection), height)
    low, high = envelope(inspection.sound.wave)
    times = np.linspace(0, inspection.duration_s, len(low))
    shape = axes.fill_between(times, low, high, color=_FAINT, linewidth=0)
    colour = colours(inspection)
    winners = [(colour[genre], 1.0) for genre in inspection.probabilities.argmax(axis=1)]
    picture = axes.imshow(
        shades_of(winners)[None],
        extent=(0, inspection.spans_s[-1][1], -1, 1),
        aspect="auto",
        interpolation="nearest",
        zorder=2,
    )
    picture.set_clip_path(shape.get_paths()[0], axes.transData)
    axes.set(ylim=(-1.03, 1.03), yticks=[])
    axes.grid(axis="x")
    return axes


def _draw_genres(sheet: _Sheet, height: float, inspection: Inspection, ranking: list[int]) -> Axes:
    axes = sheet.panel("Genre over time", genre_note(inspection), height)
    probabilities, colour = inspection.probabilities, colours(inspection)
    cells = [shades_of([(colour[genre], p) for p in probabilities[:, genre]]) for genre in ranking]
    axes.imshow(
        np.stack(cells),
        extent=(0, inspection.spans_s[-1][1], len(ranking) - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    axes.hlines(np.arange(1, len(ranking)) - 0.5, 0, inspection.duration_s, "white", linewidth=1.5)
    names = [_cut(inspection.names[genre], 12) for genre in ranking]
    axes.set_ylim(len(ranking) - 0.5, -0.5)
    axes.set_yticks(range(len(ranking)), names, color=_TEXT)
    return axes


def _draw_panel(sheet: _Sheet, height: float, panel: Picture | Lines, duration_s: float) -> Axes:
    axes = sheet.panel(panel.title, panel.note, height)
    if isinstance(panel, Picture):
        axes.imshow(
            panel.values,
            cmap=panel.shades,
            vmin=0,
            vmax=255,
            extent=(0, panel.share * duration_s, 0, 1),
            aspect="auto",
            origin="lower",
        )
    else:
        for (name, values), colour in zip(panel.lines, _LINE_COLOURS, strict=False):
            times = np.linspace(0, duration_s, len(values))
            axes.plot(times, values, color=colour, linewidth=1, label=name)
        axes.grid()
        if len(panel.lines) > 1:
            axes.legend(
                loc="lower right",
                bbox_to_anchor=(1, 1),
                ncols=len(panel.lines),
                frameon=False,
                borderaxespad=0.1,
            )
    axes.set_ylim(0, 1)
    axes.set_yticks([place for place, _ in panel.ticks], [mark for _, mark in panel.ticks])
    return axes
