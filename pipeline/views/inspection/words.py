"""An inspection in words: the same on a terminal, on the page and in the picture."""

from __future__ import annotations

import math
import os

import numpy as np

from genrebeam.model.colours import colours_of
from genrebeam.pipeline.views.inspection.inspection import Inspection
from genrebeam.pipeline.views.terminal import clock, counted
from genrebeam.transforms.records import Decision, printable

# Stands near the beginning of each file that is ours, and so may be written anew.
GENERATOR = "genrebeam inspect"
# Genres that are shown: more cannot be distinguished.
MOST_GENRES = 12
# Styles of the likeliest family that are said, and the least probability of more than one.
_MOST_STYLES, _LEAST_STYLE = 3, 0.02
# Headers are seldom exact.
_LEAST_CUT_S = 2


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


def facts(inspection: Inspection) -> list[tuple[str, str]]:
    """What is known of the file: names and texts."""
    sound, tags = inspection.sound, inspection.tags
    channels = {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels} channels")
    genres = ", ".join(tags.genres or tags.shadow) or "none"
    length, promised = inspection.duration_s, inspection.header_s
    of_all = ""
    if promised is not None and length < promised - _LEAST_CUT_S:
        of_all = f" can be decoded of {clock(promised)}"
    return [
        ("Genre in the file", inspection.tags_error or genres),
        ("Length", clock(length) + of_all),
        ("Sound", f"{sound.sample_rate_hz / 1000:g} kHz {channels}"),
        ("File", printable(os.path.basename(inspection.path))),
    ]


def heading(inspection: Inspection) -> tuple[str, str]:
    """Title, or the file's name, and artist with album."""
    tags = inspection.tags
    title = tags.title or printable(os.path.splitext(os.path.basename(inspection.path))[0])
    return title, ", ".join(filter(None, (tags.artist, tags.album)))


def levels(inspection: Inspection, decision: Decision) -> str:
    """The likeliest family and its likeliest styles, each with its probability.

    Of genres without families the likeliest.
    """
    probabilities = decision.probabilities
    if decision.family is None:
        genre = max(probabilities, key=lambda name: probabilities[name])
        return f"{genre} {percent(probabilities[genre])}"
    family, sure = decision.family
    own = zip(inspection.bundle.genres, inspection.bundle.families, strict=True)
    styles = [(probabilities[genre], genre) for genre, of in own if of == family]
    text = f"{family} {percent(sure)}"
    if len(styles) == 1:
        return text
    likely = sorted(styles, reverse=True)[:_MOST_STYLES]
    # A family's name among its styles stands for what is none of the others.
    parts = [
        f"{'plain ' if style == family else ''}{style} {percent(p)}"
        for number, (p, style) in enumerate(likely)
        if number == 0 or p >= _LEAST_STYLE
    ]
    return f"family {text}; style {', '.join(parts)}"


def verdicts(inspection: Inspection) -> list[tuple[str, str, bool]]:
    """What ``genrebeam tag`` would write, why, and what all segments say.

    Each is a name, a text, and whether the text is a genre.
    """
    outcome, decision = inspection.outcome, inspection.outcome.decision
    writes = outcome.status == "would_tag"
    what = ", ".join(outcome.genres_after) if writes else "nothing"
    reason = f"{outcome.reason[0].upper()}{outcome.reason[1:]}."
    why = [reason]
    if inspection.not_music is None and decision is not None:
        why.append(f"These segments: {levels(inspection, decision)}.")
        if not writes and decision.genres and outcome.status == "kept":
            why.append(f"With --existing replace it would write {', '.join(decision.genres)}.")
    if decision is not None and outcome.status != "kept":
        # `tag` of this one file says the same; of a folder it knows more.
        why.append("With other files of its artist, album or folder, tag may decide otherwise.")
    found = [("genrebeam tag would write", what, writes), ("Why", " ".join(why), False)]
    if inspection.not_music is None:
        found.append((f"All {_segments(inspection)}", _of_all(inspection), False))
    return found


def _of_all(inspection: Inspection) -> str:
    """What all segments say, and why that may be something else."""
    mean, decision = inspection.mean, inspection.outcome.decision
    leader = max(mean.votes, key=lambda name: mean.votes[name])
    text = f"{levels(inspection, mean)}. "
    text += f"Most votes: {leader}, {mean.votes[leader]} of {len(inspection.probabilities)}."
    if decision is not None and _first(decision) != _first(mean):
        text += " This is not what tag says: the segments that it takes differ from the rest."
    return text


def _first(decision: Decision) -> str:
    """The likeliest family, or genre where there are no families."""
    if decision.family:
        return decision.family[0]
    return max(decision.probabilities, key=lambda name: decision.probabilities[name])


def colours(inspection: Inspection) -> list[str]:
    """A colour for each of `Inspection.names`."""
    return colours_of(inspection.names)


def chance(inspection: Inspection) -> str:
    """What the probability of the whole track is called, in a word."""
    return "mean" if inspection.overall is None else "overall"


def _segments(inspection: Inspection) -> str:
    n_segments = len(inspection.probabilities)
    return counted(n_segments, "segment")


def model_note(inspection: Inspection) -> str:
    """The model, and how much of the track it analysed."""
    bundle, few = inspection.bundle, inspection.bundle.n_segments
    note = f"{bundle.name} {bundle.version}: {_segments(inspection)}"
    if len(inspection.probabilities) > few:
        note += f", all there are; genrebeam tag takes {few} of them by default"
    return f"{note}."


def wave_note(inspection: Inspection) -> str:
    """What the waveform shows."""
    peak = max(float(np.abs(inspection.sound.wave).max()), 1e-6)
    level = f"{20 * math.log10(peak):.1f}".replace("-", "\N{MINUS SIGN}")
    kind = _kind(inspection)
    return f"Each segment has the colour of its likeliest {kind}. Peak {level} dBFS."


def _kind(inspection: Inspection) -> str:
    return "family" if inspection.families else "genre"


def genre_note(inspection: Inspection) -> str:
    """What the picture of genres over time shows."""
    spec, kind = inspection.bundle.features, _kind(inspection)
    left_out = len(inspection.names) - MOST_GENRES
    around = ", each averaged with its neighbours" if spec.backbone else ""
    note = (
        f"Segments of {spec.segment_seconds:.1f} s{around}: "
        f"the stronger the colour, the more probable the {kind}."
    )
    return note if left_out <= 0 else f"{note} The {left_out} least probable are not shown."
