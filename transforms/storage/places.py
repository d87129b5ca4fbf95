"""Places: files that runs leave, in a local folder or below ``gs://`` and ``s3://``.

Paths are joined with a slash everywhere. A file appears whole or not at all: locally it is
forced to the disk under another name first, in a bucket an upload is one step.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from transforms.storage import buckets
from transforms.storage.buckets import is_remote

# Objects that are fetched at once, ahead of their reader: each costs a round trip. As many as
# the storages' clients keep connections.
_AHEAD = 10


def absolute(path: str) -> str:
    """A path that means the same wherever it is read."""
    return path.rstrip("/") if is_remote(path) else os.path.abspath(path)


def files_in(folder: str) -> list[str]:
    """Paths of the files in a folder, by name; none where there is no such folder.

    Raises
    ------
    OSError
    """
    if is_remote(folder):
        start = f"{folder}/"
        found = (found.uri for found in buckets.objects_below(folder))
        return [uri for uri in found if uri.startswith(start) and "/" not in uri[len(start) :]]
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except FileNotFoundError:
        return []


def folders_in(folder: str) -> list[str]:
    """Names of the folders in a folder; of a bucket, none where there is no such folder.

    Raises
    ------
    OSError
    """
    if is_remote(folder):
        return buckets.folders_in(folder)
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def read(path: str) -> bytes:
    """Content of a file.

    Raises
    ------
    OSError
    """
    if is_remote(path):
        return buckets.read(path)
    with open(path, "rb") as stream:
        return stream.read()


def opened(paths: Iterable[str]) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    """Files to be read one after the other; objects are fetched ahead.

    Parameters
    ----------
    paths : iterable of str

    Yields
    ------
    path : str
    open : callable
        Opens it, or raises `OSError`.
    """
    paths = iter(paths)
    with ThreadPoolExecutor(_AHEAD) as fetchers:
        ahead: deque[tuple[str, Future | None]] = deque()

        def look_ahead(n: int) -> None:
            for path in itertools.islice(paths, n):
                ahead.append((path, fetchers.submit(read, path) if is_remote(path) else None))

        look_ahead(_AHEAD)
        try:
            while ahead:
                path, content = ahead.popleft()
                if content is None:
                    yield path, functools.partial(open, path, "rb")
                else:
                    yield path, functools.partial(_stream, content)
                look_ahead(1)
        finally:
            fetchers.shutdown(cancel_futures=True)


def _stream(content: Future) -> BinaryIO:
    return io.BytesIO(content.result())


@contextlib.contextmanager
def writing(path: str, workplace: str | None = None) -> Iterator[BinaryIO]:
    """Write a file, which is there at the end of the block; one that is there is replaced.

    Parameters
    ----------
    path : str
    workplace : str, optional
        Folder on the same disk where it is until it is whole; by default its own.

    Yields
    ------
    file

    Raises
    ------
    OSError
    """
    if is_remote(path):
        with tempfile.TemporaryFile() as stream:
            yield stream
            buckets.write(path, stream)
        return
    folder, name = os.path.split(path)
    unfinished = os.path.join(folder if workplace is None else workplace, f"{name}.new")
    try:
        # An open file, not a path: pyarrow takes none with bytes that are no text.
        with open(unfinished, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(unfinished)
        raise


def make_folder(path: str) -> None:
    """Make a folder that is not there yet; in a bucket there is nothing to be made.

    Raises
    ------
    OSError
    """
    if not is_remote(path):
        os.makedirs(path)


def remove_folder(path: str) -> None:
    """Remove a folder with its files, as far as that can be done."""
    if not is_remote(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        for found in list(buckets.objects_below(path)):
            buckets.remove(found)
