"""Files that are written: whole or not at all, and never through a name that others have laid.

A report folder, or the folder of an ``--out``, may come from anybody. A link in it must not lead a
write to another file, a pipe must not make it wait, and a file with a second name elsewhere must
not change under that name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

# Matches the temporary names of what was never whole.
UNFINISHED = "." + 16 * "[0-9a-f]" + ".new"
# Paths of open folders, on systems that have them.
_HANDLES = "/proc/self/fd"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def writing(
    path: str | os.PathLike[str],
    *,
    workplace: str | None = None,
    below: str | None = None,
) -> Iterator[BinaryIO]:
    """Write a file that has its name at the end of the block; one that has it then is replaced.

    Nobody can foresee the temporary name. A link with the file's name is replaced, not followed.

    Parameters
    ----------
    workplace : str, optional
        Folder on the same disk where the file is until it is whole; by default its own.
    below : str, optional
        A folder below which no folder on the way may be a link.
    """
    folder, name = os.path.split(os.fspath(path))
    unfinished = f".{secrets.token_hex(8)}.new"
    with folder_handle(folder, below) as target, folder_handle(workplace or folder, below) as place:
        _refuse_device(name, target, path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(unfinished, flags, 0o666, dir_fd=place)
        try:
            # An open file, not a path: pyarrow takes none with bytes that are no text.
            with open(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            rename(unfinished, place, name, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(unfinished, dir_fd=place)
            raise


def written_by(save: Callable[[Path], object], path: Path) -> None:
    """Write a file that a library only saves to a path of its own; see `writing`."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / path.name
        save(place)
        with writing(path) as stream, open(place, "rb") as made:
            shutil.copyfileobj(made, stream)


def link(path: str, target: str, *, below: str | None = None) -> None:
    """Make a link, or let one that is there lead elsewhere.

    Parameters
    ----------
    target : str
        Relative to the link's folder.
    below : str, optional
        See `writing`.

    Raises
    ------
    OSError
        Also where something that is no link has the name.
    """
    folder, name = os.path.split(path)
    unfinished = f".{secrets.token_hex(8)}.new"
    with folder_handle(folder, below) as place:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISLNK(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
                raise OSError(errno.EEXIST, "something that is no link has this name", path)
        os.symlink(target, unfinished, dir_fd=place)
        try:
            rename(unfinished, place, name, place)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(unfinished, dir_fd=place)
            raise


def remove(path: str, *, below: str | None = None) -> None:
    """Remove a file, a link or an empty folder.

    Parameters
    ----------
    below : str, optional
        See `writing`.
    """
    folder, name = os.path.split(path)
    with folder_handle(folder, below) as place:
        if stat.S_ISDIR(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
            os.rmdir(name, dir_fd=place)
        else:
            os.unlink(name, dir_fd=place)


def open_own(path: str, flags: int, *, below: str | None = None) -> int:
    """Open a file of ours to change it where it stands, and return its handle.

    Parameters
    ----------
    flags : int
        See `os.open`.
    below : str, optional
        See `writing`.

    Raises
    ------
    OSError
        Also where the name is that of a link, a pipe or a device.
    """
    folder, name = os.path.split(path)
    with folder_handle(folder, below) as place:
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            handle = os.open(name, flags, 0o666, dir_fd=place)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO):
                raise
            raise _not_regular(path) from error
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise _not_regular(path)


@contextlib.contextmanager
def folder_handle(folder: str, below: str | None = None) -> Iterator[int]:
    """An open folder.

    Parameters
    ----------
    below : str, optional
        See `writing`.
    """
    inside = below is not None and f"{folder}/".startswith(f"{below.rstrip('/')}/")
    handle = os.open((below if inside and below else folder) or ".", _FOLDER)
    try:
        for name in os.path.relpath(folder, below).split(os.sep) if inside else ():
            inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def rename(name: str, folder: int, new_name: str, new_folder: int) -> None:
    """Give a file of an open folder another name there, or in another open folder.

    Parameters
    ----------
    folder : int
        Handle.
    new_name : str
        What has this name is replaced.
    new_folder : int
        Handle.
    """
    if os.path.isdir(_HANDLES):
        os.replace(f"{_HANDLES}/{folder}/{name}", f"{_HANDLES}/{new_folder}/{new_name}")
    else:
        os.replace(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)


def _refuse_device(name: str, folder: int, path: str | os.PathLike[str]) -> None:
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise _not_regular(os.fspath(path))


def _not_regular(path: str) -> OSError:
    return OSError(errno.EINVAL, "a link, a pipe or a folder has this name", path)
