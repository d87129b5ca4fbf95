"""Walk: a library's files become tracks.

An own walk, not Beam's file patterns, which cannot quote ``[ ] *``, common in album
folders. Hidden files, unknown types and what is no music (see ``exclude.py``) are left out;
everything else that cannot be listed becomes a row. Symbolic links never lead out of the library or
in circles.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from genrebeam.transforms.formats import FORMATS, format_of
from genrebeam.transforms.library.exclude import Exclude, is_no_music
from genrebeam.transforms.records import Outcome, Stage, Status, Track, TrackError, dropped
from genrebeam.transforms.storage import Found, storage_of
from genrebeam.transforms.storage.local import clean_abandoned, is_temporary

# Files looked up in one go, threads that do it on a slow drive, and what is slow: this many s for a
# file, in a folder of a few files or more.
_LOOKED_UP_AT_ONCE, _THREADS, _SLOW_S, _FEW = 64, 16, 0.001, 4


class ListingError(TrackError):
    """A name in the library that is no readable file."""


class SymlinkError(ListingError):
    """A symbolic link that leads nowhere."""


def walk(
    root: str,
    formats: Collection[str] = FORMATS,
    *,
    tidy: bool = False,
    exclude: Sequence[str] = (),
) -> Iterator[Track | Outcome]:
    """List a library.

    Parameters
    ----------
    root : str
        A folder, or one file.
    formats : collection of str
        Extensions to list.
    tidy : bool
        Remove the temporary files of runs that died.
    exclude : sequence of str
        Patterns of what is left out (see `Exclude`).

    Yields
    ------
    Track or Outcome
        A file to work on, or the row of a name that is none. In order of names,
        a folder's files before its subfolders'.

    Raises
    ------
    OSError
        If the library itself is not there. A run over nothing would take all files for gone.
    """
    if not os.path.isdir(root):
        if format_of(root) not in formats:
            os.stat(root)
        yield _track(root, lambda: os.stat(root))
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="walk") as threads:
        look_up = _LookUp(formats, threads)
        yield from _walk_folders(root, formats, look_up, Exclude(exclude), tidy=tidy)


def _walk_folders(
    root: str, formats: Collection[str], look_up: _LookUp, excluded: Exclude, *, tidy: bool
) -> Iterator[Track | Outcome]:
    real_root = os.path.realpath(root)
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if folder == root:
                raise
            yield dropped(Track(folder, ""), Stage.WALK, error)
            continue
        subfolders = []
        for entry in look_up(entries):
            if entry.name.startswith("."):
                if tidy and is_temporary(entry.name):
                    clean_abandoned(entry.path)
                continue
            try:
                is_link, is_folder = entry.is_symlink(), entry.is_dir(follow_symlinks=False)
            except OSError as error:  # some network drives look it up, and fail
                yield dropped(Track(entry.path, format_of(entry.name)), Stage.WALK, error)
                continue
            if is_folder and is_no_music(entry.name):
                continue
            if excluded(os.path.relpath(entry.path, root), is_folder=is_folder):
                continue
            if is_link:
                yield from _follow(entry.path, real_root, formats)
            elif is_folder:
                subfolders.append(entry.path)
                if format_of(entry.name) in formats:
                    why = ListingError(entry.path, "a folder with the name of an audio file")
                    yield dropped(Track(entry.path, format_of(entry.name)), Stage.WALK, why)
            elif format_of(entry.name) in formats:
                yield _track(entry.path, entry.stat)
        folders.extend(reversed(subfolders))


class _LookUp:
    """Look files up before they are needed, many at a time where each takes long.

    A network drive may take 5 ms for each: 100,000 files one after the other would take eight
    minutes. An entry remembers what it was given.
    """

    def __init__(self, formats: Collection[str], threads: ThreadPoolExecutor) -> None:
        self._formats = formats
        self._threads = threads
        self._is_slow = False

    def __call__(self, entries: Sequence[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        for first in range(0, len(entries), _LOOKED_UP_AT_ONCE):
            some = entries[first : first + _LOOKED_UP_AT_ONCE]
            music = [entry for entry in some if format_of(entry.name) in self._formats]
            began = time.monotonic()
            at_a_time = min(len(music), _THREADS) if self._is_slow else 1
            looked_up = self._threads.map if self._is_slow else map
            deque(looked_up(_look_up, music), maxlen=0)
            passed = (time.monotonic() - began) * at_a_time
            self._is_slow = passed > _SLOW_S * max(_FEW, len(music))
            yield from some


def _look_up(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):  # whoever needs it gets the error
        entry.stat(follow_symlinks=False)


def _track(path: str, look: Callable[[], os.stat_result]) -> Track | Outcome:
    track = Track(path, format_of(path))
    try:
        facts = look()
        if not stat.S_ISREG(facts.st_mode):
            raise ListingError(path, "not a regular file")
    except (OSError, ListingError) as error:
        return dropped(track, Stage.WALK, error)
    return Track(path, track.format, facts.st_size, facts.st_mtime_ns)


def _follow(path: str, real_root: str, formats: Collection[str]) -> Iterator[Track | Outcome]:
    """What a symbolic link stands for; folders behind links are never entered.

    A folder inside the library is listed at its own place, and one outside of it does not
    belong to it, so that no link has to be followed to find every file exactly once.
    """
    kind = format_of(path) if format_of(path) in formats else ""
    link = Track(path, kind)
    try:
        target = os.path.realpath(path, strict=True)
        is_folder = os.path.isdir(target)
    except OSError as error:
        if error.errno == errno.ELOOP:
            yield dropped(link, Stage.WALK, SymlinkError(path, "symbolic link in a circle"))
        elif kind:
            reason = "broken symbolic link" if error.errno == errno.ENOENT else str(error.strerror)
            yield dropped(link, Stage.WALK, SymlinkError(path, reason))
        return
    if not is_folder and not kind:
        return
    inside = os.path.relpath(target, real_root)
    if inside == ".." or inside.startswith(".." + os.sep):
        yield _refused(link, "symbolic link that leaves the library, not followed")
    elif is_folder:
        around = os.path.realpath(os.path.dirname(path))
        circle = os.path.commonpath([around, target]) == target
        reason = (
            "symbolic link in a circle" if circle else "symbolic link to a folder listed itself"
        )
        yield _refused(link, f"{reason}, not followed")
    elif any(map(is_no_music, inside.split(os.sep))) or (format_of(target) not in formats):
        yield _track(path, lambda: os.stat(path))
    else:
        yield _refused(link, f"symbolic link to a file listed itself ({inside})")


def _refused(track: Track, reason: str) -> Outcome:
    return Outcome(track, status=Status.REFUSED, stage=Stage.WALK, reason=reason)


def list_library(
    library: str,
    formats: Collection[str] = FORMATS,
    *,
    tidy: bool = False,
    exclude: Sequence[str] = (),
) -> Iterator[Track | Outcome]:
    """List a library, on a disk or in a bucket; see `walk`.

    In a bucket hidden names and unknown types are left out too; there are no links.
    """
    objects = storage_of(library).objects_below(library)
    if objects is None:
        return walk(library, formats, tidy=tidy, exclude=exclude)
    return _music_of(objects, library, formats, Exclude(exclude))


def _music_of(
    objects: Iterator[Found], library: str, formats: Collection[str], excluded: Exclude
) -> Iterator[Track]:
    start = len(library.rstrip("/"))
    for found in objects:
        inside = found.uri[start:].lstrip("/")
        left_out = any(map(is_no_music, inside.split("/"))) or excluded(inside)
        if not left_out and format_of(found.uri) in formats:
            yield Track(found.uri, format_of(found.uri), found.size, found.mtime_ns)
