"""Other programs that read tags; none of them shares code with what writes here.

Each function gives the genres that a program shows, per file: an empty list where it shows none.
Programs that are not installed skip the test.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import pytest

Reader = Callable[[Sequence[Path]], list[list[str]]]


def with_ffmpeg(paths: Sequence[Path]) -> list[list[str]]:
    """FFmpeg, which VLC's and Kodi's relatives, Plex, Jellyfin and Navidrome build on."""
    found = []
    for path in paths:
        with av.open(str(path)) as container:
            # Ogg has its tags at the stream.
            parts = [container.metadata, *(stream.metadata for stream in container.streams)]
            genres = (part[key] for part in parts for key in part if key.lower() == "genre")
            found.append(list(itertools.islice(genres, 1)))
    return found


def with_exiftool(paths: Sequence[Path]) -> list[list[str]]:
    """ExifTool; of several tags the one that it shows without ``-a``."""
    found = []
    for facts in json.loads(
        _asked_exiftool(["-json", "-charset", "filename=utf8", "-Genre", *paths])
    ):
        genre = facts.get("Genre", [])
        found.append([str(part) for part in genre] if isinstance(genre, list) else [str(genre)])
    return found


def _asked_exiftool(options: Sequence[object]) -> bytes:
    process = _exiftool()
    assert process.stdin
    assert process.stdout
    process.stdin.write("".join(f"{option}\n" for option in (*options, "-execute")).encode())
    process.stdin.flush()
    answer = b""
    while not answer.endswith(b"{ready}\n"):
        line = process.stdout.readline()
        assert line, "exiftool has ended"
        answer += line
    return answer.removesuffix(b"{ready}\n")


@functools.cache
def _exiftool() -> subprocess.Popen[bytes]:
    """One process for all questions: it starts slowly."""
    program = shutil.which("exiftool")
    if program is None:
        pytest.skip("exiftool is not installed (apt-get install libimage-exiftool-perl)")
    process = subprocess.Popen(
        [program, "-stay_open", "True", "-@", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    atexit.register(process.kill)
    return process


def with_taglib(paths: Sequence[Path]) -> list[list[str]]:
    """TagLib, which VLC, Kodi, Amarok, Clementine and Strawberry build on."""
    taglib = pytest.importorskip("taglib", reason="pytaglib is not installed")
    found = []
    for path in paths:
        with taglib.File(str(path)) as file:
            found.append(file.tags.get("GENRE", []))
    return found


def with_tinytag(paths: Sequence[Path]) -> list[list[str]]:
    """tinytag, a reader in Python of its own."""
    tinytag = pytest.importorskip("tinytag", reason="tinytag is not installed")
    found = []
    for path in paths:
        tags = tinytag.TinyTag.get(path)
        found.append([*([tags.genre] if tags.genre else []), *tags.other.get("genre", [])])
    return found


READERS: dict[str, Reader] = {
    "FFmpeg": with_ffmpeg,
    "ExifTool": with_exiftool,
    "TagLib": with_taglib,
    "tinytag": with_tinytag,
}
