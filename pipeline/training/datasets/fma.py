"""FMA: known by its table of tracks, with an array of pictures."""

from __future__ import annotations

import csv
import functools
from collections.abc import Collection
from pathlib import Path

import numpy as np

from genrebeam.model.data.arrays import read_arrays, scaled
from genrebeam.model.data.clips import SPLITS, Clips, LabelledMusic
from genrebeam.model.data.splits import split_by_artist
from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.genres import spell
from genrebeam.pipeline.training.datasets.dataset import Dataset, Label, Labelling, place_of
from genrebeam.transforms.records import Track

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
_SPLITS = {"training": "train", "validation": "valid", "test": "test"}
# Artists' biographies are longer than what the csv module takes for a sound field.
_LONGEST_FIELD = 2**24


def _tracks_file(folder: str | Path) -> Path | None:
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


def _label(library: str, tracks_file: str, track: Track) -> Label | None:
    """By ``tracks.csv``, which knows a file by its number."""
    place = place_of(library, track)
    return _read_tracks(tracks_file).get(place.stem.lstrip("0"))


@functools.lru_cache(maxsize=1)
def _read_tracks(path: str) -> dict[str, Label]:
    """Labels of FMA's tracks that have a top genre, from ``tracks.csv``.

    Parameters
    ----------
    path : str
        Its first two header rows together name the columns, the third the index.

    Returns
    -------
    dict
        Number of the track, as text, to its label.

    Raises
    ------
    DatasetError
        If it cannot be read, or is of another form.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            columns = list(zip(next(rows), next(rows), strict=True))
            genre = columns.index(("track", "genre_top"))
            artist = columns.index(("artist", "id"))
            split = columns.index(("set", "split"))
            next(rows)
            return {
                row[0]: Label(f"{int(row[0]):06d}", row[genre], row[artist], _SPLITS[row[split]])
                for row in rows
                if row[genre]
            }
    except OSError as error:
        raise DatasetError(path, str(error.strerror)) from error
    except (csv.Error, ValueError, KeyError, IndexError, StopIteration) as error:
        raise DatasetError(path, f"not FMA's table of tracks: {error}") from error


class _Fma(Dataset):
    is_published = True
    lists = "the data set's own lists"

    def holds(self, folder: Path) -> bool:
        return _tracks_file(folder) is not None

    def label_files(self, library: str) -> list[str]:
        path = _tracks_file(library)
        return [str(path)] if path else []

    def labelling(self, library: str) -> Labelling:
        path = _tracks_file(library)
        if path is None:
            raise DatasetError(library, "tracks.csv is neither there nor in fma_metadata beside it")
        _read_tracks(str(path))
        return functools.partial(_label, library, str(path))

    def holds_array(self, columns: Collection[str]) -> bool:
        return "genre" in columns

    def load_array(self, folder: Path) -> LabelledMusic:
        return load_fma_array(folder)


DATASET = _Fma("fma")
