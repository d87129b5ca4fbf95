"""A data set: how music is recognised, labelled, spelled and divided.

Each has a module here that ends in `DATASET`. A labelling is a plain function from a track whose
tags are read to its `Label`, or to None where it is no part of the data set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from genrebeam.model.data.clips import LabelledMusic
from genrebeam.model.genres import key_of, spell
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.records import NoTagField, Track, with_tags
from genrebeam.transforms.tags.header import Header

# GTZAN's own format has no tags, so that nothing of it can be tagged.
_WITHOUT_TAGS = frozenset(["au"])
FORMATS_DECODED = FORMATS | _WITHOUT_TAGS


@dataclass(frozen=True)
class Label:
    """What a track is an example of.

    Parameters
    ----------
    name : str
        Tells the track from all others of the library.
    label : str
        Class of the data set.
    artist : str
        The artist, or what comes closest to one.
    split : str or None
        The data set's own list that it is in.
    """

    name: str
    label: str
    artist: str
    split: str | None = None


Labelling = Callable[[Track], Label | None]


class Dataset:
    """Music whose genres are known.

    A subclass says what is different.
    """

    # A name that people know, so that a set is called after it and not after its folder.
    is_published = False
    # What divides it into train, valid and test, for people to read.
    lists = "artist"

    def __init__(self, name: str) -> None:
        self.name = name

    def holds(self, folder: Path) -> bool:
        """Whether a folder is known to hold its audio."""
        return False

    def label_files(self, library: str) -> list[str]:
        """Files beside the audio that decide on labels and splits."""
        return []

    def places(self, library: str) -> list[str]:
        """The folders or files of a library that are listed."""
        return [library]

    def labelling(self, library: str) -> Labelling:
        """How the tracks of a library are labelled.

        Parameters
        ----------
        library : str
            The folder that the tracks are listed from.

        Raises
        ------
        DatasetError
            If a file that has the labels is missing or not of its form.
        """
        raise NotImplementedError

    def genres(self, labels: Collection[str]) -> dict[str, str]:
        """Labels of a set in their order, and their spelling in tags."""
        return {label: spell(label) for label in sorted(labels)}

    def holds_array(self, columns: Collection[str]) -> bool:
        """Whether an array with these columns is of it."""
        return False

    def load_array(self, folder: Path) -> LabelledMusic:
        """Read the array of spectrograms that is published of it."""
        raise NotImplementedError


def in_folder(labels: Collection[str], track: Track, place: PurePosixPath) -> Label | None:
    """The label of the nearest folder above a track that is named like one."""
    for folder in place.parents:
        if key_of(folder.name) in labels:
            return Label(str(place), key_of(folder.name), artist_of(track, place, folder))
    return None


def place_of(library: str, track: Track) -> PurePosixPath:
    """Where a track lies below the library's root."""
    below = track.uri.removeprefix(library).lstrip("/") if track.uri != library else ""
    return PurePosixPath(below or os.path.basename(track.uri))


def artist_of(track: Track, place: PurePosixPath, folder: PurePosixPath) -> str:
    """The tag's artist, else the folder below that of the genre, else the file itself."""
    below = place.relative_to(folder).parts
    return track.tags.artist or str(folder / below[0])


def with_header(track: Track, found: Header | Exception) -> Track:
    """A track that knows its tags, where its format has any.

    Parameters
    ----------
    found : Header or Exception
        What reading its header gave.

    Raises
    ------
    TagReadError, OSError
        See `read_header`.
    """
    if track.format in _WITHOUT_TAGS or isinstance(found, NoTagField):
        return track
    if isinstance(found, Exception):
        raise found
    return with_tags(track, *found)
