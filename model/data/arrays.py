"""Data sets that are an array of log-mel pictures, ``logmel.npz``, without the audio."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genrebeam.model.data.training_set import DatasetError


def read_arrays(folder: Path, *names: str) -> dict[str, np.ndarray]:
    """Read arrays of ``logmel.npz``; without names all but the pictures, which take long."""
    try:
        with np.load(folder / "logmel.npz", allow_pickle=False) as file:
            return {name: file[name] for name in names or set(file.files) - {"mel"}}
    except FileNotFoundError as error:
        raise DatasetError(folder, "logmel.npz is missing") from error
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(folder, f"logmel.npz is not the array of a data set: {error}") from error


def scaled(pictures: np.ndarray, largest: int) -> np.ndarray:
    """Pictures of ``uint8`` from 0 to `largest` as ``float16`` in 0..1."""
    return (np.arange(256) / largest).astype(np.float16)[pictures]
