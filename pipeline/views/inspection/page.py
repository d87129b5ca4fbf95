"""An inspection as one HTML page that needs no network.

Only pixels are pictures; text is text, so that it is readable on a phone and in the reader's
light or dark colours.
"""

from __future__ import annotations

import base64
import io
import math
import os
from typing import Any

import numpy as np

from genrebeam.model.backbones.subjects import by_subject
from genrebeam.pipeline.views.inspection.inspection import Inspection
from genrebeam.pipeline.views.inspection.panels import (
    Lines,
    Picture,
    envelope,
    panels,
    shades_of,
    to_bytes,
)
from genrebeam.pipeline.views.inspection.words import (
    GENERATOR,
    MOST_GENRES,
    chance,
    colours,
    facts,
    genre_note,
    heading,
    model_note,
    time_ticks,
    verdicts,
    wave_note,
)
from genrebeam.pipeline.views.terminal import clock
from genrebeam.pipeline.views.web_page import made_in, write_web_page
from genrebeam.transforms.records import printable


def write_page(path: str, inspection: Inspection) -> None:
    """Write the page: one HTML file of some 0.5 MB.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    ranking = inspection.ranking[:MOST_GENRES]
    duration, probabilities = inspection.duration_s, inspection.probabilities
    winners = probabilities.argmax(axis=1)
    genres, votes = inspection.names, inspection.mean.votes
    title, artist = heading(inspection)
    colour = colours(inspection)
    write_web_page(
        path,
        "inspection.html.j2",
        ["player.js", "inspection.js"],
        generator=GENERATOR,
        title=title,
        artist=artist,
        not_music=inspection.not_music,
        chance=chance(inspection),
        facts=facts(inspection),
        verdicts=verdicts(inspection),
        model_note=model_note(inspection),
        genres=[
            {
                "name": genres[genre],
                "colour": colour[genre],
                "mean": float(inspection.whole[genre]),
                "votes": votes[genres[genre]],
                "strip": _png_of_strip([(colour[genre], p) for p in probabilities[:, genre]]),
            }
            for genre in ranking
        ],
        sounds=by_subject(inspection.sounds),
        winners=_png_of_strip([(colour[genre], 1.0) for genre in winners]),
        decoded_share=inspection.spans_s[-1][1] / duration,
        wave=_outline(inspection.sound.wave),
        wave_note=wave_note(inspection),
        genre_note=genre_note(inspection),
        panels=[_shown(panel) for panel in panels(inspection)],
        ticks=[(seconds / duration, clock(seconds)) for seconds in time_ticks(duration)],
        data={
            "made_in": made_in(path),
            "path": printable(os.path.abspath(inspection.path)),
            "title": title,
            "duration": duration,
            "ends": [end for _, end in inspection.spans_s],
            "names": [genres[genre] for genre in ranking],
            "probabilities": np.round(probabilities[:, ranking], 3).astype(float).tolist(),
        },
    )


def _outline(wave: np.ndarray) -> str:
    """The waveform as an SVG path in a box of 1000 by 100, as loud as it can be."""
    low, high = envelope(wave)
    places = np.linspace(0, 1000, len(low))
    over = [f"{x:.1f},{y:.1f}" for x, y in zip(places, 50 - 49 * high, strict=True)]
    under = [f"{x:.1f},{y:.1f}" for x, y in zip(places, 50 - 49 * low, strict=True)]
    return f"M{'L'.join(over)}L{'L'.join(reversed(under))}Z"


def _course(values: np.ndarray) -> str:
    """A line as an SVG path in a box of 1000 by 100, interrupted where there is no value."""
    places = np.linspace(0, 1000, len(values))
    path, pen = [], "M"
    for x, y in zip(places, 100 - 100 * values, strict=True):
        if math.isnan(y):
            pen = "M"
        else:
            path.append(f"{pen}{x:.1f},{y:.1f}")
            pen = "L"
    return "".join(path)


def _shown(panel: Picture | Lines) -> dict[str, Any]:
    shown = {
        "title": panel.title,
        "note": panel.note,
        "height": panel.height,
        "ticks": panel.ticks,
    }
    if isinstance(panel, Lines):
        return {**shown, "lines": [(name, _course(values)) for name, values in panel.lines]}
    return {**shown, "picture": _png_of_picture(panel), "share": panel.share}


def _png_of_picture(panel: Picture) -> str:
    from matplotlib import colormaps
    from PIL import Image

    image = Image.fromarray(panel.values[::-1], "P")
    image.putpalette(colormaps[panel.shades](np.arange(256), bytes=True)[:, :3].tobytes())
    return _embedded(image)


def _png_of_strip(cells: list[tuple[str, float]]) -> str:
    """One pixel for each segment: a class's colour, the stronger the more probable."""
    from PIL import Image

    return _embedded(Image.fromarray(to_bytes(shades_of(cells))[None], "RGBA"))


def _embedded(image: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
