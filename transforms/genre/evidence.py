"""Evidence: the genres that other files of the library have already.

An artist's tracks agree, mostly, and so do those of an album and of a folder. What their tags say
is weighed against what the network says of a track without a genre. A genre that GenreBeam gave
itself is no evidence: it must not confirm its own mistakes.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genrebeam.model.bundle import Bundle
from genrebeam.model.genres import join_columns, key_of, places_of
from genrebeam.model.vocabulary import FAMILIES, meant_by
from genrebeam.transforms.genre.together import album_of, artist_of, folder_of
from genrebeam.transforms.records import (
    CATCH_ALL,
    Decision,
    Evidence,
    Outcome,
    Prediction,
    Status,
    Track,
    printable,
)

# What a track can share with others, and how much their genres count: learned by
# benchmarks/quality/library_evidence.py, from what heads that knew none of the artists said.
WEIGHTS = {"artist": 1.0, "album": 1.0, "folder": 0.8}
# With this many tagged files, half of the trust that any number would have.
_HALF_TRUST = 1.0
_MOST_TRUST = 0.9
# If two files are less likely to agree, they are a heap, which says nothing.
_LEAST_AGREEMENT = 0.25
_LEAST_PROBABILITY = 1e-12
_SEVERAL = re.compile(r"[;/,|&+]")
_NO_GENRES = frozenset(map(key_of, CATCH_ALL))

Counts = dict[str, float]


@dataclass(frozen=True)
class ModelGenres:
    """The genres that a model can tell.

    Parameters
    ----------
    names : tuple of str
        In the order of its classes.
    families : tuple of str
        Of each; empty where genres have none.
    """

    names: tuple[str, ...]
    families: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """What each genre counts as when tracks are compared."""
        return self.families or self.names

    @classmethod
    def of(cls, bundle: Bundle) -> ModelGenres:
        """Those of a model."""
        return cls(bundle.genres, bundle.families)


def genres_named(tags: Iterable[str], known: ModelGenres) -> Counts:
    """What the genres in a file's tag say, as genres of a model.

    Returns
    -------
    dict
        Genre to share of the file, 1 in all. Empty where no tag names a genre that is known.

    Examples
    --------
    >>> genres_named(["Punk/Jazz"], ModelGenres(("Rock", "Punk", "Jazz"), ("Rock", "Rock", "Jazz")))
    {'Punk': 0.5, 'Jazz': 0.5}
    """
    named = [names for tag in tags for names in _named(tag, known)]
    counts: dict[str, float] = defaultdict(float)
    for names in named:
        by_group: dict[str, list[str]] = defaultdict(list)
        for name in names:
            by_group[known.groups[known.names.index(name)]].append(name)
        for alike in by_group.values():
            for name in alike:
                counts[name] += 1 / (len(named) * len(by_group) * len(alike))
    return dict(counts)


@functools.lru_cache(maxsize=10_000)
def _named(tag: str, known: ModelGenres) -> tuple[tuple[str, ...], ...]:
    """The genres that each genre in a tag's text may be."""
    whole = _meant(tag, known)
    if whole:
        return (whole,)
    return tuple(filter(None, (_meant(part, known) for part in _SEVERAL.split(tag))))


def _meant(name: str, known: ModelGenres) -> tuple[str, ...]:
    """The model's genres of that name, else those that it is a synonym of, else of its family."""
    key = key_of(name)
    if not key or key in _NO_GENRES:
        return ()
    by_key = {key_of(genre): genre for genre in known.names}
    if key in by_key:
        return (by_key[key],)
    meant = [genre for genre in meant_by(name) if genre in known.names]
    if meant:
        return tuple(meant)
    families = {key, *(key_of(FAMILIES[genre]) for genre in meant_by(name))}
    own = [by_key[family] for family in sorted(families) if family in by_key]
    if own:
        return tuple(own)
    pairs = zip(known.names, known.groups, strict=True)
    return tuple(genre for genre, group in pairs if key_of(group) in families)


def counts_of(outcome: Outcome, known: ModelGenres) -> Iterator[tuple[str, Counts]]:
    """What a file whose genre stays says of those that share something with it.

    Yields
    ------
    tuple of str and dict
        What they share (see `keys_of`), and the file's genres. Nothing if it has none, or if
        GenreBeam gave it those that it has.
    """
    stays = outcome.status in (Status.KEPT, Status.UNCHANGED)
    ours = outcome.decided_by or outcome.track.tags.custom
    genres = genres_named(outcome.genres_after, known) if stays and not ours else {}
    if genres:
        for key in keys_of(outcome.track).values():
            yield key, genres


def keys_of(track: Track) -> dict[str, str]:
    """What a track may share with others: kind of evidence to key.

    Parameters
    ----------
    track : Track
        Whose header was read.
    """
    keys = {
        "artist": artist_of(track),
        "album": album_of(track) if track.tags.album else None,
        "folder": folder_of(track),
    }
    return {kind: key for kind, key in keys.items() if key}


def key_by(track: Track, kind: str) -> str:
    """What a track shares with others by one kind of evidence; a key of its own for nothing."""
    return keys_of(track).get(kind) or printable(f"{kind}\0\0{track.uri}")


def is_key_of(counts: tuple[str, Counts], kind: str) -> bool:
    """Whether these counts are of files that share this kind."""
    return counts[0].startswith(f"{kind}\0")


def note_evidence(matched: tuple[str, Mapping[str, Iterable]], kind: str) -> Iterator[Track]:
    """Note in tracks what files that share a key with them tell.

    Parameters
    ----------
    matched : tuple of str and mapping
        The key; ``tracks``, and ``evidence`` as `added` gives it.
    """
    _, found = matched
    counts = added(found["counts"])
    for track in found["tracks"]:
        yield with_evidence(track, kind, counts)


def added(counts: Iterable[Mapping[str, float]]) -> Counts:
    """Counts of several files together."""
    total: dict[str, float] = defaultdict(float)
    for one in counts:
        for genre, files in one.items():
            total[genre] += files
    return dict(total)


class LibraryGenres:
    """Counts the genres of a library's files by what they share; no file is held in memory."""

    def __init__(self, known: ModelGenres) -> None:
        self.known = known
        self._counts: dict[str, Counts] = {}

    def add(self, outcome: Outcome) -> None:
        """Count a file (see `counts_of`)."""
        for key, genres in counts_of(outcome, self.known):
            self._counts[key] = added((self._counts.get(key, {}), genres))

    def counts(self) -> Iterator[tuple[str, Counts]]:
        """What all files say together, as `counts_of` does of one."""
        return iter(self._counts.items())


def with_evidence(track: Track, kind: str, counts: Mapping[str, float] | None) -> Track:
    """Note in a track the genres of those that share its artist, its album or its folder."""
    if not counts:
        return track
    evidence = Evidence(kind, tuple(sorted(counts.items())))
    return dataclasses.replace(track, evidence=(*track.evidence, evidence))


def decide_with_library(
    prediction: Prediction, decide: Callable[[Prediction], Decision], known: ModelGenres
) -> Decision:
    """Decide a track's genres by its sound and by those of the library's other files.

    Parameters
    ----------
    prediction : Prediction
        Its track has the evidence.
    decide : callable
        See `genrebeam.transforms.genre.vote.decide`.

    Returns
    -------
    Decision
        Of the sound alone, where there is no evidence or it is no music.
    """
    alone = decide(prediction)
    evidence = prediction.track.evidence
    if not evidence or prediction.not_music is not None:
        return alone
    both = decide(weighed(prediction, evidence, known))
    if both.genres == alone.genres:
        return dataclasses.replace(both, votes=alone.votes, family_alone=alone.family)
    decided_by, enough = "several", evidence
    for one in sorted(evidence, key=lambda one: -WEIGHTS[one.kind]):
        if decide(weighed(prediction, (one,), known)).genres == both.genres:
            decided_by, enough = one.kind, (one,)
            break
    said = "; ".join(_said(one) for one in enough)
    return dataclasses.replace(
        both,
        reason=f"{both.reason}; {said}; by its sound alone: {_by_sound(alone)}",
        votes=alone.votes,
        decided_by=decided_by,
        family_alone=alone.family,
    )


def _said(evidence: Evidence) -> str:
    genre, files = max(evidence.genres, key=lambda pair: pair[1])
    total = evidence.n_files
    return f"{genre} in {files:.0f} of {total:.0f} other tagged files of its {evidence.kind}"


def _by_sound(alone: Decision) -> str:
    if alone.genres:
        return f"{', '.join(alone.genres)} {alone.confidence:.2f}"
    return f"{alone.family[0]} {alone.family[1]:.2f}" if alone.family else alone.reason


def weighed(prediction: Prediction, evidence: Sequence[Evidence], known: ModelGenres) -> Prediction:
    """What the network says of a track, with evidence.

    The log-odds of each family, and of each style within its family, grow with its share of the
    tagged files. Evidence counts more with more files, and less the more they disagree.
    """
    overall = prediction.overall
    if overall is None:
        overall = prediction.probabilities.mean(axis=0)
    rows = np.concatenate([prediction.probabilities, overall[None]]).astype(np.float64)
    rows = np.maximum(rows, _LEAST_PROBABILITY)
    ratios = np.stack([WEIGHTS[one.kind] * _log_ratios(one, known) for one in evidence])
    for_family, for_style = ratios.sum(axis=0)
    place = places_of(known.groups)
    families = join_columns(rows, known.groups)[0]
    styles = rows / families[:, place] * np.exp(for_style)
    styles /= join_columns(styles, known.groups)[0][:, place]
    joint = families[:, place] * np.exp(for_family) * styles
    rows = (joint / joint.sum(axis=1, keepdims=True)).astype(np.float32)
    return dataclasses.replace(prediction, probabilities=rows[:-1], overall=rows[-1])


def _log_ratios(evidence: Evidence, known: ModelGenres) -> np.ndarray:
    """How much likelier evidence makes each genre's family, and it within its family.

    Returns
    -------
    np.ndarray
        ``(2, n_genres) float64``, logarithms; 0 where it says nothing.
    """
    counts = dict(evidence.genres)
    files = np.array([counts.get(name, 0.0) for name in known.names])
    place = places_of(known.groups)
    by_family = join_columns(files[None], known.groups)[0][0]
    for_family = log_ratio(by_family)[place]
    for_style = np.zeros(len(files))
    for number in np.flatnonzero(by_family):
        for_style[place == number] = log_ratio(files[place == number])
    return np.stack([for_family, for_style])


def log_ratio(files: np.ndarray) -> np.ndarray:
    """How much likelier tagged files make each of several genres, against not knowing.

    Parameters
    ----------
    files : np.ndarray
        ``(..., n)``: how many files have each.

    Returns
    -------
    np.ndarray
        ``(..., n)``, logarithms; 0 without files. With trust `t`, which grows with the number of
        files and is less if two of them are likely to differ, the genre is one of the files' in
        `t` of all cases, and any in the others.

    Examples
    --------
    >>> log_ratio(np.array([2.0, 0.0, 0.0])).round(2).tolist()
    [0.79, -0.92, -0.92]
    """
    total = files.sum(axis=-1, keepdims=True)
    share = files / np.maximum(total, _LEAST_PROBABILITY)
    agreement = np.maximum((share**2).sum(axis=-1, keepdims=True) - _LEAST_AGREEMENT, 0)
    agreement /= 1 - _LEAST_AGREEMENT
    trust = _MOST_TRUST * total / (total + _HALF_TRUST) * agreement
    return np.log(files.shape[-1] * trust * share + 1 - trust)
