"""Labelled music: what a folder holds, and how it is read.

A data set is a list of clips: the scaled log-mel of each (see ``transforms.audio.features``), its
label, and the list that it is in (train, valid, test). It is read from an array of pictures
(``arrays.py``), or from a training set, which ``genrebeam.pipeline.graphs.prepare`` makes of audio.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genrebeam.model.data.arrays import read_arrays
from genrebeam.model.data.clips import SPLITS, Clips, LabelledMusic
from genrebeam.model.data.splits import split_by_artist
from genrebeam.model.data.training_set import (
    FACTS_FILE,
    DatasetError,
    LabelledClip,
    SetFacts,
    read_clips,
    read_facts,
)
from genrebeam.model.genres import key_of
from genrebeam.pipeline.training.datasets import NAMES, dataset_named


def recognise(folder: str | Path) -> tuple[str | None, str]:
    """What a folder holds, by the files that are there.

    Returns
    -------
    dataset : str or None
        One of `datasets.NAMES`; None for music that may be anybody's.
    form : {"array", "set", "audio"}
        Arrays and prepared sets are read by `load_music`; audio is to be prepared first.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    folder = Path(folder)
    if (folder / FACTS_FILE).is_file():
        return read_facts(folder).dataset, "set"
    if (folder / "logmel.npz").is_file():
        columns = read_arrays(folder)
        arrays = (name for name in NAMES if dataset_named(name).holds_array(columns))
        return next(arrays, None), "array"
    known = (name for name in NAMES if dataset_named(name).holds(folder))
    return next(known, None), "audio"


def load_music(folder: str | Path) -> LabelledMusic:
    """Read an array or a prepared training set, whichever the folder holds.

    Raises
    ------
    DatasetError
        If it holds neither, or cannot be read.
    """
    dataset, form = recognise(folder)
    if form == "set":
        return load_training_set(folder)
    if form == "array" and dataset:
        return dataset_named(dataset).load_array(Path(folder))
    raise DatasetError(folder, f"neither an array (logmel.npz) nor a training set ({FACTS_FILE})")


def load_training_set(folder: str | Path, *, whole: bool = False) -> LabelledMusic:
    """A set that ``genrebeam.pipeline.graphs.prepare.prepare`` made of audio.

    Where the data set has lists, they are its splits; otherwise it is split by artist (see
    `split_by_artist`), and labels with too little music are left out.

    Parameters
    ----------
    whole : bool
        All clips are one list, ``test``, and no label is left out: to measure on, not to
        learn from.

    Returns
    -------
    LabelledMusic
        Its arrays are views of the files, so that it may be larger than memory.

    Raises
    ------
    DatasetError
        If the set is not complete, cannot be read, or nothing of it can be used.
    """
    facts, stored = read_facts(folder), read_clips(folder)
    is_published = dataset_named(facts.dataset).is_published
    divided = _divided(facts, stored, whole)
    listed = [
        (clip, split)
        for clip, split in zip(stored, divided.lists, strict=True)
        if clip.label in divided.labels
    ]
    if not listed:
        reasons = "; ".join(divided.too_small)
        raise DatasetError(facts.library, f"no genre has enough music ({reasons})")
    numbers = {label: number for number, label in enumerate(divided.labels)}
    clips = Clips(
        names=tuple(clip.name for clip, _ in listed),
        values=tuple(clip.features for clip, _ in listed),
        targets=np.array([numbers[clip.label] for clip, _ in listed], dtype=np.int64),
        artists=tuple(key_of(clip.artist) or clip.artist for clip, _ in listed),
    )

    def members(split: str | None) -> Clips:
        return clips[[number for number, (_, at) in enumerate(listed) if at == split]]

    return LabelledMusic(
        name=facts.dataset if is_published else os.path.basename(facts.library.rstrip("/")),
        labels=divided.labels,
        genres=tuple(facts.genres[label] for label in divided.labels),
        splits={split: members(split) for split in SPLITS},
        features=facts.features,
        split=divided.how,
        left_out=tuple(str(file) for file in facts.left_out),
        too_small=divided.too_small,
        unlisted=members(None),
    )


@dataclass(frozen=True)
class _Divided:
    """How the clips of a training set are divided.

    Parameters
    ----------
    lists : sequence of (str or None)
        The split of each clip, if any.
    labels : tuple of str
        Those that are used.
    how : str
        For people to read.
    too_small : tuple of str
        Labels left out, with the reason.
    """

    lists: Sequence[str | None]
    labels: tuple[str, ...]
    how: str
    too_small: tuple[str, ...] = ()


def _divided(facts: SetFacts, stored: Sequence[LabelledClip], whole: bool) -> _Divided:
    if whole:
        found = {clip.label for clip in stored}
        labels = tuple(label for label in facts.genres if label in found)
        return _Divided(["test"] * len(stored), labels, "none: all of it")
    if any(clip.split for clip in stored):
        lists = [clip.split for clip in stored]
        return _Divided(lists, tuple(facts.genres), dataset_named(facts.dataset).lists)
    artists = [clip.artist for clip in stored]
    lists, small = split_by_artist([clip.label for clip in stored], artists)
    labels = tuple(label for label in facts.genres if label not in small)
    how = "artist" if len(set(artists)) < len(stored) else "file, because no artists are known"
    return _Divided(lists, labels, how, why_small(small))


def why_small(small: Mapping[str, str]) -> tuple[str, ...]:
    """What `split_by_artist` leaves out, for people to read."""
    return tuple(f"{label}: {reason}" for label, reason in small.items())
