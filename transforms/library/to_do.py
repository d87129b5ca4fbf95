"""To-do list: the tracks of a run that need work, in files, because there may be millions.

Beside it are what is stored of these tracks, and what the other files say of their genres.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from genrebeam.transforms.records import EarlierGenres, Stored, Track
from genrebeam.transforms.storage.local import open_regular
from genrebeam.transforms.strict import RecordError

TO_DO_FORMAT = 4
_OTHER_LINE = "not a line of a to-do list of this version"


def listed_values(track: Track) -> list[Any]:
    """What a listing and earlier runs tell of a track."""
    given = track.given and list(vars(track.given).values())
    return [track.uri, track.format, track.size_bytes, track.mtime_ns, given]


def track_of(
    uri: str,
    format: str,
    size_bytes: int,
    mtime_ns: int,
    given: list[Any] | None,
    stored: Stored | None = None,
) -> Track:
    """The track that `listed_values` was called on."""
    return Track(
        *(uri, format, size_bytes, mtime_ns),
        given=EarlierGenres(tuple(given[0]), *given[1:]) if given else None,
        stored=stored,
    )


def _facts(stored: Stored) -> list[Any]:
    return [stored.run, stored.size_bytes, stored.mtime_ns, stored.n_segments]


def stored_values(stored: Stored) -> list[Any]:
    """What is stored of a track, as JSON can hold it."""
    return [*_facts(stored), base64.b64encode(stored.inputs).decode("ascii")]


def stored_of(plain: list[Any]) -> Stored:
    """What `stored_values` was called on."""
    run, size_bytes, mtime_ns, n_segments, inputs = plain
    return Stored(run, size_bytes, mtime_ns, n_segments, base64.b64decode(inputs))


def write_track(track: Track, stream: BinaryIO, inputs: BinaryIO) -> None:
    """Write a listed track for `read_tracks`: a line of a to-do list.

    Parameters
    ----------
    inputs : file
        What is stored of tracks; see `inputs_beside`.
    """
    place = None
    if track.stored:
        place = [*_facts(track.stored), inputs.tell(), len(track.stored.inputs)]
        inputs.write(track.stored.inputs)
    line = json.dumps([TO_DO_FORMAT, *listed_values(track), place])
    stream.write(f"{line}\n".encode("ascii"))


def inputs_beside(path: str) -> str:
    """Where what is stored of the tracks in `path` is: in a file, as it may be a GB."""
    return f"{path}-inputs"


def genres_beside(path: str) -> str:
    """Where what unchanged files say of others' genres is, for the tracks in `path`."""
    return f"{path}-genres"


def write_genres(counts: Iterable[tuple[str, dict[str, float]]], path: str) -> None:
    """Write what unchanged files say (see `genrebeam.transforms.genre.evidence`)."""
    with open(path, "x", encoding="ascii") as stream:
        for key, genres in counts:
            stream.write(f"{json.dumps([TO_DO_FORMAT, key, genres])}\n")


def read_genres(path: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Read what `write_genres` wrote.

    Raises
    ------
    RecordError
        If a line is another.
    """
    for key, genres in _lines(path, 2):
        if type(key) is not str or not isinstance(genres, dict):
            raise RecordError(_OTHER_LINE)
        if not all(type(files) is float for files in genres.values()):
            raise RecordError(_OTHER_LINE)
        yield key, genres


def read_tracks(path: str) -> Iterator[Track]:
    """Read tracks that `write_track` wrote.

    Raises
    ------
    RecordError
        If a line is another.
    """
    inputs = inputs_beside(path)
    for uri, format, size_bytes, mtime_ns, given, stored in _lines(path, 6):
        if tuple(map(type, (uri, format, size_bytes, mtime_ns))) != (str, str, int, int):
            raise RecordError(_OTHER_LINE)
        if given is not None and not _is_given(given):
            raise RecordError(_OTHER_LINE)
        if stored is not None and not _is_stored(stored):
            raise RecordError(_OTHER_LINE)
        known = None
        if stored:
            run, size, time, n_segments, place, n_bytes = stored
            known = Stored(run, size, time, n_segments, b"", inputs, place, n_bytes)
        yield track_of(uri, format, size_bytes, mtime_ns, given, known)


def _is_stored(plain: Any) -> bool:
    if not isinstance(plain, list) or len(plain) != 6:
        return False
    kinds = (str, int, int if plain[2] is not None else type(None), int, int, int)
    return tuple(map(type, plain)) == kinds


def _is_given(plain: Any) -> bool:
    if not isinstance(plain, list) or len(plain) != 3 or not isinstance(plain[0], list):
        return False
    texts = (*plain[0], plain[1], plain[2] or "")
    return all(type(text) is str for text in texts)


def _lines(path: str, n_values: int) -> Iterator[list[Any]]:
    """The values of each line of a file that belongs to a to-do list."""
    with open_regular(path) as stream:
        for line in stream:
            try:
                version, *values = json.loads(line)
            except (ValueError, TypeError, RecursionError) as error:
                raise RecordError("not a line of a to-do list") from error
            if type(version) is not int or version != TO_DO_FORMAT or len(values) != n_values:
                raise RecordError(_OTHER_LINE)
            yield values


def remove_to_do(path: str) -> None:
    """Remove a to-do list and what is beside it."""
    for one in (path, genres_beside(path), inputs_beside(path)):
        with contextlib.suppress(FileNotFoundError):
            os.remove(one)
