"""The map of a library as one HTML page that needs no network.

The tracks are data inside the page, column by column: numbers as the bytes of typed arrays,
repeated texts once. ``templates/map.js`` draws them on a canvas, pixel by pixel: that is fast
enough for 50,000 points, and the same with and without a graphics card.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from genrebeam.model.colours import GREY, colours_of
from genrebeam.pipeline.by_ear.map import NO_GENRE, LibraryMap
from genrebeam.pipeline.by_ear.playlist import path_in_playlist
from genrebeam.pipeline.views.web_page import made_in, write_web_page

_FARTHEST = 65535


def write_map_page(library_map: LibraryMap, model: str, path: str) -> None:
    """Write the page.

    Parameters
    ----------
    library_map : LibraryMap
        With one track at least.
    model : str
        Name and version of what made the embeddings.
    path : str
        Absolute, of the HTML file, whole or not at all; one that is there is replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    groups = _groups(library_map.families)
    write_web_page(
        path,
        "map.html.j2",
        ["player.js", "map_picture.js", "map.js"],
        n_tracks=len(library_map.tracks),
        model=model,
        groups=groups,
        tracks={
            **_table(library_map, groups, os.path.dirname(path)),
            "made_in": made_in(path),
        },
    )


def _groups(families: Sequence[str]) -> list[dict[str, Any]]:
    """Families, the largest first. Genres of no family that is known have a spare colour."""
    counts = sorted(Counter(families).items(), key=lambda item: (-item[1], item[0]))
    named = [name for name, _ in counts if name != NO_GENRE]
    colours = dict(zip(named, colours_of(named), strict=True))
    return [
        {"name": name, "tracks": tracks, "colour": colours.get(name, GREY)}
        for name, tracks in counts
    ]


def _table(
    library_map: LibraryMap, groups: Sequence[dict[str, Any]], folder: str
) -> dict[str, Any]:
    """The data of all tracks by column; paths for playlists are relative to `folder`."""
    tracks = library_map.tracks
    uris = tracks["uri"].to_pylist()
    files = [uri.rpartition("/")[2] for uri in uris]
    titles = tracks["title"].to_pylist()
    # As `m3u8` names a track without a title.
    shown = [title or os.path.splitext(file)[0] for title, file in zip(titles, files, strict=True)]
    numbers = {group["name"]: number for number, group in enumerate(groups)}
    seconds = tracks["duration_s"].to_numpy()
    is_known = np.isfinite(seconds) & (np.abs(seconds) < 1e9)
    genres = [", ".join(some or ()) or None for some in tracks["genres_after"].to_pylist()]
    return {
        "rows": len(uris),
        "groups": groups,
        "places": _packed(np.rint(library_map.places * _FARTHEST), "<u2"),
        "group": _packed([numbers[family] for family in library_map.families], "<u2"),
        "seconds": _packed(np.where(is_known, np.rint(np.where(is_known, seconds, 0)), -1), "<i4"),
        "title": shown,
        "file": files,
        "columns": {
            "artist": _numbered(tracks["artist"].to_pylist()),
            "album": _numbered(tracks["album"].to_pylist()),
            "genre": _numbered(genres),
            "folder": _numbered(_folder(uri) for uri in uris),
            # Where there is none, a playlist cannot hold the track.
            "relative": _numbered(_folder(path_in_playlist(uri, folder)) for uri in uris),
        },
    }


def _folder(path: str | None) -> str | None:
    """The path without the file's name, with its last slash."""
    return None if path is None else path[: path.rfind("/") + 1]


def _numbered(values: Iterable[str | None]) -> dict[str, Any]:
    """Each text once, and for each track its number, -1 where there is none."""
    known: dict[str, int] = {}
    numbers = [-1 if value is None else known.setdefault(value, len(known)) for value in values]
    return {"values": [*known], "numbers": _packed(numbers, "<i4")}


def _packed(values: Any, dtype: str) -> str:
    """Numbers as JavaScript's typed arrays have them, in base64."""
    return base64.b64encode(np.asarray(values).astype(dtype).tobytes()).decode()
