"""Remote: music in buckets, under the same promises as local files.

The changed object is uploaded on the condition that the object is still the one that was read;
its type and metadata stay. To be heard or changed, an object is copied to the local disk; some
copies stay there for a while, for the steps that follow.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import multiprocessing
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from typing import Any

from transforms.library.formats import format_of
from transforms.records import Track
from transforms.storage import buckets
from transforms.storage.buckets import ObjectChanged, RemoteObject, find, is_remote, objects_below
from transforms.tags.errors import TagWriteError
from transforms.tags.patch import make_patch

# Most that copies for later steps may take on the disk, in bytes, and of what is free there.
_KEPT_BYTES = 1 << 30
_KEPT_SHARE = 0.25


def walk_objects(root: str, formats: Collection[str]) -> Iterator[Track]:
    """List the music below a folder of a bucket, or one object.

    Parameters
    ----------
    root : str
        ``gs://bucket``, ``s3://bucket`` or a folder or an object in one.
    formats : collection of str

    Yields
    ------
    Track
        Hidden names and unknown types are left out.

    Raises
    ------
    OSError
    """
    start = len(root.rstrip("/"))
    for found in objects_below(root):
        hidden = any(part.startswith(".") for part in found.uri[start:].split("/"))
        if not hidden and format_of(found.uri) in formats:
            yield Track(found.uri, format_of(found.uri), found.size, found.mtime_ns)


@contextlib.contextmanager
def localised(path: str) -> Iterator[str]:
    """A local file with the content of `path`, to be read only: itself, or a copy.

    Parameters
    ----------
    path : str
        Local or remote.

    Yields
    ------
    str
        A copy is gone at the end of the block.
    """
    if not is_remote(path):
        yield path
        return
    with downloaded(find(path)) as copy:
        yield copy


@contextlib.contextmanager
def downloaded(found: RemoteObject) -> Iterator[str]:
    """A local copy of an object, to be read only, gone at the end of the block.

    The same version is not fetched again as long as there is room to keep it.
    """
    home = _home_of_copies()
    kept = os.path.join(home, _name_of(found))
    with tempfile.TemporaryDirectory(dir=home) as folder:
        copy = os.path.join(folder, f"object.{format_of(found.uri)}")
        try:
            os.link(kept, copy)  # a name of its own, which nobody takes away
            os.utime(kept)
        except OSError:
            with open(copy, "wb") as stream:
                buckets.fetch(found, stream)
            _keep(copy, kept)
        yield copy


def _name_of(found: RemoteObject) -> str:
    version = f"{found.uri}\n{found.version}".encode(errors="surrogateescape")
    return hashlib.blake2b(version, digest_size=16).hexdigest()


@functools.cache
def _home_of_copies() -> str:
    """One folder for a process and the decoders that it started."""
    parent = multiprocessing.parent_process()
    owner = os.getpid() if parent is None else parent.pid
    home = os.path.join(tempfile.gettempdir(), f"genrebeam-{os.geteuid()}-{owner}")
    os.makedirs(home, mode=0o700, exist_ok=True)
    facts = os.lstat(home)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        home = tempfile.mkdtemp(prefix="genrebeam-")  # what is there is another's
    elif parent is not None:
        return home  # whose owner removes it
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def _keep(copy: str, kept: str) -> None:
    """Give a copy a second name for the steps that follow; the oldest give way."""
    home = os.path.dirname(kept)
    with contextlib.suppress(OSError):  # another process may have been faster
        room = min(_KEPT_BYTES, _KEPT_SHARE * shutil.disk_usage(home).free)
        room -= os.path.getsize(copy)
        if room < 0:
            return
        others = [entry for entry in os.scandir(home) if entry.is_file(follow_symlinks=False)]
        taken = [(entry.stat(), entry.path) for entry in others]
        for facts, path in sorted(taken, key=lambda item: item[0].st_mtime_ns, reverse=True):
            room -= facts.st_size
            if room < 0:
                os.unlink(path)
        os.link(copy, kept)


def beside(copy: str) -> str:
    """A second path in the folder of a local copy, gone with it."""
    folder, name = os.path.split(copy)
    return os.path.join(folder, f"changed {name}")


def upload(found: RemoteObject, path: str) -> RemoteObject:
    """Upload another content, if nobody else has in the meantime.

    Parameters
    ----------
    found : RemoteObject
    path : str
        Of a local file.

    Returns
    -------
    RemoteObject
        As written.

    Raises
    ------
    TagWriteError
        If the object is no longer the one that was found.
    OSError
    """
    try:
        with open(path, "rb") as stream:
            after = buckets.put(found.uri, stream, replacing=found)
    except ObjectChanged as error:
        raise TagWriteError(found.uri, "changed while it was being tagged") from error
    with contextlib.suppress(OSError):  # no step asks for the old one again
        os.unlink(os.path.join(_home_of_copies(), _name_of(found)))
    return after


def rewrite_object(
    track: Track,
    change: Callable[[str], None],
    *,
    is_done: Callable[[], bool],
    journal: Callable[[dict[str, Any]], None],
    notes: dict[str, Any],
) -> Track:
    """Change an object; the counterpart of `transforms.tags.rewrite.rewrite`.

    Parameters
    ----------
    track : Track
        As it was listed and read.
    change : callable
        Changes the local copy whose path it is given.
    is_done : callable
        Whether an object that is no longer as it was read has become what it was to be.
    journal : callable
        Called with what is about to change, before it does.
    notes : dict
        Further facts for the journal.

    Returns
    -------
    Track
        With the size and time of the object as it is now.

    Raises
    ------
    TagWriteError, OSError
        The object is as it was before.
    """
    before = find(track.uri)
    if (before.size, before.mtime_ns) != (track.size_bytes, track.mtime_ns):
        if is_done():
            return track.as_written(before.size, before.mtime_ns)
        raise TagWriteError(track.uri, "changed while it was being heard")
    if before.encoding:
        raise TagWriteError(track.uri, f"is stored {before.encoding}-encoded, not as music")
    with downloaded(before) as original:
        copy = beside(original)
        shutil.copyfile(original, copy)
        change(copy)
        patch = make_patch(original, copy)
        if patch.changes_nothing:
            return track
        journal(
            {
                "path": track.uri,
                "format": track.format,
                **notes,
                "size_before": before.size,
                "mtime_ns_before": before.mtime_ns,
                "undo": patch.to_json(),
            }
        )
        try:
            after = upload(before, copy)
        except TagWriteError:
            # An upload whose answer was lost is tried again, and then finds its own work.
            if not is_done():
                raise
            after = find(track.uri)
    return track.as_written(after.size, after.mtime_ns)
