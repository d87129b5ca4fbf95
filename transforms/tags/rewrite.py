"""Rewrite: change a file in one step, or not at all.

A copy beside the file is changed, read back, compared and forced to the disk; a line in the
journal says what is about to happen; then the copy takes the file's place. Whoever looks at
the file at any time sees the old one or the new one, whole.

Two runs on one library, or the same element twice, need no lock: each compares the file with
what it read before (size, time, inode) right before it replaces it, and a file that has
become what it was to be counts as done.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from transforms.records import Refusal, Track
from transforms.tags.errors import TagWriteError
from transforms.tags.patch import make_patch

# Hidden, so that no walk lists it; then the machine and the process that it belongs to.
_TEMPORARY = ".genrebeam-"
# After so long a temporary file of another machine belongs to a run that died, in s.
_ABANDONED_S = 24 * 3600.0
# More than one block of a disk, in bytes, is not written in one step.
_BLOCK = 4096

Journal = Callable[[dict[str, Any]], None]


class HardLinked(Refusal):
    """A file with several names: replacing one of them would part it from the others."""


@dataclass(frozen=True)
class WritePolicy:
    """What may be done to files.

    Parameters
    ----------
    keep_mtime : bool
        Give a changed file its old time back.
    in_place_links : bool
        Change a file with several hard links in place, where that is one small step.
    """

    keep_mtime: bool = False
    in_place_links: bool = False


def check_writable(path: str, *, in_place_links: bool = False) -> None:
    """Refuse a file that may not be written, before any work on it.

    A protected file is left alone, though replacing it would need permission on its folder
    only.

    Parameters
    ----------
    path : str
    in_place_links : bool
        Allow several hard links.

    Raises
    ------
    TagWriteError, HardLinked, OSError
    """
    real = os.path.realpath(path)
    facts = os.stat(real)
    if not os.access(real, os.W_OK):
        raise TagWriteError(path, "no write permission on the file")
    if not os.access(os.path.dirname(real), os.W_OK | os.X_OK):
        raise TagWriteError(path, "no write permission on its folder")
    if facts.st_uid != os.geteuid() != 0:
        raise TagWriteError(path, "belongs to another user, who would lose it")
    if facts.st_nlink > 1 and not in_place_links:
        raise HardLinked(path, f"has {facts.st_nlink} hard links, which writing would part")


def rewrite(
    track: Track,
    change: Callable[[str], None],
    *,
    is_done: Callable[[], bool],
    journal: Journal,
    notes: dict[str, Any],
    policy: WritePolicy = WritePolicy(),
) -> Track:
    """Change a file.

    Parameters
    ----------
    track : Track
        As it was listed and read.
    change : callable
        Changes the copy whose path it is given.
    is_done : callable
        Whether a file that is no longer as it was read has become what it was to be.
    journal : callable
        Called with what is about to change, before it does.
    notes : dict
        Further facts for the journal.
    policy : WritePolicy

    Returns
    -------
    Track
        With the size and time of the file as it is now.

    Raises
    ------
    TagWriteError, HardLinked, NoTagField, OSError
        The file is as it was before.
    """
    path = track.uri
    real = os.path.realpath(path)
    check_writable(path, in_place_links=policy.in_place_links)
    before = os.stat(real)
    if (before.st_size, before.st_mtime_ns) != (track.size_bytes, track.mtime_ns):
        if is_done():
            return track.as_written(before.st_size, before.st_mtime_ns)
        raise TagWriteError(path, "changed while it was being heard")
    try:
        return _rewrite(track, real, before, change, journal, notes, policy)
    except TagWriteError:
        now = os.stat(real)
        if identity_of(now) == identity_of(before) or not is_done():
            raise
        return track.as_written(now.st_size, now.st_mtime_ns)  # another was faster


def _rewrite(
    track: Track,
    real: str,
    before: os.stat_result,
    change: Callable[[str], None],
    journal: Journal,
    notes: dict[str, Any],
    policy: WritePolicy,
) -> Track:
    with copied_beside(real, track.format) as copy:
        change(copy)
        patch = make_patch(real, copy)
        if patch.changes_nothing:
            return track
        dress(copy, real, mtime_ns=before.st_mtime_ns if policy.keep_mtime else None)
        after = os.stat(copy)
        entry = {
            "path": real,
            "format": track.format,
            **notes,
            "size_before": before.st_size,
            "size_after": after.st_size,
            "mtime_ns_before": before.st_mtime_ns,
            "mtime_ns_after": after.st_mtime_ns,
            "in_place": before.st_nlink > 1,
            "undo": patch.to_json(),
        }

        def announce() -> None:
            _check_same(track.uri, real, before)
            journal(entry)
            # Again: the line takes its time to the disk. Where it was written for nothing,
            # undo finds the file as it was before, or changed by others.
            _check_same(track.uri, real, before)

        if before.st_nlink > 1:
            overwrite(real, copy, announce)
            if policy.keep_mtime:
                os.utime(real, ns=(before.st_atime_ns, before.st_mtime_ns))
            after = os.stat(real)
            return track.as_written(after.st_size, after.st_mtime_ns)
        announce()
        replace(copy, real)
    return track.as_written(after.st_size, after.st_mtime_ns)


def _check_same(path: str, real: str, before: os.stat_result) -> None:
    if identity_of(os.stat(real)) != identity_of(before):
        raise TagWriteError(path, "changed while it was being tagged")


def identity_of(facts: os.stat_result) -> tuple[int, ...]:
    """What tells whether a file is the one that was looked at before."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


@contextlib.contextmanager
def copied_beside(real: str, format: str) -> Iterator[str]:
    """A copy in the file's own folder, gone at the end unless it was put in its place."""
    handle, copy = tempfile.mkstemp(
        prefix=f"{_TEMPORARY}{_node()}-{os.getpid()}-",
        suffix=f".{format}",
        dir=os.path.dirname(real),
    )
    os.close(handle)
    try:
        shutil.copyfile(real, copy)
        yield copy
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(copy)


def dress(copy: str, real: str, *, mtime_ns: int | None = None) -> None:
    """Make a copy ready to take its file's place.

    It gets the file's owner, mode and extended attributes, and is forced to the disk.

    Parameters
    ----------
    copy, real : str
    mtime_ns : int, optional
        Its time; by default now.
    """
    facts = os.stat(real)
    shutil.copystat(real, copy)
    made = os.stat(copy)
    if (made.st_uid, made.st_gid) != (facts.st_uid, facts.st_gid):
        os.chown(copy, facts.st_uid, facts.st_gid)
        # A change of owner clears the set-id bits.
        os.chmod(copy, stat.S_IMODE(facts.st_mode))
    if mtime_ns is None:
        os.utime(copy)
    else:
        os.utime(copy, ns=(facts.st_atime_ns, mtime_ns))
    sync(copy)


def replace(copy: str, real: str) -> None:
    """Put a copy in its file's place."""
    os.replace(copy, real)
    # Done and visible: a file system that cannot sync folders is no reason to call it failed.
    with contextlib.suppress(OSError):
        sync(os.path.dirname(real))


def sync(path: str) -> None:
    """Force a file, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def overwrite(real: str, copy: str, announce: Callable[[], None]) -> None:
    """Change a file with several names where it stands, if that is one small step.

    Parameters
    ----------
    real : str
    copy : str
        What it is to become.
    announce : callable
        Called right before.

    Raises
    ------
    HardLinked
        If the size differs, or more than one block.
    """
    old, new = (np.fromfile(path, np.uint8) for path in (real, copy))
    same_size = len(old) == len(new)
    differing = np.flatnonzero(old != new) if same_size else np.zeros(0, int)
    if not same_size or len(np.unique(differing // _BLOCK)) > 1:
        raise HardLinked(real, "has hard links, and its tag has no room for a change in place")
    announce()
    if not len(differing):
        return
    first, last = int(differing[0]), int(differing[-1]) + 1
    handle = os.open(real, os.O_WRONLY)
    try:
        os.pwrite(handle, new[first:last].tobytes(), first)
        os.fsync(handle)
    finally:
        os.close(handle)


def is_temporary(name: str) -> bool:
    """Whether a name in a folder is that of one of our temporary files."""
    return name.startswith(_TEMPORARY)


def clean_abandoned(path: str) -> None:
    """Remove a temporary file if the run that made it has died.

    Parameters
    ----------
    path : str
    """
    node, _, rest = os.path.basename(path).removeprefix(_TEMPORARY).partition("-")
    process = rest.partition("-")[0]
    with contextlib.suppress(OSError):
        facts = os.lstat(path)
        old = time.time() - facts.st_ctime > _ABANDONED_S
        dead = node == _node() and process.isdigit() and not _lives(int(process))
        if stat.S_ISREG(facts.st_mode) and (dead or old):
            os.unlink(path)


def _node() -> str:
    """This machine, as far as names of files are concerned: libraries may be shared."""
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
