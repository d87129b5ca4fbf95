"""What an inspection looks like: one HTML page that needs no network, or one PNG.

Both draw the same panels over the same time axis. In the page only pixels are pictures;
text is text, so that it is readable on a phone and in the reader's light or dark colours.
Names come from people's tags and may hold anything: jinja2 escapes them, and matplotlib
is told that no text is a formula.
"""

from __future__ import annotations

import base64
import io
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.colours import colour_of
from model.pretrained.subjects import by_subject
from pipeline import __version__
from pipeline.views.inspection import Inspection
from pipeline.views.terminal import safe
from transforms.records import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stands near the beginning of each file that is ours, and so may be written anew.
GENERATOR = "genrebeam inspect"

# Genres that are shown: more cannot be told apart.
MOST_GENRES = 12
# Columns of what changes with every frame: fewer than measured, so that its course shows.
_PICTURE_COLUMNS, _LINE_POINTS = 800, 400
_MEL_COLUMNS = 4000
# Styles of the likeliest family that are told, and the least probability of more than one.
_MOST_STYLES, _LEAST_STYLE = 3, 0.02
# Headers are seldom exact.
_LEAST_CUT_S = 2


def clock(seconds: float) -> str:
    """A time as players show it.

    Examples
    --------
    >>> clock(189.3), clock(3725)
    ('3:09', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def percent(probability: float) -> str:
    """A probability as people read it.

    Examples
    --------
    >>> percent(0.614)
    '61 %'
    """
    return f"{100 * probability:.0f} %"


def time_ticks(duration_s: float, most: int = 7) -> list[float]:
    """Round times from the start to near the end of a track, in s.

    Examples
    --------
    >>> time_ticks(189.3)
    [0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0]
    """
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
    step = next((s for s in steps if duration_s / s <= most), 3600.0)
    step *= math.ceil(duration_s / step / most)
    return [float(step * i) for i in range(int(duration_s / step) + 1)]


# --- panels: described once, drawn twice --------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A panel of pixels over time.

    Parameters
    ----------
    title, note : str
    height : float
        In lines of text, about.
    values : np.ndarray
        ``(n_rows, n_columns) uint8``, lowest row first.
    shades : str
        matplotlib's name of the colours.
    share : float
        How much of the track it covers, from the start.
    ticks : list of (float, str)
        Places from 0 (bottom) to 1, and what stands there.
    """

    title: str
    note: str
    height: float
    values: np.ndarray
    shades: str
    share: float
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Lines:
    """A panel of lines over time.

    Parameters
    ----------
    title, note : str
    height : float
        As in `Picture`.
    lines : list of (str, np.ndarray)
        Name and ``(n_columns,) float`` in 0..1, NaN where there is nothing to tell.
    ticks : list of (float, str)
        As in `Picture`.
    """

    title: str
    note: str
    height: float
    lines: list[tuple[str, np.ndarray]]
    ticks: list[tuple[float, str]]


def panels(inspection: Inspection) -> list[Picture | Lines]:
    """What is shown under the genres.

    Parameters
    ----------
    inspection : Inspection

    Returns
    -------
    list of Picture or Lines
    """
    sound, spec = inspection.sound, inspection.drawn
    if inspection.bundle.features.ears:
        mel, share = sound.mel_db / spec.top_db + 1, 1.0
        note = "As people draw it; each network hears bands of its own"
    elif spec.kind == "log_mel":
        mel = np.concatenate(sound.segments, axis=1).astype(np.float32)
        mel = mel[:, : max(1, round(inspection.duration_s / spec.frame_seconds))]
        share = min(1.0, mel.shape[1] * spec.frame_seconds / inspection.duration_s)
        note = "What the network is fed, number for number"
    else:
        mel, share = sound.mel_db / spec.top_db + 1, 1.0
        note = "The network is fed numbers drawn from it"
    rows = np.arange(spec.n_mels)
    highest = sound.band_hz[-1]
    mel_ticks = [
        (float(np.interp(hz, sound.band_hz, rows) + 0.5) / spec.n_mels, _kilohertz(hz))
        for hz in (250, 1000, 2000, 4000, 8000, 16000)
        if hz < highest
    ]
    timbre = sound.mfcc[1:]  # the first is the level, as the waveform shows it
    timbre = timbre - timbre.mean(axis=1, keepdims=True)
    timbre /= np.maximum(timbre.std(axis=1, keepdims=True), 1e-9)
    n_timbre = len(timbre)
    frequencies, frequency_ticks = _scaled([sound.rolloff_hz, sound.centroid_hz], _kilohertz)
    crossings, crossing_ticks = _scaled([sound.zero_crossings_hz], "{:,}".format)
    return [
        Picture(
            "Mel spectrogram",
            f"{note}: {spec.n_mels} mel bands, brighter is louder.",
            10.0,
            _bytes(_columns(mel, _MEL_COLUMNS)),
            "magma",
            share,
            mel_ticks,
        ),
        Picture(
            "MFCC",
            "The spectrum's shape as 19 coefficients, slow ripples at the bottom, each against "
            "its own mean.",
            7.0,
            _bytes(_columns(timbre, _PICTURE_COLUMNS) / 5 + 0.5),
            "viridis",
            1.0,
            [((n - 0.5) / n_timbre, str(n)) for n in (1, 5, 10, 15)],
        ),
        Picture(
            "Chroma",
            "How strong each pitch class is, whatever its octave.",
            7.0,
            _bytes(_columns(sound.chroma, _PICTURE_COLUMNS)),
            "magma",
            1.0,
            [((row + 0.5) / 12, name) for row, name in ((0, "C"), (4, "E"), (7, "G"), (11, "B"))],
        ),
        Lines(
            "Spectral rolloff and centroid",
            "85 % of the spectrum lies below the rolloff; the centroid is its centre.",
            6.5,
            list(zip(("rolloff", "centroid"), frequencies, strict=True)),
            frequency_ticks,
        ),
        Lines(
            "Zero crossings",
            "Changes of sign per second: many in noise and cymbals, few in low tones.",
            5.0,
            [("zero crossings", crossings[0])],
            crossing_ticks,
        ),
    ]


def _kilohertz(hz: float) -> str:
    return f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz"


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)


def _columns(values: np.ndarray, most: int) -> np.ndarray:
    """At most so many columns, each the mean of those that it stands for."""
    n = values.shape[-1]
    if n <= most:
        return values
    starts = np.arange(most) * n // most
    return np.add.reduceat(values, starts, axis=-1) / np.diff(starts, append=n)


def _scaled(
    courses: list[np.ndarray], name: Callable[[float], str]
) -> tuple[list[np.ndarray], list[tuple[float, str]]]:
    """Courses as parts of a little more than their highest value, and round ticks for it."""
    courses = [_columns(course, _LINE_POINTS) for course in courses]
    top = 1.05 * max(float(np.max(course, initial=1, where=course > 0)) for course in courses)
    step = next(s for s in (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000) if top / s <= 5)
    ticks = [(value / top, name(value)) for value in range(step, math.ceil(top), step)]
    return [course / top for course in courses], ticks


def facts(inspection: Inspection) -> list[tuple[str, str]]:
    """What is known of the file: names and texts."""
    audio, tags = inspection.sound.audio, inspection.tags
    channels = {1: "mono", 2: "stereo"}.get(audio.channels, f"{audio.channels} channels")
    genres = ", ".join(tags.genres or tags.shadow) or "none"
    length, promised = inspection.duration_s, inspection.header_s
    is_cut = promised is not None and length < promised - _LEAST_CUT_S
    return [
        ("Genre in the file", inspection.tags_error or genres),
        ("Length", clock(length) + (f" can be decoded of {clock(promised)}" if is_cut else "")),
        ("Sound", f"{audio.sample_rate_hz / 1000:g} kHz {channels}"),
        ("File", printable(os.path.basename(inspection.path))),
    ]


def heading(inspection: Inspection) -> tuple[str, str]:
    """Title, or the file's name, and artist with album."""
    tags = inspection.tags
    title = tags.title or printable(os.path.splitext(os.path.basename(inspection.path))[0])
    return title, ", ".join(filter(None, (tags.artist, tags.album)))


def levels(inspection: Inspection) -> str:
    """The likeliest family and its likeliest styles, each with its probability."""
    family, sure = inspection.mean.family
    probabilities = inspection.mean.probabilities
    own = zip(inspection.bundle.genres, inspection.bundle.families, strict=True)
    styles = [(probabilities[genre], genre) for genre, of in own if of == family]
    text = f"{family} {percent(sure)}"
    if len(styles) == 1:
        return text
    likely = sorted(styles, reverse=True)[:_MOST_STYLES]
    # A family's name among its styles stands for what is none of the others.
    told = [
        f"{'plain ' if style == family else ''}{style} {percent(p)}"
        for number, (p, style) in enumerate(likely)
        if number == 0 or p >= _LEAST_STYLE
    ]
    return f"{text}: {', '.join(told)}"


def verdicts(inspection: Inspection) -> list[tuple[str, str, bool]]:
    """What both rules of the vote decide: rule, text, and whether there is a genre.

    Of what is no music there is nothing to decide.
    """
    if inspection.not_music is not None:
        return [("Genre", f"Not music: {inspection.not_music}", False)]
    mean, majority = inspection.mean, inspection.majority
    by_mean, by_majority = (f"{d.reason[0].upper()}{d.reason[1:]}" for d in (mean, majority))
    if mean.genres:
        by_mean = f"{mean.genres[0]}, {percent(mean.confidence)}"
    if majority.genres:
        # Votes are for families, where genres have any.
        n_votes = majority.votes[majority.family[0] if majority.family else majority.genres[0]]
        by_majority = f"{majority.genres[0]}, {n_votes} of {_segments(inspection)}"
    found = [
        (f"By {chance(inspection)} probability", by_mean, bool(mean.genres)),
        ("By majority vote", by_majority, bool(majority.genres)),
    ]
    # Told, not decided: what is written is above.
    return [*found, ("Family and style", levels(inspection), False)] if mean.family else found


def colours(inspection: Inspection) -> list[str]:
    """A colour for each of `Inspection.names`.

    Families are more than there are colours: the likeliest of a track get one each.
    """
    n_names = len(inspection.names)
    if not inspection.families:
        return [colour_of(name) for name in range(n_names)]
    found = [""] * n_names
    for place, name in enumerate(inspection.ranking):
        found[name] = colour_of(place)
    return found


def chance(inspection: Inspection) -> str:
    """What the probability of the whole track is called, in a word."""
    return "mean" if inspection.overall is None else "overall"


def _segments(inspection: Inspection) -> str:
    n_segments = len(inspection.probabilities)
    return f"{n_segments} segment{'' if n_segments == 1 else 's'}"


def _heard_by(inspection: Inspection) -> str:
    bundle, few = inspection.bundle, inspection.bundle.n_segments
    note = f"Heard by {bundle.name} {bundle.version}: {_segments(inspection)}"
    if len(inspection.probabilities) > few:
        note += f", all there are; genrebeam tag hears {few} of them unless told otherwise"
    return f"{note}."


# --- the page -----------------------------------------------------------------------------


def write_page(path: str, inspection: Inspection) -> None:
    """Write the page: one HTML file of some 0.5 MB.

    Parameters
    ----------
    path : str
    inspection : Inspection

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline.views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ranking = inspection.ranking[:MOST_GENRES]
    duration, probabilities = inspection.duration_s, inspection.probabilities
    winners = probabilities.argmax(axis=1)
    genres, votes = inspection.names, inspection.mean.votes
    title, artist = heading(inspection)
    colour = colours(inspection)
    environment.filters["percent"] = percent
    page = environment.get_template("inspection.html.j2").render(
        generator=GENERATOR,
        version=__version__,
        title=title,
        artist=artist,
        not_music=inspection.not_music,
        chance=chance(inspection),
        facts=facts(inspection),
        verdicts=[] if inspection.not_music else verdicts(inspection),
        heard_by=_heard_by(inspection),
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
        words=by_subject(inspection.words),
        winners=_png_of_strip([(colour[genre], 1.0) for genre in winners]),
        heard_share=inspection.spans_s[-1][1] / duration,
        wave=_outline(inspection.sound.wave),
        wave_note=_wave_note(inspection),
        genre_note=_genre_note(inspection),
        panels=[_shown(panel) for panel in panels(inspection)],
        ticks=[(seconds / duration, clock(seconds)) for seconds in time_ticks(duration)],
        courses={
            "duration": duration,
            "ends": [end for _, end in inspection.spans_s],
            "names": [genres[genre] for genre in ranking],
            "probabilities": np.round(probabilities[:, ranking], 3).astype(float).tolist(),
        },
    )
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(page)


def _wave_note(inspection: Inspection) -> str:
    peak = max(float(np.abs(inspection.sound.wave).max()), 1e-6)
    level = f"{20 * math.log10(peak):.1f}".replace("-", "\N{MINUS SIGN}")
    kind = _kind(inspection)
    return f"In the colour of the {kind} that each segment is taken for. Peak {level} dBFS."


def _kind(inspection: Inspection) -> str:
    return "family" if inspection.families else "genre"


def _genre_note(inspection: Inspection) -> str:
    spec, kind = inspection.bundle.features, _kind(inspection)
    left_out = len(inspection.names) - MOST_GENRES
    around = ", each told together with its neighbours" if spec.ears else ""
    note = (
        f"Segments of {spec.segment_seconds:.1f} s{around}: "
        f"the stronger the colour, the more probable the {kind}."
    )
    return note if left_out <= 0 else f"{note} The {left_out} least probable are not shown."


def _outline(wave: np.ndarray) -> str:
    """The waveform as an SVG path in a box of 1000 by 100, as loud as it can be."""
    low, high = _envelope(wave)
    places = np.linspace(0, 1000, len(low))
    over = [f"{x:.1f},{y:.1f}" for x, y in zip(places, 50 - 49 * high, strict=True)]
    under = [f"{x:.1f},{y:.1f}" for x, y in zip(places, 50 - 49 * low, strict=True)]
    return f"M{'L'.join(over)}L{'L'.join(reversed(under))}Z"


def _envelope(wave: np.ndarray) -> np.ndarray:
    """The waveform as loud as it can be, and never thinner than a hair."""
    loudest = float(np.abs(wave).max()) or 1.0
    return np.stack([np.minimum(wave[0] / loudest, -0.005), np.maximum(wave[1] / loudest, 0.005)])


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

    return _embedded(Image.fromarray(_bytes(_shades_of(cells))[None], "RGBA"))


def _shades_of(cells: list[tuple[str, float]]) -> np.ndarray:
    """``(n, 4) float`` of red, green, blue and opacity."""
    rows = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour, _ in cells]
    return np.column_stack([rows, [_opacity(p) for _, p in cells]])


def _opacity(probability: float) -> float:
    # Not linear: one of ten genres has 0.1 by chance, which shall show.
    return probability**0.7


def _embedded(image: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


# --- the picture --------------------------------------------------------------------------

# Sizes in inches.
_WIDTH, _LEFT, _RIGHT, _LINE = 11.0, 0.95, 0.4, 0.17
_TEXT, _QUIET, _GRID, _SURFACE, _FAINT = "#1b1f26", "#59616e", "#dfe2e7", "#f6f7f9", "#b9bfc9"
_LINE_COLOURS = ("#c25400", "#1f6fb2")


def write_png(path: str, inspection: Inspection) -> None:
    """Write the picture: one PNG of some 1 MB, 1650 pixels wide.

    Parameters
    ----------
    path : str
    inspection : Inspection

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from matplotlib import rc_context

    style = {
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
        figure.savefig(
            path, format="png", dpi=150, metadata={"Software": f"{GENERATOR} {__version__}"}
        )


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
    texts = 0.5 * len(verdicts(inspection)) + 0.21 * len(facts(inspection))
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
    sheet.text(_LEFT, 0.4, _heard_by(inspection), color=_QUIET)
    return sheet.figure


def _draw_head(sheet: _Sheet, inspection: Inspection, ranking: list[int]) -> None:
    title, artist = heading(inspection)
    sheet.text(_LEFT, 0.3, _cut(title, 60), size=17, weight="bold")
    sheet.text(_LEFT, 0.65, _cut(artist, 110), size=10, color=_QUIET)
    down = 1.0
    for rule, verdict, decided in verdicts(inspection):
        sheet.text(_LEFT, down, rule, color=_QUIET)
        size, longest = (14, 55) if decided else (10, 64)
        sheet.text(_LEFT, down + 0.16, _cut(verdict, longest), size=size, weight="bold")
        down += 0.5
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


def _cut(text: str, longest: int) -> str:
    text = safe(" ".join(text.split()))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _draw_wave(sheet: _Sheet, height: float, inspection: Inspection) -> Axes:
    axes = sheet.panel("Waveform", _wave_note(inspection), height)
    low, high = _envelope(inspection.sound.wave)
    times = np.linspace(0, inspection.duration_s, len(low))
    shape = axes.fill_between(times, low, high, color=_FAINT, linewidth=0)
    colour = colours(inspection)
    winners = [(colour[genre], 1.0) for genre in inspection.probabilities.argmax(axis=1)]
    picture = axes.imshow(
        _shades_of(winners)[None],
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
    axes = sheet.panel("Genre over time", _genre_note(inspection), height)
    probabilities, colour = inspection.probabilities, colours(inspection)
    cells = [_shades_of([(colour[genre], p) for p in probabilities[:, genre]]) for genre in ranking]
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
