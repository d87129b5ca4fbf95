"""Labelled music: what training and evaluation read.

A data set is a list of clips: the scaled log-mel of each (see ``transforms.features``),
its label, and the list (train, valid, test) that it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.bundle import FeatureSpec
from model.errors import PathError

# The array's frames: column k is STFT frame floor(3.3366 k + 1.7) of a 30 s clip.
GTZAN_ARRAY = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=387)

SPLITS = ("train", "valid", "test")

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


class DatasetError(PathError):
    """A data set that cannot be read."""


@dataclass(frozen=True)
class Clips:
    """Clips of one split.

    Parameters
    ----------
    names : tuple of str
        One per clip.
    log_mel : tuple of np.ndarray
        Each ``(n_mels, n_frames) float16``, scaled to 0..1 over the clip.
    targets : np.ndarray
        ``(n_clips,) int64``, index into the labels.
    """

    names: tuple[str, ...]
    log_mel: tuple[np.ndarray, ...]
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class LabelledMusic:
    """A data set with its splits.

    Parameters
    ----------
    name : str
    labels, genres : tuple of str
        The data set's own class names, and the genre names to write into tags.
    splits : dict
        Split name to `Clips`.
    features : FeatureSpec
        The frames that the clips are made of.
    left_out : tuple of str
        Clips of the splits' lists that the data lacks, and files that could not be heard.
    """

    name: str
    labels: tuple[str, ...]
    genres: tuple[str, ...]
    splits: dict[str, Clips]
    features: FeatureSpec
    left_out: tuple[str, ...] = ()


def load_gtzan_array(folder: str | Path) -> LabelledMusic:
    """GTZAN as the array of log-mel pictures, with the fault-filtered split.

    The split is that of Kereliuk, Sturm and Larsen, "Deep Learning and Music Adversaries"
    (2015): no exact duplicates, no artist in two lists.

    Parameters
    ----------
    folder : str or Path
        Holds ``logmel.npz`` (``mel`` uint8, ``track``) and ``{train,valid,test}_filtered.txt``.

    Returns
    -------
    LabelledMusic

    Raises
    ------
    DatasetError
        If a file is missing or not of that form.
    """
    folder = Path(folder)
    try:
        with np.load(folder / "logmel.npz") as arrays:
            pictures, tracks = arrays["mel"], [str(track) for track in arrays["track"]]
        lists = {
            split: (folder / f"{split}_filtered.txt").read_text(encoding="utf-8").split()
            for split in SPLITS
        }
    except FileNotFoundError as error:
        raise DatasetError(folder, f"{Path(error.filename).name} is missing") from error
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(folder, f"not the GTZAN array: {error}") from error
    labels = tuple(GTZAN_GENRES)
    position = {track: index for index, track in enumerate(tracks)}
    splits, left_out = {}, []
    for split, listed in lists.items():
        names = [Path(line).stem for line in listed]
        left_out += [name for name in names if name not in position]
        names = [name for name in names if name in position]
        splits[split] = Clips(
            names=tuple(names),
            log_mel=tuple((pictures[position[n]] / 255).astype(np.float16) for n in names),
            targets=np.array([labels.index(n.split(".")[0]) for n in names], dtype=np.int64),
        )
    return LabelledMusic(
        name="gtzan",
        labels=labels,
        genres=tuple(GTZAN_GENRES.values()),
        splits=splits,
        features=GTZAN_ARRAY,
        left_out=tuple(left_out),
    )
