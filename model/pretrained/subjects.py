"""Subjects: what the ears' words are about, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable

from genrebeam.model.pretrained.ears import EARS

# YAMNet's classes in their order: AudioSet's ontology, branch by branch.
_OF_YAMNET = (
    ("voices", range(24, 33)),
    ("instruments", range(133, 210)),
    ("kinds of music", range(210, 271)),
    ("mood", range(271, 277)),
)
_OF_MUSICNN = {
    "voices": {"female vocalists", "male vocalists", "female vocalist"},
    "instruments": {"instrumental", "acoustic", "guitar"},
    "time": {"00s", "oldies", "60s", "70s", "80s", "90s"},
    "mood": {
        *("beautiful", "chillout", "Mellow", "chill", "party", "easy listening", "sexy", "catchy"),
        *("sad", "happy"),
    },
}
SUBJECTS = ("kinds of music", "instruments", "voices", "mood", "time", "other sounds")
# Words that fit all music and so tell nothing.
_TRIVIAL = {
    *("Music", "Musical instrument", "Plucked string instrument", "Song", "Inside, small room"),
}
# A word is shown where its score is at least this; YAMNet's scores of music are low.
_LEAST = {"yamnet": 0.05, "musicnn_msd": 0.08, "musicnn_mtt": 0.08}
_LEAST_OF_YAMNET = {"kinds of music": 0.02, "instruments": 0.015, "voices": 0.015, "mood": 0.01}
_MOST = 5


def subject_of(ear: str, word: str) -> str:
    """What a word of an ear is about: one of `SUBJECTS`.

    Examples
    --------
    >>> subject_of("yamnet", "Banjo"), subject_of("musicnn_msd", "80s")
    ('instruments', 'time')
    """
    if ear == "yamnet":
        place = EARS[ear].words.index(word)
        return next((name for name, places in _OF_YAMNET if place in places), "other sounds")
    return next((name for name, words in _OF_MUSICNN.items() if word in words), "kinds of music")


def by_subject(
    words: Iterable[tuple[str, str, float]],
) -> dict[str, list[tuple[str, float]]]:
    """The words that tell something about a track, by subject.

    Parameters
    ----------
    words : iterable of (str, str, float)
        Ear, word and score in 0..1, see `genrebeam.model.head.words_of`.

    Returns
    -------
    dict
        Subject, in the order of `SUBJECTS`, to at most five words and their scores, likeliest
        first; subjects of which nothing is said are left out.
    """
    found: dict[str, dict[str, float]] = {subject: {} for subject in SUBJECTS}
    for ear, word, score in words:
        subject = subject_of(ear, word)
        least = _LEAST_OF_YAMNET.get(subject) if ear == "yamnet" else None
        if word not in _TRIVIAL and score >= (least or _LEAST[ear]):
            said = found[subject]
            # Both ears may say the same, with other capitals.
            key = next((other for other in said if other.casefold() == word.casefold()), word)
            said[key] = max(score, said.get(key, 0.0))
    ranked = {
        subject: sorted(said.items(), key=lambda one: -one[1])[:_MOST]
        for subject, said in found.items()
    }
    return {subject: said for subject, said in ranked.items() if said}
