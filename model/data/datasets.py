"""Data sets: what a folder holds, and how it is read.

A data set is a list of clips: the scaled log-mel of each (see ``transforms.audio.features``),
its label, and the list (train, valid, test) that it belongs to. It comes from an array of
pictures, or from audio that ``pipeline.training_data`` made into a training set.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from model.data.arrays import read_arrays
from model.data.clips import SPLITS, Clips, LabelledMusic
from model.data.fma import fma_tracks_file, load_fma_array
from model.data.gtzan import FILTERED, holds_gtzan, load_gtzan_array
from model.data.splits import split_by_artist
from model.data.training_set import FACTS_FILE, DatasetError, read_clips, read_facts
from model.genres import key_of

# How audio can be labelled (see ``transforms.library.label``).
DATASETS = ("gtzan", "fma", "homburg", "folders", "tags")
# A single folder that is named after its genre; never a data set by itself.
ONE_GENRE = "one-genre"


def recognise(folder: str | Path) -> tuple[str | None, str]:
    """What a folder holds, by the files that are there.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    dataset : str or None
        One of `DATASETS`; None for music that may be anybody's.
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
        return ("fma" if "genre" in read_arrays(folder) else "gtzan"), "array"
    places = [folder, *(folder / name for name in ("genres", "genres_original", "audio", "Data"))]
    places += [folder / "Data" / "genres_original"]
    if any(holds_gtzan(place) or holds_gtzan(place / "blues") for place in places):
        return "gtzan", "audio"
    return ("fma" if fma_tracks_file(folder) else None), "audio"


def load_music(folder: str | Path) -> LabelledMusic:
    """Read an array or a prepared training set, whichever the folder holds.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    LabelledMusic

    Raises
    ------
    DatasetError
        If it holds neither, or cannot be read.
    """
    dataset, form = recognise(folder)
    if form == "set":
        return load_training_set(folder)
    if form == "array":
        return load_fma_array(folder) if dataset == "fma" else load_gtzan_array(folder)
    raise DatasetError(folder, f"neither an array (logmel.npz) nor a training set ({FACTS_FILE})")


def load_training_set(folder: str | Path, *, whole: bool = False) -> LabelledMusic:
    """A set that ``pipeline.training_data.prepare`` made of audio.

    Where the data set has lists, they are its splits; otherwise it is split by artist (see
    `split_by_artist`), and labels with too little music are left out.

    Parameters
    ----------
    folder : str or Path
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
    left_out = [str(file) for file in facts.left_out]
    small: dict[str, str] = {}
    lists: list[str | None]
    if whole:
        lists, how = ["test"] * len(stored), "none: all of it"
        counts = Counter(clip.label for clip in stored)
        labels = tuple(label for label in facts.genres if counts[label])
    elif any(clip.split for clip in stored):
        lists = [clip.split for clip in stored]
        labels = tuple(facts.genres)
        how = FILTERED if facts.dataset == "gtzan" else "the data set's own lists"
    else:
        divided, small = split_by_artist([c.label for c in stored], [c.artist for c in stored])
        labels = tuple(label for label in facts.genres if label not in small)
        is_known = len({clip.artist for clip in stored}) < len(stored)
        how = "artist" if is_known else "file, because no artists are known"
        stored = [clip for clip in stored if clip.label in labels]
        lists = [split for split in divided if split]
    if not stored:
        reasons = "; ".join(f"{label}: {reason}" for label, reason in small.items())
        raise DatasetError(facts.library, f"no genre has enough music ({reasons})")
    clips = Clips(
        names=tuple(clip.name for clip in stored),
        log_mel=tuple(clip.features for clip in stored),
        targets=np.array([labels.index(clip.label) for clip in stored], dtype=np.int64),
        artists=tuple(key_of(clip.artist) or clip.artist for clip in stored),
    )

    def members(split: str | None) -> Clips:
        return clips[[number for number, at in enumerate(lists) if at == split]]

    return LabelledMusic(
        name=facts.name,
        labels=labels,
        genres=tuple(facts.genres[label] for label in labels),
        unlisted=members(None),
        splits={split: members(split) for split in SPLITS},
        features=facts.features,
        split=how,
        left_out=tuple(left_out),
        too_small=tuple(f"{label}: {reason}" for label, reason in small.items()),
    )
