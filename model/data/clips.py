"""Clips: labelled music in memory, as training and evaluation take it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.feature_spec import FeatureSpec

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Clips:
    """Clips of one split.

    Parameters
    ----------
    names : tuple of str
        One per clip.
    values : tuple of np.ndarray
        Each ``(n_rows, n_frames)``, float16 in 0..1 scaled over the clip, or whatever else
        the features are made of; may be a view of a file.
    targets : np.ndarray
        ``(n_clips,) int64``, index into the labels.
    artists : tuple of str
        One per clip where they are known; else every clip counts as another artist's.
    """

    names: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    targets: np.ndarray
    artists: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, chosen: Sequence[int] | np.ndarray) -> Clips:
        """The clips with these numbers, in this order."""
        chosen = [int(number) for number in chosen]
        return Clips(
            names=tuple(self.names[number] for number in chosen),
            values=tuple(self.values[number] for number in chosen),
            targets=self.targets[chosen].astype(np.int64),
            artists=tuple(self.artists[number] for number in chosen) if self.artists else (),
        )

    @property
    def by(self) -> tuple[str, ...]:
        """The artist of each clip, or the clip's own name where artists are not known."""
        return self.artists or self.names

    def places(self, features: FeatureSpec) -> list[tuple[int, int]]:
        """Clip and first frame of every whole segment, one after the other."""
        return [
            (clip, start)
            for clip, values in enumerate(self.values)
            for start in features.segment_starts(values.shape[1])
        ]

    def cut(self, clip: int, starts: Sequence[int], width: int) -> np.ndarray:
        """Cut segments out of a clip; a shorter clip is repeated, as when tagging.

        Parameters
        ----------
        starts : sequence of int
            First frame of each segment.
        width : int
            Frames of a segment.

        Returns
        -------
        np.ndarray
            ``(n_segments, n_rows, width) float32``.
        """
        values = self.values[clip]
        frames = np.add.outer(np.asarray(starts, dtype=int), np.arange(width)) % values.shape[1]
        return np.moveaxis(values[:, frames], 0, 1).astype(np.float32)

    def __add__(self, other: Clips) -> Clips:
        targets = np.concatenate([self.targets, other.targets])
        names, values = self.names + other.names, self.values + other.values
        artists = self.by + other.by if self.artists or other.artists else ()
        return Clips(names, values, targets, artists)


NO_CLIPS = Clips((), (), np.zeros(0, np.int64))


@dataclass(frozen=True)
class LabelledMusic:
    """A data set with its splits.

    Parameters
    ----------
    labels, genres : tuple of str
        The data set's own class names, and the genre names to write into tags.
    splits : dict
        Split name to `Clips`.
    features : FeatureSpec
        The frames that the clips are made of.
    split : str
        How its tracks were divided, for people to read.
    left_out : tuple of str
        Clips of the splits' lists that the data lacks, and files that could not be analysed,
        with the reason.
    too_small : tuple of str
        Labels left out because there is too little music, with the reason.
    unlisted : Clips
        Clips in none of the data set's lists.
    """

    name: str
    labels: tuple[str, ...]
    genres: tuple[str, ...]
    splits: dict[str, Clips]
    features: FeatureSpec
    split: str = "artist"
    left_out: tuple[str, ...] = ()
    too_small: tuple[str, ...] = ()
    unlisted: Clips = NO_CLIPS


def join(music: Sequence[LabelledMusic]) -> LabelledMusic:
    """Several data sets as one, with all of their genres.

    Parameters
    ----------
    music : sequence of LabelledMusic
        Of the same frames. Labels that are written as the same genre become one: the first
        data set's.

    Raises
    ------
    DatasetError
        If they are made of different frames.
    """
    first = music[0]
    labels: dict[str, str] = {}
    for one in music:
        if not one.features.same_frames(first.features):
            raise DatasetError(one.name, f"is not made of the same frames as {first.name}")
        for label, genre in zip(one.labels, one.genres, strict=True):
            labels.setdefault(genre, label)
    genres = tuple(labels)

    def moved(clips: Clips, one: LabelledMusic) -> Clips:
        numbers = np.array([genres.index(genre) for genre in one.genres], dtype=np.int64)
        return dataclasses.replace(clips, targets=numbers[clips.targets])

    return LabelledMusic(
        name=" + ".join(one.name for one in music),
        labels=tuple(labels.values()),
        genres=genres,
        splits={
            split: sum((moved(one.splits[split], one) for one in music), NO_CLIPS)
            for split in SPLITS
        },
        features=first.features,
        split="; ".join(dict.fromkeys(f"{one.name}: {one.split}" for one in music)),
        left_out=tuple(reason for one in music for reason in one.left_out),
        too_small=tuple(reason for one in music for reason in one.too_small),
        unlisted=sum((moved(one.unlisted, one) for one in music), NO_CLIPS),
    )


def clips_as(music: LabelledMusic, split: str, genres: Sequence[str]) -> tuple[Clips, int]:
    """Clips of a list, with targets that count other genres than the data set's own.

    Parameters
    ----------
    genres : sequence of str
        Such as a model's.

    Returns
    -------
    clips : Clips
        Those whose genre is among them.
    n_unknown : int
        How many others there are.
    """
    clips = music.splits[split]
    known = [i for i, target in enumerate(clips.targets) if music.genres[target] in genres]
    numbers = [list(genres).index(music.genres[clips.targets[i]]) for i in known]
    chosen = dataclasses.replace(clips[known], targets=np.array(numbers, dtype=np.int64))
    return chosen, len(clips) - len(known)
