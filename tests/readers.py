"""Other programs that read tags; none of them shares code with what writes here.

Each function gives the genres that a program shows, per file: an empty list where it shows none.
Programs that are not installed skip the test.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

Reader = Callable[[Sequence[Path]], list[list[str]]]


def with_ffprobe(paths: Sequence[Path]) -> list[list[str]]:
    """FFmpeg, which VLC's and Kodi's relatives, Plex, Jellyfin and Navidrome build on."""
    program = _program("ffprobe", "ffprobe is not installed (apt-get install ffmpeg)")
    options = ["-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "json"]
    with ThreadPoolExecutor() as threads:  # it takes one file, and starts slowly
        return list(threads.map(lambda path: _of_ffprobe(_output(program, *options, path)), paths))


def _of_ffprobe(output: str) -> list[str]:
    facts = json.loads(output)
    # Ogg has its tags at the stream.
    for part in (facts["format"], *facts.get("streams", [])):
        for key, value in part.get("tags", {}).items():
            if key.lower() == "genre":
                return [value]
    return []


def with_exiftool(paths: Sequence[Path]) -> list[list[str]]:
    """ExifTool; of several tags the one that it shows without ``-a``."""
    program = _program(
        "exiftool", "exiftool is not installed (apt-get install libimage-exiftool-perl)"
    )
    shown = json.loads(_output(program, "-json", "-charset", "filename=utf8", "-Genre", *paths))
    found = []
    for facts in shown:
        genre = facts.get("Genre", [])
        found.append([str(part) for part in genre] if isinstance(genre, list) else [str(genre)])
    return found


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
    "ffprobe": with_ffprobe,
    "exiftool": with_exiftool,
    "TagLib": with_taglib,
    "tinytag": with_tinytag,
}


def _program(name: str, reason: str) -> str:
    program = shutil.which(name)
    if program is None:
        pytest.skip(reason)
    return program


def _output(*command: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, check=True, encoding="utf-8").stdout
