"""The same library on several engines: what has to be the same of what they leave."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from genrebeam.model.bundle import Bundle
from genrebeam.transforms.library.walk import walk
from genrebeam.transforms.records import Track, with_tags
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.conftest import files_of, read_rows, tone, write_audio

# What two runs never share, and the network's figures, which depend a little on its batches.
_OF_ONE_RUN = {"extract_s", "classify_s", "write_s", "finished_at", "mtime", "mtime_ns", "library"}


def make_library(folder: Path) -> None:
    """Files that end in every way: tagged, kept, failed; with names that are no text."""
    (folder / "Ärger").mkdir(parents=True)
    for name in ("a.wav", "b.flac", "Ärger/c.ogg", "Ärger/d.mp3"):
        write_audio(folder / name, tone(6, 16000, 2, seed=len(name)), 16000)
    os.rename(folder / "b.flac", os.fsencode(folder) + b"/b\xe9.flac")
    write_audio(folder / "has a genre.flac", tone(6, 16000, 2), 16000)
    for found in walk(str(folder / "has a genre.flac"), tidy=False):
        assert isinstance(found, Track)
        write_genres(with_tags(found, *read_header(found.uri)), ("Folk",), lambda note: None)
    (folder / "no sound.mp3").write_bytes(b"nothing that was ever analysed" * 100)


@dataclass(frozen=True)
class Result:
    """What a run left: exit code, rows without their figures, those, and the files' bytes."""

    code: int
    rows: dict[str, dict[str, Any]]
    figures: dict[tuple[str, str], float | None]
    files: dict[str, bytes]

    @property
    def statuses(self) -> list[str]:
        return sorted(row["status"] for row in self.rows.values())


def assert_same(found: Result, expected: Result) -> None:
    """That it does not matter to anybody which of two engines did the work."""
    assert found.code == expected.code
    assert found.rows == expected.rows
    assert found.figures == pytest.approx(expected.figures, abs=1e-4)
    assert found.files == expected.files


def printed(library: Path, reports: Path) -> tuple[dict, dict]:
    """What reports say of a library, by file: rows without their figures, and those.

    Where an engine tried again, a file's last row counts.
    """
    rows: dict[str, dict] = {}
    figures: dict[tuple, float | None] = {}
    for row in sorted(read_rows(reports), key=lambda row: row["finished_at"]):
        name = os.path.relpath(row["uri"], library)
        rows[name] = {}
        for key in row.keys() - _OF_ONE_RUN - {"uri"}:
            value = row[key]
            if key == "probabilities":
                figures |= {(name, genre): p for genre, p in value or ()}
            elif isinstance(value, list) and value and isinstance(value[0], float):
                figures |= {(name, key, place): one for place, one in enumerate(value)}
            elif isinstance(value, float):
                figures[name, key] = value
            else:
                rows[name][key] = value
    return rows, figures


class Runs:
    """Runs over copies of one library, each into reports of its own.

    Parameters
    ----------
    library, folder : Path
        What is copied, and where to.
    bundle : Bundle
    """

    def __init__(self, library: Path, folder: Path, bundle: Bundle) -> None:
        self.library = library
        self.folder = folder
        self.bundle = bundle

    def __call__(self, name: str, tag: Callable[[list[str]], int], *options: str) -> Result:
        """Tag a copy; what came of it."""
        home = self.folder / name
        shutil.copytree(self.library, home / "library")
        reports = ["--report", str(home / "reports"), "--bundle", self.bundle.path, "--quiet"]
        code = tag([str(home / "library"), *reports, *options])
        rows, figures = printed(home / "library", home / "reports")
        files = {path: content for path, (content, _) in files_of(home / "library").items()}
        return Result(code, rows, figures, files)


def free_ports(n: int) -> int:
    """The first of this many free ports in a row."""
    for first in range(20000 + os.getpid() % 10000, 60000, n):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + n):
                stack.enter_context(socket.socket()).bind(("", port))
            return first
    raise OSError("no free ports")


@contextlib.contextmanager
def worker_pool() -> Iterator[str]:
    """Address of a pool of Beam's Python workers, in processes of their own."""
    port = free_ports(1)
    # It starts its workers as `python`.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    module = "apache_beam.runners.worker.worker_pool_main"
    pool = subprocess.Popen(
        [sys.executable, "-m", module, f"--service_port={port}"],
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while pool.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("localhost", port)):
                break
            time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        os.killpg(pool.pid, signal.SIGKILL)
        pool.wait()
