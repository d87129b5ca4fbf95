"""FMA: where its table is, and its array of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genrebeam.model.data.arrays import read_arrays, scaled
from genrebeam.model.data.clips import SPLITS, Clips, LabelledMusic
from genrebeam.model.data.splits import split_by_artist
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.genres import spell

# The lowest 107 of 128 bands up to 22.05 kHz, and the middles of 128 columns of 30 s.
_FMA_STEP = 30 * 44100 / 512 / 128
FMA_ARRAY = FeatureSpec(
    sample_rate_hz=44100,
    n_mels=107,
    fmax_hz=11266.884389,
    frame_step=_FMA_STEP,
    frame_offset=_FMA_STEP / 2,
    segment_frames=128,
)


def fma_tracks_file(folder: str | Path) -> Path | None:
    """Where FMA's ``tracks.csv`` is: in the folder, or in ``fma_metadata`` in or beside it."""
    folder = Path(folder)
    homes = (folder, folder / "fma_metadata", folder.parent / "fma_metadata")
    return next((home / "tracks.csv" for home in homes if (home / "tracks.csv").is_file()), None)


def load_fma_array(folder: str | Path) -> LabelledMusic:
    """FMA-small as the array of drawn log-mel pictures, with its own test list.

    A tenth of the training list, by artist, becomes the valid list. The data set is that of
    Defferrard, Benzi, Vandergheynst and Bresson, "FMA: A Dataset for Music Analysis" (2017).

    Parameters
    ----------
    folder : str or Path
        Holds ``logmel.npz``: ``mel`` uint8 ``(n, 107, 128)`` of 0..63, ``track``, ``genre``,
        ``artist``, ``split``.

    Returns
    -------
    LabelledMusic

    Raises
    ------
    DatasetError
        If the file is missing or not of that form.
    """
    arrays = read_arrays(Path(folder), "mel", "track", "genre", "artist", "split")
    genres = arrays["genre"].astype(str)
    labels = tuple(sorted(set(genres)))
    clips = Clips(
        names=tuple(f"{track:06d}" for track in arrays["track"]),
        values=tuple(scaled(arrays["mel"], 63)),
        targets=np.searchsorted(labels, genres).astype(np.int64),
    )
    in_test = arrays["split"].astype(str) == "test"
    lists = np.full(len(clips), "test", dtype=object)
    lists[~in_test], _ = split_by_artist(
        genres[~in_test], arrays["artist"][~in_test].astype(str), {"valid": 0.1}
    )
    return LabelledMusic(
        name="fma",
        labels=labels,
        genres=tuple(spell(label) for label in labels),
        splits={split: clips[np.flatnonzero(lists == split)] for split in SPLITS},
        features=FMA_ARRAY,
        split="its own test list and by artist",
    )
