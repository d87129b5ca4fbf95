"""Settle: which files of a library need work, found on one machine before the graph.

The same rules as in the graph (see ``skip.py``), without Beam: a run with nothing to do ends in
half a second, and memory does not grow with the library.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from genrebeam.transforms.library.match import Match
from genrebeam.transforms.library.skip import (
    Earlier,
    Gone,
    key_of,
    size_and_time,
    skip_moved,
    skip_unchanged,
    take_failed,
    unchanged,
)
from genrebeam.transforms.records import Given, Outcome, Status, Stored, Track
from genrebeam.transforms.storage.local import open_regular
from genrebeam.transforms.strict import RecordError
from genrebeam.transforms.tags.formats.format import TagForm

TO_DO_FORMAT = 4
_OTHER_LINE = "not a line of a to-do list of this version"


def settle(
    listed: Iterable[Track | Outcome],
    earlier: Iterable[tuple[str, Earlier]],
    settings: str | None,
    form: TagForm,
    *,
    workplace: str,
    stopping: Callable[[], bool],
    stored: Iterable[tuple[str, Stored]] = (),
    decide_again: Callable[[Outcome], None] = lambda _: None,
) -> Iterator[Track | Outcome]:
    """Tell the files that need work from those that an earlier run settled.

    Parameters
    ----------
    listed : iterable of Track or Outcome
        See `genrebeam.transforms.library.walk.list_library`.
    earlier : iterable of (str, Earlier)
        See `genrebeam.transforms.library.skip.read_earlier`.
    settings : str or None
        Fingerprint of what would decide now; with None, all earlier decisions stay.
    workplace : str
        Folder for temporary files.
    stopping : callable
        Whether the run shall end early.
    stored : iterable of (str, Stored)
        See `genrebeam.transforms.library.skip.read_stored`.
    decide_again : callable
        Called for each file that is analysed although an earlier run has decided about it, with
        other settings: the row that it would have if that decision stayed.

    Yields
    ------
    Track or Outcome
        A file to work on, or the row of one that needs none.
    """
    names = _match("listed", "earlier", "stored", workplace=workplace)
    new = _match("new", "gone", workplace=workplace)
    with names, new:
        yield from _add_all(names, listed, earlier, stopping)
        for name, known in stored:
            names.add("stored", name, known)
        for name, found in names.groups():
            if stopping():
                return
            matched = (found["listed"], found["earlier"], settings, found["stored"])
            for one in skip_unchanged(name, *matched):
                if isinstance(one, Outcome):
                    yield one
                elif isinstance(one, Gone):
                    new.add("gone", size_and_time(one.earlier), one)
                else:
                    kept = unchanged(one, found["earlier"], None)
                    if kept is not None and one.stored is None:
                        decide_again(kept)
                    new.add("new", size_and_time(one), one)
        for _, found in new.groups():
            for moved in skip_moved(found["new"], found["gone"], settings, form):
                if stopping():
                    return
                yield moved


def take_what_failed(
    listed: Iterable[Track | Outcome],
    earlier: Iterable[tuple[str, Earlier]],
    *,
    workplace: str,
    stopping: Callable[[], bool],
) -> Iterator[Track | Outcome]:
    """Take the files whose latest row says ``failed``, and those that fail to be listed.

    Parameters
    ----------
    listed, earlier, workplace, stopping
        See `settle`.
    """
    with _match("listed", "earlier", workplace=workplace) as names:
        for outcome in _add_all(names, listed, earlier, stopping):
            if outcome.status == Status.FAILED:
                yield outcome
        for _, found in names.groups():
            if stopping():
                return
            yield from take_failed(found["listed"], found["earlier"])


def _add_all(
    names: Match,
    listed: Iterable[Track | Outcome],
    earlier: Iterable[tuple[str, Earlier]],
    stopping: Callable[[], bool],
) -> Iterator[Outcome]:
    for found in listed:
        if stopping():
            return
        if isinstance(found, Outcome):
            yield found
        else:
            names.add("listed", key_of(found), found)
    for name, row in earlier:
        names.add("earlier", name, row)


def _match(*sources: str, workplace: str) -> Match:
    return Match(sources, workplace, _packed, _unpacked)


def _packed(value: Track | Earlier | Gone | Stored) -> list[Any]:
    if isinstance(value, Track):
        return [*_listed(value), value.stored and _storable(value.stored)]
    if isinstance(value, Stored):
        return _storable(value)
    if isinstance(value, Gone):
        return [value.name, *vars(value.earlier).values()]
    return list(vars(value).values())


def _unpacked(source: str, plain: list[Any]) -> Track | Earlier | Gone | Stored:
    if source == "earlier":
        return Earlier(*plain)
    if source == "stored":
        return _stored(plain)
    if source == "gone":
        return Gone(plain[0], Earlier(*plain[1:]))
    uri, format, size_bytes, mtime_ns, given, stored = plain
    known = _stored(stored) if stored else None
    return _track(uri, format, size_bytes, mtime_ns, given, known)


def _listed(track: Track) -> list[Any]:
    """What a listing and earlier runs tell of a track."""
    given = track.given and list(vars(track.given).values())
    return [track.uri, track.format, track.size_bytes, track.mtime_ns, given]


def _track(
    uri: str,
    format: str,
    size_bytes: int,
    mtime_ns: int,
    given: list[Any] | None,
    stored: Stored | None = None,
) -> Track:
    return Track(
        *(uri, format, size_bytes, mtime_ns),
        given=Given(tuple(given[0]), *given[1:]) if given else None,
        stored=stored,
    )


def _facts(stored: Stored) -> list[Any]:
    return [stored.run, stored.size_bytes, stored.mtime_ns, stored.n_segments]


def _storable(stored: Stored) -> list[Any]:
    return [*_facts(stored), base64.b64encode(stored.inputs).decode("ascii")]


def _stored(plain: list[Any]) -> Stored:
    run, size_bytes, mtime_ns, n_segments, inputs = plain
    return Stored(run, size_bytes, mtime_ns, n_segments, base64.b64decode(inputs))


def write_track(track: Track, stream: BinaryIO, inputs: BinaryIO) -> None:
    """Write a listed track for `read_tracks`: a line of a to-do list.

    Parameters
    ----------
    track : Track
    stream : file
    inputs : file
        What is stored of tracks; see `inputs_beside`.
    """
    place = None
    if track.stored:
        place = [*_facts(track.stored), inputs.tell(), len(track.stored.inputs)]
        inputs.write(track.stored.inputs)
    line = json.dumps([TO_DO_FORMAT, *_listed(track), place])
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
        yield _track(uri, format, size_bytes, mtime_ns, given, known)


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
