"""Splits: which tracks are learned from, and which are kept to measure on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from genrebeam.model.data.clips import NO_CLIPS, SPLITS, LabelledMusic
from genrebeam.model.genres import key_of

# Of a data set without lists; the rest is to train.
SHARES = {"test": 0.2, "valid": 0.1}
# A label with less cannot be learned and measured.
LEAST_TRACKS = 10
LEAST_ARTISTS = 3


def split_by_artist(
    labels: Sequence[str], artists: Sequence[str], shares: Mapping[str, float] = SHARES
) -> tuple[list[str | None], dict[str, str]]:
    """Divide tracks so that no artist is in two lists, with about the same shares of each label.

    Artists are ordered by a hash of their names. The first that fit go into the first list, the
    next into the second, and the rest into ``train``. So the same music is always divided the same
    way, an artist is mostly in the same list whatever the library, and an artist with much music is
    in ``train``.

    Parameters
    ----------
    labels, artists : sequence of str
        One per track.
    shares : mapping
        List to its share of the tracks.

    Returns
    -------
    lists : list of str or None
        One per track; None where the label is left out.
    small : dict
        Labels that are left out, and why.
    """
    artists = [key_of(artist) or artist for artist in artists]
    tracks: dict[str, Counter[str]] = defaultdict(Counter)
    for label, artist in zip(labels, artists, strict=True):
        tracks[label][artist] += 1
    small = {
        label: f"needs {LEAST_TRACKS} tracks of {LEAST_ARTISTS} artists, "
        f"has {by.total()} of {len(by)}"
        for label, by in tracks.items()
        if by.total() < LEAST_TRACKS or len(by) < LEAST_ARTISTS
    }
    lists: dict[str, str] = {}
    # Those with the fewest artists choose first, while their artists are still free.
    for label in sorted(set(tracks) - set(small), key=lambda label: (len(tracks[label]), label)):
        _divide(tracks[label], lists, shares)
        lacking = {*shares, "train"} - {lists[artist] for artist in tracks[label]}
        if lacking:
            small[label] = f"none of its artists is left for {' and '.join(sorted(lacking))}"
    found = zip(labels, artists, strict=True)
    return [None if label in small else lists[artist] for label, artist in found], small


def _divide(tracks: Counter[str], lists: dict[str, str], shares: Mapping[str, float]) -> None:
    """Assign a list to each artist of a label that has none yet."""
    free = sorted((artist for artist in tracks if artist not in lists), key=_chance)
    for n_later, (split, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        room = share * tracks.total()
        room -= sum(n for artist, n in tracks.items() if lists.get(artist) == split)
        for artist in list(free):
            if tracks[artist] <= room and len(free) > n_later:  # one is kept for each later list
                lists[artist] = split
                room -= tracks[artist]
                free.remove(artist)
        if free and not any(lists.get(artist) == split for artist in tracks):
            lists[min(free, key=lambda artist: (tracks[artist], _chance(artist)))] = split
            free = [artist for artist in free if artist not in lists]
    lists.update(dict.fromkeys(free, "train"))


def _chance(artist: str) -> float:
    """A number from 0 to 1, always the same for an artist."""
    digest = hashlib.blake2b(artist.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def all_in_one(music: LabelledMusic) -> LabelledMusic:
    """All clips, listed or not, as one list, ``test``."""
    clips = sum(music.splits.values(), music.unlisted)
    splits = {**dict.fromkeys(SPLITS, NO_CLIPS), "test": clips}
    return dataclasses.replace(music, splits=splits, split="none: all of it", unlisted=NO_CLIPS)


def random_split(music: LabelledMusic, seed: int) -> LabelledMusic:
    """All clips, listed or not, split at random: 63 % train, 7 % valid, 30 % test.

    The protocol of published figures that split GTZAN's tracks 70:30. It leaks: clips of one
    artist, album and even recording are on both sides, so it measures memory too.
    """
    clips = sum(music.splits.values(), music.unlisted)
    # By name first: the same seed gives the same lists, however the music is stored.
    clips = clips[np.argsort(clips.names, kind="stable")]
    order = np.random.default_rng(seed).permutation(len(clips))
    n_test, n_learn = round(0.3 * len(clips)), len(clips) - round(0.3 * len(clips))
    ends = np.cumsum([n_test, round(0.1 * n_learn)])
    test, valid, train = np.split(order, ends)
    return dataclasses.replace(
        music,
        splits={"train": clips[train], "valid": clips[valid], "test": clips[test]},
        split=f"chance (seed {seed})",
        unlisted=NO_CLIPS,
    )
