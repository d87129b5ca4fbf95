"""Local: which files of a library need work, found on one machine before the graph.

The same rules as in the graph (see ``skip.py``), without Beam: a run with nothing to do ends in
half a second, and memory does not grow with the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from genrebeam.transforms.library.external_join import ExternalJoin
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
from genrebeam.transforms.library.to_do import (
    listed_values,
    stored_of,
    stored_values,
    track_of,
)
from genrebeam.transforms.records import Outcome, Status, Stored, Track
from genrebeam.transforms.tags.formats.format import TagForm


def skip_known(
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
    """Tell the files that need work from those that an earlier run has settled.

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
        See `skip_known`.
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
    names: ExternalJoin,
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


def _match(*sources: str, workplace: str) -> ExternalJoin:
    return ExternalJoin(sources, workplace, _packed, _unpacked)


def _packed(value: Track | Earlier | Gone | Stored) -> list[Any]:
    if isinstance(value, Track):
        return [*listed_values(value), value.stored and stored_values(value.stored)]
    if isinstance(value, Stored):
        return stored_values(value)
    if isinstance(value, Gone):
        return [value.name, *vars(value.earlier).values()]
    return list(vars(value).values())


def _unpacked(source: str, plain: list[Any]) -> Track | Earlier | Gone | Stored:
    if source == "earlier":
        return Earlier(*plain)
    if source == "stored":
        return stored_of(plain)
    if source == "gone":
        return Gone(plain[0], Earlier(*plain[1:]))
    uri, format, size_bytes, mtime_ns, given, stored = plain
    known = stored_of(stored) if stored else None
    return track_of(uri, format, size_bytes, mtime_ns, given, known)
