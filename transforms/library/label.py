"""Label: the genre of a file in a training library, and its artist.

A labelling is a plain function from a track whose tags are read to its `Label`, or to None
where it is no part of the data set.
"""

from __future__ import annotations

import csv
import functools
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

from genrebeam.model.data.datasets import ONE_GENRE
from genrebeam.model.data.fma import fma_tracks_file
from genrebeam.model.data.gtzan import GTZAN_GENRES, GTZAN_NAME, gtzan_list_files, read_gtzan_lists
from genrebeam.model.data.homburg import HOMBURG_GENRES
from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.genres import key_of, spell
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.records import CATCH_ALL, NoTagField, Track, printable, with_tags
from genrebeam.transforms.reports.corrections import CorrectionsError, read_corrections
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.tags.header import Header

# GTZAN's own format has no tags, so that nothing of it can be tagged.
_WITHOUT_TAGS = frozenset(["au"])
FORMATS_HEARD = FORMATS | _WITHOUT_TAGS

_CATCH_ALL = frozenset(genre.casefold() for genre in CATCH_ALL)
_FMA_SPLITS = {"training": "train", "validation": "valid", "test": "test"}
# Artists' biographies are longer than what the csv module takes for a sound field.
_LONGEST_FIELD = 2**24


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


def labelling_of(dataset: str, library: str) -> Labelling:
    """How the tracks of a library are labelled.

    Parameters
    ----------
    dataset : str
        ``gtzan`` and ``fma`` are known by their file names, ``homburg`` and ``folders`` have a
        folder per genre, ``one-genre`` is one such folder, and ``tags`` believes what the
        files' tags say. The path of a file of corrections (see `is_corrections`) labels the
        files that a person has decided about.
    library : str
        The folder that the tracks are listed from.

    Returns
    -------
    Labelling

    Raises
    ------
    DatasetError
        If a file that has the labels is missing or not of its form.
    """
    if dataset == "gtzan":
        lists = read_gtzan_lists(gtzan_list_files(library))
        return functools.partial(_gtzan, library, lists)
    if dataset == "fma":
        path = fma_tracks_file(library)
        if path is None:
            raise DatasetError(library, "tracks.csv is neither there nor in fma_metadata beside it")
        read_fma_tracks(str(path))
        return functools.partial(_fma, library, str(path))
    if is_corrections(dataset):
        _read_chosen(dataset)
        return functools.partial(_chosen, library, dataset)
    labellings = {"homburg": _homburg, "folders": _folders, ONE_GENRE: _one_genre, "tags": _tags}
    return functools.partial(labellings[dataset], library)


def is_corrections(dataset: str) -> bool:
    """Whether labels come from a file that a report page has saved."""
    return dataset.endswith(".json")


def label_files(dataset: str, library: str) -> list[str]:
    """Files beside the audio that decide on labels and splits."""
    if dataset == "gtzan":
        return [str(path) for path in gtzan_list_files(library).values()]
    if is_corrections(dataset):
        return [dataset]
    path = fma_tracks_file(library) if dataset == "fma" else None
    return [str(path)] if path else []


def _gtzan(library: str, lists: dict[str, str], track: Track) -> Label | None:
    """By a name such as ``blues.00012.wav``, wherever the file lies."""
    place = _place(library, track)
    if named := GTZAN_NAME.match(place.name):
        name = ".".join(named.groups())
        return Label(name, named[1], _artist(track, place, place.parent), lists.get(name))
    return _in_folder(GTZAN_GENRES, track, place)


def _homburg(library: str, track: Track) -> Label | None:
    """By the nearest folder with the name of one of its classes."""
    return _in_folder(HOMBURG_GENRES, track, _place(library, track))


def _in_folder(labels: Collection[str], track: Track, place: PurePosixPath) -> Label | None:
    for folder in place.parents:
        if key_of(folder.name) in labels:
            return Label(str(place), key_of(folder.name), _artist(track, place, folder))
    return None


def _folders(library: str, track: Track) -> Label | None:
    """By the first folder below the root."""
    place = _place(library, track)
    if len(place.parts) < 2:
        return None
    genre = place.parts[0]
    return Label(str(place), spell(genre), _artist(track, place, PurePosixPath(genre)))


def _one_genre(library: str, track: Track) -> Label:
    """By the root's own name."""
    place = _place(library, track)
    genre = os.path.basename(storage_of(library).absolute(library))
    return Label(f"{genre}/{place}", spell(genre), _artist(track, place, PurePosixPath()))


def _tags(library: str, track: Track) -> Label | None:
    """By the first genre in the tag that says anything."""
    place = _place(library, track)
    for genre in track.tags.genres or track.tags.shadow:
        if key_of(genre) and genre.casefold() not in _CATCH_ALL:
            return Label(str(place), spell(genre), _artist(track, place, PurePosixPath()))
    return None


def _chosen(library: str, path: str, track: Track) -> Label | None:
    """By the first genre that a person chose or accepted for the file."""
    absolute = storage_of(track.uri).absolute(track.uri)
    genre = _read_chosen(path).get(printable(absolute))
    if genre is None:
        return None
    place = _place(library, track)
    return Label(str(place), spell(genre), _artist(track, place, PurePosixPath()))


def folder_of_chosen(path: str) -> str:
    """The folder that all files are in that a person has decided about.

    Parameters
    ----------
    path : str
        Of a file of corrections.

    Returns
    -------
    str

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


def _fma(library: str, tracks_file: str, track: Track) -> Label | None:
    """By ``tracks.csv``, which knows a file by its number."""
    place = _place(library, track)
    return read_fma_tracks(tracks_file).get(place.stem.lstrip("0"))


@functools.lru_cache(maxsize=1)
def read_fma_tracks(path: str) -> dict[str, Label]:
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
                row[0]: Label(
                    f"{int(row[0]):06d}", row[genre], row[artist], _FMA_SPLITS[row[split]]
                )
                for row in rows
                if row[genre]
            }
    except OSError as error:
        raise DatasetError(path, str(error.strerror)) from error
    except (csv.Error, ValueError, KeyError, IndexError, StopIteration) as error:
        raise DatasetError(path, f"not FMA's table of tracks: {error}") from error


def _place(library: str, track: Track) -> PurePosixPath:
    """Where a track lies below the library's root."""
    below = track.uri.removeprefix(library).lstrip("/") if track.uri != library else ""
    return PurePosixPath(below or os.path.basename(track.uri))


def _artist(track: Track, place: PurePosixPath, folder: PurePosixPath) -> str:
    """The tag's artist, else the folder below that of the genre, else the file itself."""
    below = place.relative_to(folder).parts
    return track.tags.artist or str(folder / below[0])


def with_header(track: Track, found: Header | Exception) -> Track:
    """A track that knows its tags, where its format has any.

    Parameters
    ----------
    track : Track
    found : Header or Exception
        What reading its header gave.

    Returns
    -------
    Track

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
