"""Subjects: what AudioSet's classes are about, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from genrebeam.model.backbones.mn04 import read_labels

SUBJECTS = ("kinds of music", "instruments", "voices", "mood", "other sounds")
# Classes in their order: AudioSet's ontology, branch by branch.
_CLASSES = {
    "voices": range(27, 38),
    "instruments": range(138, 216),
    "kinds of music": range(216, 276),
    "mood": range(276, 283),
}
# Classes that fit all music and so tell nothing.
_TRIVIAL = {"Music", "Musical instrument", "Plucked string instrument", "Song"}
# A class is shown where its score is at least this; scores of moods are low.
_LEAST = {"mood": 0.02, "other sounds": 0.1}
_LEAST_OF_OTHERS = 0.05
_MOST = 5
# A mood is written where its score is at least this, which few tracks reach (docs/tagging.md).
_LEAST_WRITTEN = 0.05


def moods(scores: np.ndarray) -> dict[str, float]:
    """All moods that AudioSet has classes for, such as ``Sad music``.

    Parameters
    ----------
    scores : np.ndarray
        ``(n_classes,)``: of all classes, in their order.

    Returns
    -------
    dict
        Class to score.
    """
    return dict(_named(scores, "mood"))


def likely_mood(found: Mapping[str, float]) -> str | None:
    """The mood to be written into a file.

    Parameters
    ----------
    found : mapping of str to float
        See `moods`.

    Returns
    -------
    str or None
        None where no mood stands out.

    Examples
    --------
    >>> likely_mood({"Sad music": 0.08, "Tender music": 0.06, "Happy music": 0.01})
    'Sad'
    """
    if not found:
        return None
    mood = max(found, key=lambda label: found[label])
    return mood.removesuffix(" music") if found[mood] >= _LEAST_WRITTEN else None


def instruments(scores: np.ndarray) -> dict[str, float]:
    """The instruments that are likely; see `moods`. The likeliest is first."""
    likely = [
        (label, score)
        for label, score in _named(scores, "instruments")
        if score >= _LEAST_OF_OTHERS and label not in _TRIVIAL
    ]
    return dict(sorted(likely, key=lambda one: -one[1]))


def _named(scores: np.ndarray, subject: str) -> Iterator[tuple[str, float]]:
    labels = read_labels()
    return ((labels[place], float(scores[place])) for place in _CLASSES[subject])


def subject_of(label: str) -> str:
    """What a class is about: one of `SUBJECTS`.

    Examples
    --------
    >>> subject_of("Banjo"), subject_of("Reggae"), subject_of("Speech")
    ('instruments', 'kinds of music', 'other sounds')
    """
    place = read_labels().index(label)
    return next((name for name, places in _CLASSES.items() if place in places), "other sounds")


def by_subject(sounds: Iterable[tuple[str, float]]) -> dict[str, list[tuple[str, float]]]:
    """The classes that tell something about a track, by subject.

    Parameters
    ----------
    sounds : iterable of (str, float)
        Label and score in 0..1, see `genrebeam.model.head.sounds_of`.

    Returns
    -------
    dict
        Subject, in the order of `SUBJECTS`, to at most five classes and their scores, likeliest
        first; subjects without a likely class are left out.
    """
    found: dict[str, list[tuple[str, float]]] = {subject: [] for subject in SUBJECTS}
    for label, score in sorted(sounds, key=lambda one: -one[1]):
        subject = subject_of(label)
        if label not in _TRIVIAL and score >= _LEAST.get(subject, _LEAST_OF_OTHERS):
            found[subject].append((label, score))
    return {subject: likely[:_MOST] for subject, likely in found.items() if likely}
