"""Together: the tracks of an album, or of an artist, vote for one genre.

A compilation has no genre of its own, and an album may have a track that is unlike the rest. So
only tracks that sound alike vote together, by their embeddings; the others keep their own genre.
"""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from genrebeam.model.calibration import softmax
from genrebeam.model.genres import join_columns, places_of
from genrebeam.transforms.records import Decision, Group, Prediction, Track, printable

# Larger groups are no albums but heaps of files; each of their tracks votes alone. A run that is
# stopped loses the groups that are not complete.
MOST_TOGETHER = {"album": 100, "artist": 1000}
# Least mean cosine of a track's embedding with those of its group, by the backbone that comes with
# genrebeam. Measured with benchmarks/quality/albums.py: albums are right for 98 % of their tracks
# in place of 90 %, and compilations lose less than a point.
LEAST_LIKENESS = 0.2
# Of files in a folder that say neither album nor artist: it may be a heap of downloads. With this
# no compilation of the same measurement votes together.
_LEAST_UNTITLED = 0.3
# If fewer are alike, it is a compilation.
_LEAST_SHARE = 2 / 3
# How much surer n tracks that agree are than one: their mean log-probabilities of families count
# 1 + this * ln(n) times. Less than measured, so that what is written is right at least as often.
_SURER = 0.3
_LEAST_PROBABILITY = 1e-9

_VARIOUS = frozenset({"various", "various artists", "va", "v.a.", "diverse", "verschiedene"})
_DISC = r"(?:cd|dis[ck]|disque)[ _.#-]*\d+"
_DISC_OF_TITLE = re.compile(rf"[\s,:;([-]+{_DISC}\b.*$", re.IGNORECASE)
_DISC_FOLDER = re.compile(rf"{_DISC}\b.*", re.IGNORECASE)


def album_of(track: Track) -> str:
    """What the tracks of an album share: album artist and title, or folder and artist.

    Discs of one album count as one, whether the title or the folder numbers them.

    Parameters
    ----------
    track : Track
        Whose header was read.

    Returns
    -------
    str
        Text for comparing.
    """
    title = _plain(track.tags.album)
    title = _DISC_OF_TITLE.sub("", title) or title
    artist = _plain(track.tags.album_artist)
    if title and artist and artist not in _VARIOUS:
        return f"album\0{artist}\0{title}"
    if not title and (artist := _plain(track.tags.artist)):
        return printable(f"album\0{_folder(track)}\0\0{artist}")
    return printable(f"album\0{_folder(track)}\0{title}")


def folder_of(track: Track) -> str:
    """What the tracks of a folder share; the folders of an album's discs count as one."""
    return printable(f"folder\0{_folder(track)}")


def _folder(track: Track) -> str:
    folder, name = os.path.split(os.path.dirname(track.uri))
    return folder if _DISC_FOLDER.fullmatch(name) else os.path.join(folder, name)


def artist_of(track: Track) -> str | None:
    """What the tracks of an artist share; None where none is named, or various are.

    Parameters
    ----------
    track : Track
        Whose header was read.
    """
    for name in (track.tags.album_artist, track.tags.artist):
        artist = _plain(name)
        if artist and artist not in _VARIOUS:
            return f"artist\0{artist}"
    return None


def _plain(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFKC", printable(text or "")).casefold().split())


# What tracks can vote together by.
GROUPS: dict[str, Callable[[Track], str | None]] = {"album": album_of, "artist": artist_of}


def group_key(track: Track, by: str) -> str:
    """The key that brings a group's tracks together; a track without a group gets its own.

    Parameters
    ----------
    by : {"album", "artist"}
    """
    return GROUPS[by](track) or printable(f"alone\0{track.uri}")


def with_group(key: str, tracks: Iterable[Track]) -> Iterator[Track]:
    """Note in each track which group it is of, and how large that is.

    Parameters
    ----------
    key : str
        See `group_key`.
    tracks : iterable of Track
        All of the group.

    Yields
    ------
    Track
        Without a group if it is the only one, or one of too many.
    """
    rest = iter(tracks)
    most = MOST_TOGETHER.get(key.partition("\0")[0], 1)
    first = list(islice(rest, most + 1))
    if not 1 < len(first) <= most:
        yield from chain(first, rest)
        return
    group = Group(key, len(first))
    for track in sorted(first, key=lambda track: track.uri):
        yield dataclasses.replace(track, group=group)


def alike(embeddings: np.ndarray, least: float | None = None) -> np.ndarray:
    """Which tracks of a group sound alike.

    One after the other, the track that is least like the rest is taken out, until all that
    remain are alike.

    Parameters
    ----------
    embeddings : np.ndarray
        ``(n_tracks, d) float32``.
    least : float, optional
        Mean cosine with the others; by default `LEAST_LIKENESS`.

    Returns
    -------
    np.ndarray
        ``(n_tracks,) bool``; all False where less than two thirds are alike.

    Examples
    --------
    >>> alike(np.array([[1.0, 0.0], [0.9, 0.1], [1.0, 0.1], [0.0, 1.0]])).tolist()
    [True, True, True, False]
    """
    least = LEAST_LIKENESS if least is None else least
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    directions = embeddings / np.maximum(lengths, 1e-9)
    likeness = directions @ directions.T
    np.fill_diagonal(likeness, 0.0)
    inside = np.ones(len(likeness), bool)
    totals = likeness.sum(axis=1)
    n_inside = len(likeness)
    while n_inside > 1:
        farthest = int(np.where(inside, totals, np.inf).argmin())
        if totals[farthest] >= least * (n_inside - 1):
            break
        inside[farthest] = False
        totals -= likeness[farthest]
        n_inside -= 1
    if n_inside < 2 or n_inside < _LEAST_SHARE * len(likeness):
        inside[:] = False
    return inside


def vote_together(
    predictions: Sequence[Prediction],
    decide: Callable[[Prediction], Decision],
    families: Sequence[str] = (),
) -> list[Decision]:
    """Decide the genres of a group's tracks.

    Parameters
    ----------
    predictions : sequence of Prediction
        With embeddings; of one group, or of one track.
    decide : callable
        See `genrebeam.transforms.genre.vote.decide`.
    families : sequence of str
        Of each class; empty where genres have none.

    Returns
    -------
    list of Decision
        In the same order. Tracks that are alike have the same genres and confidence; everything
        else says what each is by itself.
    """
    alone = [
        dataclasses.replace(decision, genres_alone=decision.genres, tracks_voted=1)
        for decision in map(decide, predictions)
    ]
    music = [number for number, one in enumerate(predictions) if one.not_music is None]
    group = predictions[0].track.group
    if group is None or len(music) < 2:
        return alone
    embeddings = np.stack([_embedding(predictions[number]) for number in music])
    is_untitled = group.key.endswith("\0")  # see `album_of`
    inside = alike(embeddings, _LEAST_UNTITLED if is_untitled else None)
    if not inside.any():
        return alone
    voters = [number for number, is_in in zip(music, inside, strict=True) if is_in]
    together = decide(_joined([predictions[number] for number in voters], families))
    if not together.genres:
        return alone
    decisions = list(alone)
    for number in music:
        own = alone[number]
        if number in voters or (
            own.family and together.family and own.family[0] == together.family[0]
        ):
            decisions[number] = dataclasses.replace(
                own,
                genres=together.genres,
                confidence=together.confidence,
                family=together.family,
                style=together.style,
                family_alone=own.family_alone or own.family,
                unsure=False,
                decided_by=together.decided_by,
                reason=f"vote of {len(voters)} tracks of its {group.name}"
                + _evidence_of(together)
                + _said_alone(own, together),
                tracks_voted=len(voters),
            )
        else:
            reason = f"{own.reason}; sounds unlike its {group.name}"
            decisions[number] = dataclasses.replace(own, reason=reason)
    return decisions


def _evidence_of(together: Decision) -> str:
    """What of the reason is behind the vote."""
    _, *others = together.reason.split("; ")
    return "".join(f"; {text}" for text in others if together.decided_by != "audio")


def _said_alone(own: Decision, together: Decision) -> str:
    if own.genres == together.genres:
        return ""
    return f"; alone: {', '.join(own.genres) or own.reason}"


def _embedding(prediction: Prediction) -> np.ndarray:
    assert prediction.embedding is not None, "tracks vote together by their embeddings"
    return prediction.embedding


def _joined(predictions: Sequence[Prediction], families: Sequence[str]) -> Prediction:
    """All tracks as one: their segments, what they are together, and the evidence they share.

    The geometric means of their probabilities: of families, and of styles within each.
    """
    rows = np.stack(
        [
            one.probabilities.mean(axis=0) if one.overall is None else one.overall
            for one in predictions
        ]
    )
    groups = tuple(families) or tuple(map(str, range(rows.shape[1])))
    by_family, place = join_columns(rows, groups)[0], places_of(groups)
    of_family = _mean_log(by_family) * (1 + _SURER * np.log(len(rows)))
    style = np.exp(_mean_log(rows))
    style /= join_columns(style[None], groups)[0][0][place]
    first, *others = (one.track for one in predictions)
    shared = tuple(one for one in first.evidence if all(one in other.evidence for other in others))
    return dataclasses.replace(
        predictions[0],
        track=dataclasses.replace(first, evidence=shared),
        probabilities=np.concatenate([one.probabilities for one in predictions]),
        overall=(softmax(of_family)[place] * style).astype(np.float32),
    )


def _mean_log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, _LEAST_PROBABILITY)).mean(axis=0)
