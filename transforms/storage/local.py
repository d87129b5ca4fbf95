"""A disk: files are changed on a copy beside them, which then takes their place.

Whoever looks at a file at any time sees the old one or the new one, whole. A file with several
names is changed where it stands, if that is one small step.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import logging
import os
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from genrebeam.model import files
from genrebeam.transforms.records import HardLinked, TagWriteError
from genrebeam.transforms.storage.mounts import is_shared_device
from genrebeam.transforms.storage.storage import ChangedMeanwhile, Found, Held, Storage

# Hidden, so that no walk lists it; then the machine that it belongs to.
_TEMPORARY = ".genrebeam-"
# After so long a temporary file of another machine belongs to a run that died, in s.
_ABANDONED_S = 24 * 3600.0
# How often, and after how many s, a file is tried again that a file server has lent to another.
_LEASE_TRIES, _LEASE_LOOK_S = 200, 0.05
# What is read and written in one go where a file is copied, in bytes.
_COPIED_AT_ONCE = 1 << 20
# Longer lines of a journal are none of ours, in bytes.
_LONGEST_LINE = 1 << 27
# More than one block of a disk, in bytes, is not written in one step.
_BLOCK = 4096
# What file systems without locks answer; some network mounts are.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# What file systems answer on which owner, mode and times are given, and that know nothing of them.
_NOT_HERE = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# What they answer that cannot force a folder's list of names to the disk.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)

_log = logging.getLogger("genrebeam")


class NotRegular(OSError):
    """A name that is no regular file: a pipe, a device, a folder."""


def open_regular(path: str, *, buffering: int = -1) -> BinaryIO:
    """Open a file of a library for reading, and never wait for it.

    A pipe in its place would wait for a writer that never comes, a device might do anything.

    Parameters
    ----------
    buffering : int
        See `open`.

    Raises
    ------
    NotRegular, OSError
    """
    for _ in range(_LEASE_TRIES):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            break
        except BlockingIOError:  # a file server is just taking back what it lent to another
            time.sleep(_LEASE_LOOK_S)
    else:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotRegular(errno.EINVAL, "not a regular file", path)
        return open(handle, "rb", buffering=buffering)
    except BaseException:
        os.close(handle)
        raise


class Local(Storage):
    """The disks of this machine."""

    def absolute(self, path: str) -> str:
        return os.path.abspath(path)

    def real(self, path: str) -> str:
        return os.path.realpath(path)

    def relative(self, path: str, folder: str) -> str:
        return os.path.relpath(path, folder)

    def has_folder(self, path: str) -> bool:
        return os.path.isdir(path)

    def files_in(self, folder: str) -> list[str]:
        try:
            return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        except FileNotFoundError:
            return []

    def folders_in(self, folder: str) -> list[str]:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def read(self, path: str) -> bytes:
        with open_regular(path) as stream:
            return stream.read()

    @property
    def reader(self) -> None:
        return None

    def opened(self, paths: Iterable[str]) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        for path in paths:
            yield path, functools.partial(open_regular, path)

    def writing(
        self, path: str, workplace: str | None = None, below: str | None = None
    ) -> AbstractContextManager[BinaryIO]:
        return files.writing(path, workplace=workplace, below=below)

    def make_folder(self, path: str) -> None:
        missing = [path]
        while not os.path.isdir(os.path.dirname(missing[-1]) or "."):
            missing.append(os.path.dirname(missing[-1]))
        for made in reversed(missing):
            # Reports reveal what a person owns and listens to: only the owner may read them.
            os.mkdir(made, 0o700)
            _sync_folder(os.path.dirname(made) or ".")

    def remove_folder(self, path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)

    def begin_journal(self, path: str, below: str | None = None) -> None:
        os.close(files.open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, below=below))
        _sync_folder(os.path.dirname(path))

    def append(self, path: str, line: bytes, below: str | None = None) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        handle = files.open_own(path, flags, below=below)
        try:
            if os.fstat(handle).st_nlink > 1:
                # Its other name, as of a backup made of links, keeps what it has.
                handle = _parted(handle, path, flags, below)
            with _alone(handle):
                _append(handle, path, line)
            os.fsync(handle)
        finally:
            os.close(handle)

    def lines(self, path: str) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError), open_regular(path) as stream:
            yield from _lines_of(stream)

    @contextlib.contextmanager
    def lock(self, path: str, describe: Callable[[str], bytes]) -> Iterator[Callable[[str], None]]:
        """The system holds the lock (``flock``): it is gone with the process that took it.

        On a file system without locks the block runs without one.
        """
        if not os.path.isdir(os.path.dirname(path)):
            self.make_folder(os.path.dirname(path))
        # Not truncated: another's note may be in it. Not inherited: decoders outlive a crash.
        handle = files.open_own(path, os.O_RDWR | os.O_CREAT)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Held(os.pread(handle, 4096, 0)) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                _log.info("%s: no lock, other runs are not seen (%s)", path, error.strerror)
            _forget(handle)  # what a killed run noted
            try:
                yield lambda run: _note(handle, describe(run))
            finally:
                # Not unlinked: a third run would lock a new file while a second has this one.
                _forget(handle)
        finally:
            os.close(handle)

    def objects_below(self, folder: str) -> None:
        return None

    def seems_there(self, path: str) -> bool:
        return os.path.exists(path)

    def find(self, path: str) -> Found:
        real = os.path.realpath(path)
        return _found(real, os.stat(real))

    def open_in_place(self, path: str) -> BinaryIO:
        return open_regular(path, buffering=0)

    def open_header(self, path: str) -> BinaryIO:
        return open_regular(path)

    @contextlib.contextmanager
    def localised(self, path: str, found: Found | None = None) -> Iterator[str]:
        yield path

    def check_writable(self, path: str, *, in_place_links: bool = False) -> None:
        # A protected file is left alone, though its folder's permission is enough to replace it.
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
        if _knows_writers(facts):
            with open_regular(real) as stream:
                _check_no_writer(path, stream.fileno())

    @contextlib.contextmanager
    def changing(self, found: Found, format: str) -> Iterator[tuple[str, str]]:
        handle, copy = _temporary_file(os.path.dirname(found.uri), format)
        try:
            with open_regular(found.uri) as source, open(handle, "wb", closefd=False) as target:
                shutil.copyfileobj(source, target, _COPIED_AT_ONCE)
            yield found.uri, copy
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(copy)
            os.close(handle)  # and with it the lock

    @contextlib.contextmanager
    def trying(self, found: Found, format: str) -> Iterator[tuple[str, str]]:
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY.lstrip(".")) as folder:
            copy = os.path.join(folder, f"copy.{format}")
            with open_regular(found.uri) as source, open(copy, "xb") as target:
                shutil.copyfileobj(source, target, _COPIED_AT_ONCE)
            yield found.uri, copy

    def check_put(self, found: Found, copy: str) -> None:
        if found.n_names > 1:
            with open_regular(found.uri) as old, open(copy, "rb") as new:
                _changed_block(found.uri, old.fileno(), new.fileno())

    def put(
        self,
        found: Found,
        copy: str,
        announce: Callable[[Found | None], None],
        *,
        mtime_ns: int | None = None,
    ) -> Found:
        # From here on names are those of one folder, whatever is put in its path's way.
        with _folder_of(found) as folder, _opened_in(folder, copy) as made:
            return self._put(found, folder, copy, made, announce, mtime_ns)

    def _put(
        self,
        found: Found,
        folder: int,
        copy: str,
        made: int,
        announce: Callable[[Found | None], None],
        mtime_ns: int | None,
    ) -> Found:
        real, name = found.uri, os.path.basename(found.uri)
        before = _check_same(found, folder)
        with _opened_in(folder, real) as old:
            if _knows_writers(before):
                _check_no_writer(real, old)
            _give_attributes(made, before, old, mtime_ns)

        def begin() -> None:
            _check_same(found, folder)
            announce(_found(real, os.fstat(made)))
            # Again: the line takes its time to the disk. Where it was written for nothing, undo
            # finds the file as it was before, or changed by others.
            _check_same(found, folder)

        if before.st_nlink > 1:
            with _opened_in(folder, real, os.O_RDWR) as old:
                _overwrite(real, old, made, begin)
                if mtime_ns is not None:
                    os.utime(old, ns=(before.st_atime_ns, mtime_ns))
                return _found(real, os.fstat(old))
        begin()
        after = _found(real, os.fstat(made))
        files.rename(os.path.basename(copy), folder, name, folder)
        # Done and visible: a file system that cannot sync folders is no reason to call it failed.
        with contextlib.suppress(OSError):
            os.fsync(folder)
        return after


def _knows_writers(facts: os.stat_result) -> bool:
    """Whether the system tells who has a file open: Linux does, of local disks."""
    return hasattr(fcntl, "F_SETLEASE") and not is_shared_device(facts.st_dev)


def _check_no_writer(path: str, handle: int) -> None:
    """Refuse a file that another program has open for writing: the rest of it would be lost.

    Linux gives nobody a lease on such a file.
    """
    try:
        # Who opens it meanwhile waits, and the system says so by a signal that nobody heeds.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError as error:
        raise TagWriteError(path, "another program has it open for writing") from error
    except OSError:
        return  # no leases here


@contextlib.contextmanager
def _alone(handle: int) -> Iterator[None]:
    """Keep other writers away from an open file, where the file system has locks.

    A file grows page by page while another writes it: its end may be half a line.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)


def _append(handle: int, path: str, line: bytes) -> None:
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        line = b"\n" + line  # behind the stump of one that was cut off
    written = os.write(handle, line)
    if written != len(line):
        # Almost full: the rest would not fit either, and the change must not happen.
        if os.fstat(handle).st_size == size + written:
            os.ftruncate(handle, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def _found(real: str, facts: os.stat_result) -> Found:
    version = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return Found(real, facts.st_size, facts.st_mtime_ns, version, facts.st_nlink)


@contextlib.contextmanager
def _folder_of(found: Found) -> Iterator[int]:
    """The folder of a file, open, or `ChangedMeanwhile` where a link has replaced a part of it."""
    path = os.path.dirname(found.uri)
    with files.folder_handle(path) as folder:
        there = os.path.realpath(f"/proc/self/fd/{folder}")
        if there.startswith("/proc/"):  # this system does not tell
            there = os.path.realpath(path)
        if there != path:
            raise ChangedMeanwhile(errno.ESTALE, "its folder is another by now", found.uri)
        yield folder


@contextlib.contextmanager
def _opened_in(folder: int, path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A file of an open folder, open; never what a link leads to."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(os.path.basename(path), flags, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


def _check_same(found: Found, folder: int) -> os.stat_result:
    name = os.path.basename(found.uri)
    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if _found(found.uri, facts).version != found.version:
        raise ChangedMeanwhile(errno.ESTALE, "changed by others", found.uri)
    return facts


def _give_attributes(copy: int, facts: os.stat_result, real: int, mtime_ns: int | None) -> None:
    """Give a copy its file's owner, mode and extended attributes, and force it to the disk."""
    try:
        shutil.copystat(real, copy)  # type: ignore[arg-type]
        made = os.fstat(copy)
        if (made.st_uid, made.st_gid) != (facts.st_uid, facts.st_gid):
            os.chown(copy, facts.st_uid, facts.st_gid)
            # A change of owner clears the set-id bits.
            os.chmod(copy, stat.S_IMODE(facts.st_mode))
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        with contextlib.suppress(OSError):  # it may have been the times alone
            shutil.copymode(real, copy)  # type: ignore[arg-type]
        # On a share or a stick all files may have one owner and mode: then nothing is lost.
        if _attributes_of(copy) != _attributes_of(real):
            raise
    if mtime_ns is not None:
        os.utime(copy, ns=(facts.st_atime_ns, mtime_ns))
    else:
        with contextlib.suppress(PermissionError):  # it was written now
            os.utime(copy)
    os.fsync(copy)


def _attributes_of(path: int) -> tuple[Any, ...]:
    facts, attributes = os.stat(path), {}
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):  # a file system without
            attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return facts.st_uid, facts.st_gid, facts.st_mode, getattr(facts, "st_flags", 0), attributes


def _sync(path: str) -> None:
    """Force a file, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: str) -> None:
    """Force a folder's list of names to the disk, where the file system can."""
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _overwrite(real: str, handle: int, copy: int, begin: Callable[[], None]) -> None:
    """Change a file where it stands, or raise `HardLinked` where that is more than one block."""
    place, block = _changed_block(real, handle, copy)
    begin()
    if not block:
        return
    os.pwrite(handle, block, place)
    os.fsync(handle)


def _changed_block(real: str, handle: int, copy: int) -> tuple[int, bytes]:
    """The one block in which a copy differs: its place and new content, none if it is the same."""
    changed: tuple[int, bytes] = (0, b"")
    one_step = os.fstat(handle).st_size == os.fstat(copy).st_size
    with open(f"/dev/fd/{handle}", "rb") as old, open(f"/dev/fd/{copy}", "rb") as new:
        place = 0
        while one_step and (block := new.read(_BLOCK)):
            if block != old.read(_BLOCK):
                one_step = not changed[1]
                changed = (place, block)
            place += len(block)
    if not one_step:
        raise HardLinked(real, "has hard links, and its tag has no room for a change in place")
    return changed


def _forget(handle: int) -> None:
    with contextlib.suppress(OSError):  # the lock is the system's, not the note
        if os.fstat(handle).st_nlink == 1:  # else it is somebody's file under another name
            os.ftruncate(handle, 0)


def _note(handle: int, note: bytes) -> None:
    with contextlib.suppress(OSError):  # a full disk; the lock holds without it
        if os.fstat(handle).st_nlink == 1:
            os.pwrite(handle, note, 0)


def _parted(handle: int, path: str, flags: int, below: str | None) -> int:
    """Part a file from its other names, and open what has the path then."""
    with open(handle, "rb") as old, files.writing(path, below=below) as new:
        shutil.copyfileobj(old, new, _COPIED_AT_ONCE)
    return files.open_own(path, flags, below=below)


def _lines_of(stream: BinaryIO) -> Iterator[str]:
    """Lines of a journal; of one that is too long to be ours, only that it is there."""
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_COPIED_AT_ONCE)
            line = b"too long\n"
        yield line.decode("ascii", "replace")


def is_temporary(name: str) -> bool:
    """Whether a name in a folder is that of one of our temporary files."""
    return name.startswith(_TEMPORARY)


def _temporary_file(folder: str, format: str) -> tuple[int, str]:
    """Make a temporary file that is locked for as long as it is open."""
    while True:
        handle, path = tempfile.mkstemp(f".{format}", f"{_TEMPORARY}{_node()}-", folder)
        with contextlib.suppress(OSError):  # no locks here: who cleans up goes by its age
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, path
        os.close(handle)  # another run took it for abandoned before it was locked


def clean_abandoned(path: str) -> None:
    """Remove a temporary file if the run that made it has died.

    A run that lives holds a lock on it. The number of its process would not tell: containers of
    one machine count their processes each for itself. Another machine's lock may not be seen.
    """
    node = os.path.basename(path).removeprefix(_TEMPORARY).partition("-")[0]
    with contextlib.suppress(OSError):
        # For writing: some network drives lock nothing else.
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            facts = os.fstat(handle)
            old = time.time() - facts.st_ctime > _ABANDONED_S
            if not stat.S_ISREG(facts.st_mode) or not (old or node == _node()):
                return
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _NO_LOCKS or not old:
                    return
            os.unlink(path)
        finally:
            os.close(handle)


@functools.cache
def _node() -> str:
    """The machine since it was started, as far as names of files are concerned.

    Libraries may be shared, and machines may have the same name.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as stream:
            machine = stream.read()
    except OSError:
        machine = socket.gethostname().encode()
    return hashlib.blake2b(machine, digest_size=4).hexdigest()
