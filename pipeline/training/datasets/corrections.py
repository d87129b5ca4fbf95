"""Corrections: what a person chose on a report page."""

from __future__ import annotations

import functools
import os
from pathlib import PurePosixPath

from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.genres import spell
from genrebeam.pipeline.runs.corrections import CorrectionsError, read_corrections
from genrebeam.pipeline.training.datasets.dataset import (
    FORMATS_DECODED,
    Dataset,
    Label,
    Labelling,
    artist_of,
    place_of,
)
from genrebeam.transforms.formats import format_of
from genrebeam.transforms.records import Track, printable
from genrebeam.transforms.storage import is_inside, path_of, storage_of


def _label(library: str, path: str, track: Track) -> Label | None:
    """By the first genre that a person chose or accepted for the file."""
    absolute = storage_of(track.uri).absolute(track.uri)
    genre = _read_chosen(path).get(printable(absolute))
    if genre is None:
        return None
    place = place_of(library, track)
    return Label(str(place), spell(genre), artist_of(track, place, PurePosixPath()))


def folder_of_chosen(path: str) -> str:
    """The folder that all files are in that a person has decided about.

    Parameters
    ----------
    path : str
        Of a file of corrections.

    Raises
    ------
    DatasetError
        If the file cannot be used, or has no choice.
    """
    folders = [os.path.dirname(uri) for uri in _read_chosen(path)]
    if not folders:
        raise DatasetError(path, "has no choice")
    try:
        return os.path.commonpath(folders)
    except ValueError as error:  # some are in a bucket
        raise DatasetError(path, "its files have no folder in common") from error


@functools.lru_cache(maxsize=1)
def _read_chosen(path: str) -> dict[str, str]:
    """The first genre of each choice, by its file."""
    try:
        choices = read_corrections(path).choices
    except CorrectionsError as error:
        raise DatasetError(path, error.reason) from error
    return {choice.uri: choice.genres[0] for choice in choices}


class Corrections(Dataset):
    """The files that a person has decided about; its name is the path of their list."""

    def label_files(self, library: str) -> list[str]:
        return [self.name]

    def places(self, library: str) -> list[str]:
        # The files alone: the folder that they have in common may be all of the disk.
        root = storage_of(library).absolute(library)
        chosen = map(path_of, _read_chosen(self.name))
        return [
            path for path in chosen if is_inside(path, root) and format_of(path) in FORMATS_DECODED
        ]

    def labelling(self, library: str) -> Labelling:
        _read_chosen(self.name)
        return functools.partial(_label, library, self.name)
