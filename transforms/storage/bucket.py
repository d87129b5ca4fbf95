"""Buckets: objects are fetched to be read, and uploaded on condition when they are changed.

Some copies stay on the local disk for a while, for the steps that follow.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import functools
import hashlib
import io
import itertools
import logging
import multiprocessing
import os
import shlex
import shutil
import stat
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from genrebeam.transforms.storage import buckets
from genrebeam.transforms.storage.ranges import Ranges
from genrebeam.transforms.storage.storage import ChangedMeanwhile, Found, Held, Storage

# Most that copies for later steps may take on the disk, in bytes, and of what is free there.
_KEPT_BYTES = 1 << 30
_KEPT_SHARE = 0.25
# An object of this many bytes is fetched whole to read its tags: later steps need it too.
_WHOLE = 1 << 20
# Objects that are fetched at once, ahead of their reader: each costs a round trip. As many as
# the storages' clients keep connections.
_AHEAD = 10

_log = logging.getLogger("genrebeam")


class Bucket(Storage):
    """Buckets of one kind."""

    def absolute(self, path: str) -> str:
        return path.rstrip("/")

    def real(self, path: str) -> str:
        return path

    def relative(self, path: str, folder: str) -> str:
        return path

    def has_folder(self, path: str) -> bool:
        return True

    def files_in(self, folder: str) -> list[str]:
        start = f"{folder}/"
        found = (found.uri for found in buckets.objects_below(folder))
        return [uri for uri in found if uri.startswith(start) and "/" not in uri[len(start) :]]

    def folders_in(self, folder: str) -> list[str]:
        return buckets.folders_in(folder)

    def read(self, path: str) -> bytes:
        return buckets.read(path)

    @property
    def reader(self) -> Callable[[str], bytes]:
        return buckets.read

    def opened(self, paths: Iterable[str]) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        paths = iter(paths)
        with ThreadPoolExecutor(_AHEAD) as fetchers:
            ahead: deque[tuple[str, Future[bytes]]] = deque()

            def look_ahead(n: int) -> None:
                for path in itertools.islice(paths, n):
                    ahead.append((path, fetchers.submit(buckets.read, path)))

            look_ahead(_AHEAD)
            try:
                while ahead:
                    path, content = ahead.popleft()
                    yield path, functools.partial(_stream, content)
                    look_ahead(1)
            finally:
                fetchers.shutdown(cancel_futures=True)

    @contextlib.contextmanager
    def writing(
        self, path: str, workplace: str | None = None, below: str | None = None
    ) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as stream:
            yield stream
            buckets.write(path, stream)

    def make_folder(self, path: str) -> None:
        pass  # folders are there with their first object

    def remove_folder(self, path: str) -> None:
        with contextlib.suppress(OSError):
            for found in list(buckets.objects_below(path)):
                buckets.remove(found)

    def begin_journal(self, path: str, below: str | None = None) -> None:
        pass

    def append(self, path: str, line: bytes, below: str | None = None) -> None:
        """Nothing can be appended to an object: each line is one, in a folder of that name."""
        # Names that sort as the clocks of the workers say, and that no two lines share.
        now = datetime.datetime.now(datetime.UTC)
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:12]}.json"
        buckets.write(f"{_folder_of(path)}/{name}", io.BytesIO(line))

    def lines(self, path: str) -> Iterator[str]:
        for _, open_line in self.opened(self.files_in(_folder_of(path))):
            yield open_line().read().decode("ascii", errors="replace")

    @contextlib.contextmanager
    def lock(self, path: str, describe: Callable[[str], bytes]) -> Iterator[Callable[[str], None]]:
        """The lock is an object that only one can create; people remove one of a killed run."""
        # By it a lock is known again that was written though the answer was lost.
        key = f"{uuid.uuid4().hex}\n".encode()

        def content(run: str) -> io.BytesIO:
            return io.BytesIO(describe(run) + key)

        try:
            held = buckets.put(path, content(""), replacing=None)
        except ChangedMeanwhile as error:
            held, found = _read(path)
            if not found.endswith(key):
                removes = buckets.client_of(path.partition("://")[0]).removes
                raise Held(found, f"{removes} {shlex.quote(path)}") from error

        def note(run: str) -> None:
            with contextlib.suppress(OSError):  # the lock holds without it
                buckets.put(path, content(run), replacing=held)

        try:
            yield note
        finally:
            try:
                held, found = _read(path)
                if found.endswith(key):  # else somebody has removed it, and another run begun
                    buckets.remove(held)
            except OSError as error:
                _log.warning("%s: cannot be removed (%s)", path, error.strerror)

    def objects_below(self, folder: str) -> Iterator[Found]:
        return buckets.objects_below(folder)

    def seems_there(self, path: str) -> bool:
        return True

    def find(self, path: str) -> Found:
        return buckets.find(path)

    def open_in_place(self, path: str) -> None:
        return None

    @contextlib.contextmanager
    def open_header(self, path: str) -> Iterator[BinaryIO]:
        found = buckets.find(path)
        kept = os.path.join(_home_of_copies(), _name_of(found))
        if found.size <= _WHOLE or found.encoding or os.path.exists(kept):
            with _downloaded(found) as copy, open(copy, "rb") as stream:
                yield stream
        else:
            ranges = Ranges(found)
            try:
                yield io.BufferedReader(ranges)
            finally:
                if ranges.error is not None:  # readers of tags take it for damage, or for no tag
                    raise ranges.error

    @contextlib.contextmanager
    def localised(self, path: str, found: Found | None = None) -> Iterator[str]:
        with _downloaded(found or buckets.find(path)) as copy:
            yield copy

    def check_writable(self, path: str, *, in_place_links: bool = False) -> None:
        pass  # only the upload tells

    @contextlib.contextmanager
    def changing(self, found: Found, format: str) -> Iterator[tuple[str, str]]:
        with _downloaded(found) as original:
            folder, name = os.path.split(original)
            copy = os.path.join(folder, f"changed {name}")
            shutil.copyfile(original, copy)
            yield original, copy

    def put(
        self,
        found: Found,
        copy: str,
        announce: Callable[[Found | None], None],
        *,
        mtime_ns: int | None = None,
    ) -> Found:
        announce(None)
        with open(copy, "rb") as stream:
            after = buckets.put(found.uri, stream, replacing=found)
        with contextlib.suppress(OSError):  # no step asks for the old one again
            os.unlink(os.path.join(_home_of_copies(), _name_of(found)))
        return after


def _folder_of(journal: str) -> str:
    return journal.removesuffix(".jsonl")


def _stream(content: Future[bytes]) -> BinaryIO:
    return io.BytesIO(content.result())


def _read(path: str) -> tuple[Found, bytes]:
    held, stream = buckets.find(path), io.BytesIO()
    buckets.fetch(held, stream)
    return held, stream.getvalue()


@contextlib.contextmanager
def _downloaded(found: Found) -> Iterator[str]:
    """A local copy of an object, to be read only, gone at the end of the block.

    The same version is not fetched again as long as there is room to keep it.
    """
    home = _home_of_copies()
    kept = os.path.join(home, _name_of(found))
    with tempfile.TemporaryDirectory(dir=home) as folder:
        copy = os.path.join(folder, f"object{os.path.splitext(found.uri)[1].lower()}")
        try:
            os.link(kept, copy)  # a name of its own, which nobody takes away
            os.utime(kept)
        except OSError:
            with open(copy, "wb") as stream:
                buckets.fetch(found, stream)
            _keep(copy, kept)
        yield copy


def _name_of(found: Found) -> str:
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
