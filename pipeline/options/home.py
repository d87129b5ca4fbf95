"""Home: the report folder of a library, where nobody names one.

::

    ~/.local/state/genrebeam/reports/
        Music-3fa9c1d2/        the name of the library, and a digest of its path
            library.json       which library it is
            tracks/, runs/     see pipeline/runs/run.py

A library inside of another has the other's home, so that an album's runs are found beside those
of all music. If the album was tagged first, its runs are moved there (see `joining`); so are those
of a library that has another name now.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from genrebeam.pipeline.options.errors import UsageError
from genrebeam.transforms.records import printable
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.storage.local import open_regular
from genrebeam.transforms.storage.state import state_folder
from genrebeam.transforms.strict import VERSION, RecordError, check_version, parse, record

_FACTS = "library.json"
_FORMAT = 1
_MOST_BYTES = 2**20
_MOST_LETTERS = 40


@dataclass(frozen=True)
class Home:
    """A report folder of a library.

    Parameters
    ----------
    library : str
        Absolute path without links.
    place : str
        Device and inode of that folder, by which it is known when it has another name.
    """

    path: str
    library: str
    place: str = ""

    @property
    def newest_run(self) -> str:
        """Id of its newest run; empty if there is none."""
        with contextlib.suppress(OSError):
            return max(os.listdir(os.path.join(self.path, "runs")), default="")
        return ""

    def holds(self, path: str) -> bool:
        """Whether a path, without links, is that of the library or of something in it."""
        return is_named_in(path, self.library)

    def was_moved_to(self, folder: str) -> bool:
        """Whether a folder is the library under another name."""
        return (
            bool(self.place)
            and not os.path.lexists(self.library)
            and (self.place == _place_of(folder))
        )


def is_named_in(path: str, folder: str) -> bool:
    """Whether a path is that of a folder or of something in it, by their names alone."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def report_of(library: str) -> str:
    """The report folder of a library, which need not exist.

    Parameters
    ----------
    library : str
        Absolute path of a folder or a file.

    Raises
    ------
    UsageError
        If it is in a bucket, or this user has no home.
    """
    if "://" in library:
        raise UsageError(f"{library}: name a folder for its reports with --report")
    real = os.path.realpath(library)
    around = [home for home in homes() if home.holds(real)]
    if around:
        return max(around, key=lambda home: len(home.library)).path
    folder = _folder_of(real)
    name = re.sub(r"[^\w.-]+", "_", printable(os.path.basename(folder)))[:_MOST_LETTERS].strip(".")
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    return os.path.join(_reports(), f"{name}-{digest}")


def make_home(report: str, library: str) -> None:
    """Make a report folder that `report_of` has chosen; any other is made by who writes into it.

    Parameters
    ----------
    library : str
        Absolute path.
    """
    path = os.path.join(report, _FACTS)
    if not is_home(report) or os.path.lexists(path):
        return
    storage = storage_of(report)
    if not os.path.isdir(report):
        storage.make_folder(report)
    folder = _folder_of(os.path.realpath(library))
    facts = {VERSION: _FORMAT, "library": folder, "place": _place_of(folder)}
    with storage.writing(path, below=report) as stream:
        stream.write(f"{json.dumps(facts)}\n".encode("ascii"))


def joining(report: str, roots: Sequence[str]) -> list[Home]:
    """The homes whose runs belong into another one.

    Parameters
    ----------
    report : str
        The other one.
    roots : sequence of str
        Absolute paths, without links, of what its next run lists. It takes the homes of folders
        in these, and of folders that were moved to be one of these.
    """
    if not is_home(report):
        return []
    folders = [root for root in roots if os.path.isdir(root)]
    return [
        home
        for home in homes()
        if home.path != report
        and any(is_named_in(home.library, root) or home.was_moved_to(root) for root in folders)
    ]


def folder_here(report: str) -> str:
    """The current folder, as manifests would name it, if it is in the library of a home."""
    here = os.path.realpath(os.getcwd())
    in_it = any(home.path == report and home.holds(here) for home in homes())
    return printable(here) if in_it else ""


def _place_of(folder: str) -> str:
    """Device and inode; empty where they cannot be asked."""
    with contextlib.suppress(OSError):
        found = os.stat(folder)
        return f"{found.st_dev}:{found.st_ino}"
    return ""


def _folder_of(library: str) -> str:
    """The library itself, or what a file is in."""
    return library if os.path.isdir(library) else os.path.dirname(library)


def is_home(report: str) -> bool:
    """Whether a report folder is in this user's state folder."""
    return os.path.dirname(report) == _reports()


def homes() -> list[Home]:
    """All homes of libraries."""
    with contextlib.suppress(OSError):
        return list(_homes(_reports()))
    return []


def report_here(near: str | None = None, run: str | None = None) -> tuple[str, str]:
    """The report folder of a command that names none.

    The home that has the run, if there is one; else the home of the library that `near` or else
    the current folder is in, of several the one with the newest run; else of all homes the one
    with the newest run.

    Parameters
    ----------
    near : str, optional
        Absolute path of a file that the command is about.
    run : str, optional
        Id of a run that it is about.

    Returns
    -------
    report : str
        Absolute path.
    note : str
        Which one it is, where the user could expect another; else empty.

    Raises
    ------
    UsageError
        If there is none.
    """
    known = homes()
    if run is not None and os.path.basename(run) == run:
        run = run.removeprefix("run=")
        of_run = [home for home in known if os.path.isdir(os.path.join(home.path, "runs", run))]
        if of_run:
            return of_run[0].path, ""
    for place in (near, os.getcwd()):
        around = [home for home in known if place and home.holds(os.path.realpath(place))]
        if around:
            break
    if not known:
        raise UsageError("no reports yet; run genrebeam tag, or name a folder with --report")
    newest = max(around or known, key=lambda home: home.newest_run)
    is_plain = len(around) == 1 or len(known) == 1
    return newest.path, "" if is_plain else f"reports on {newest.library}"


def _reports() -> str:
    state = state_folder()
    if not os.path.isabs(state):
        raise UsageError("you have no home folder; name a folder for reports with --report")
    return os.path.join(state, "reports")


def _homes(folder: str) -> Iterator[Home]:
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError, RecordError):  # another program's
            with open_regular(os.path.join(path, _FACTS)) as stream:
                facts = parse(stream.read(_MOST_BYTES))
            check_version(facts, _FORMAT)
            yield record(Home, {**facts, "path": path})
