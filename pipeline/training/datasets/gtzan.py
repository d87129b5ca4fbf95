"""GTZAN: known by its files' names, with the fault-filtered lists and an array of pictures."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from genrebeam.model.data.arrays import read_arrays, scaled
from genrebeam.model.data.clips import SPLITS, Clips, LabelledMusic
from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.pipeline.training.datasets.dataset import (
    Dataset,
    Label,
    Labelling,
    artist_of,
    in_folder,
    place_of,
)
from genrebeam.transforms.records import Track

# How GTZAN's tracks are divided where its three lists are at hand.
FILTERED = "the fault-filtered lists"
# The array's frames: column k is STFT frame floor(3.3366 k + 1.7) of a 30 s clip.
GTZAN_ARRAY = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=387)
# Genre names as ID3v1 spells them (https://id3.org/ID3v2.3.0, appendix A).
GTZAN_GENRES = {
    "blues": "Blues",
    "classical": "Classical",
    "country": "Country",
    "disco": "Disco",
    "hiphop": "Hip-Hop",
    "jazz": "Jazz",
    "metal": "Metal",
    "pop": "Pop",
    "reggae": "Reggae",
    "rock": "Rock",
}
_NAME = re.compile(rf"({'|'.join(GTZAN_GENRES)})\.(\d{{5}})\.")


def _has_clips(folder: Path) -> bool:
    return folder.is_dir() and any(_NAME.match(path.name) for path in folder.iterdir())


def gtzan_list_files(folder: str | Path) -> dict[str, Path]:
    """The lists of the fault-filtered split, in or above the folder or in one below.

    Returns
    -------
    dict
        Split to ``{train,valid,test}_filtered.txt``; empty where not all are there.
    """
    folder = Path(folder)
    below = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    for home in (folder, folder.parent, *below):
        files = {split: home / f"{split}_filtered.txt" for split in SPLITS}
        if all(file.is_file() for file in files.values()):
            return files
    return {}


def read_gtzan_lists(files: dict[str, Path]) -> dict[str, str]:
    """Clip name, such as ``blues.00012``, to the split that lists it."""
    return {
        Path(line).stem: split
        for split, file in files.items()
        for line in file.read_text(encoding="utf-8").split()
    }


def load_gtzan_array(folder: str | Path) -> LabelledMusic:
    """GTZAN as the array of log-mel pictures, with the fault-filtered split.

    The split is that of Kereliuk, Sturm and Larsen, "Deep Learning and Music Adversaries"
    (2015): no exact duplicates, no artist in two lists.

    Parameters
    ----------
    folder : str or Path
        Holds ``logmel.npz`` (``mel`` uint8, ``track``) and ``{train,valid,test}_filtered.txt``.

    Raises
    ------
    DatasetError
        If a file is missing or not of that form.
    """
    folder = Path(folder)
    arrays = read_arrays(folder, "mel", "track")
    pictures, tracks = scaled(arrays["mel"], 255), [str(track) for track in arrays["track"]]
    files = gtzan_list_files(folder)
    if not files:
        raise DatasetError(folder, "train_filtered.txt, valid_ or test_filtered.txt is missing")
    listed = read_gtzan_lists(files)
    labels = tuple(GTZAN_GENRES)
    try:
        targets = np.array([labels.index(track.split(".")[0]) for track in tracks], dtype=np.int64)
    except ValueError as error:
        raise DatasetError(folder, f"not the GTZAN array: {error}") from error
    clips = Clips(tuple(tracks), tuple(pictures), targets)
    # In the lists' order, so that a seed gives what it gave before.
    position = {track: index for index, track in enumerate(tracks)}
    return LabelledMusic(
        name="gtzan",
        labels=labels,
        genres=tuple(GTZAN_GENRES.values()),
        splits={
            split: clips[
                [position[name] for name, at in listed.items() if at == split and name in position]
            ]
            for split in SPLITS
        },
        features=GTZAN_ARRAY,
        split=FILTERED,
        left_out=tuple(name for name in listed if name not in position),
        unlisted=clips[[index for track, index in position.items() if track not in listed]],
    )


def _label(library: str, lists: dict[str, str], track: Track) -> Label | None:
    """By a name such as ``blues.00012.wav``, wherever the file lies."""
    place = place_of(library, track)
    if named := _NAME.match(place.name):
        name = ".".join(named.groups())
        return Label(name, named[1], artist_of(track, place, place.parent), lists.get(name))
    return in_folder(GTZAN_GENRES, track, place)


class _Gtzan(Dataset):
    is_published = True
    lists = FILTERED

    def holds(self, folder: Path) -> bool:
        homes = ("", "genres", "genres_original", "audio", "Data", "Data/genres_original")
        places = [folder / home for home in homes]
        return any(_has_clips(place) or _has_clips(place / "blues") for place in places)

    def label_files(self, library: str) -> list[str]:
        return [str(path) for path in gtzan_list_files(library).values()]

    def labelling(self, library: str) -> Labelling:
        return functools.partial(_label, library, read_gtzan_lists(gtzan_list_files(library)))

    def genres(self, labels: Collection[str]) -> dict[str, str]:
        return GTZAN_GENRES

    def holds_array(self, columns: Collection[str]) -> bool:
        return "genre" not in columns

    def load_array(self, folder: Path) -> LabelledMusic:
        return load_gtzan_array(folder)


DATASET = _Gtzan("gtzan")
