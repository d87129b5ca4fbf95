"""Playlist: tracks like one, in an order to listen to, as m3u8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrebeam.transforms.storage import path_of, storage_of

# This many of other artists are between two tracks of one.
_OTHERS_BETWEEN = 2
# Of this many times as many tracks as are wanted the playlist is made, the nearest.
POOL = 10
# Equally long to this many seconds and at least so similar: most likely one recording. All copies
# of 96 tracks of Magnatune's at 128 kbit/s and more are, and 0.05 % of pairs of other tracks.
_MOST_SECONDS, _LEAST_SIMILARITY = 2.0, 0.85


@dataclass(frozen=True)
class Entry:
    """A track of a playlist."""

    uri: str
    artist: str | None = None
    title: str | None = None
    duration_s: float | None = None

    @property
    def name(self) -> str | None:
        """Artist and title as they are compared, or None where one is not known."""
        known = [" ".join((text or "").casefold().split()) for text in (self.artist, self.title)]
        return "\n".join(known) if all(known) else None


def choose(entries: Sequence[Entry], embeddings: np.ndarray, length: int) -> list[int]:
    """Choose and order the tracks of a playlist.

    The nearest comes first, but no recording twice, and between two tracks of one artist there
    are two of others, as long as there are others.

    Parameters
    ----------
    entries : sequence of Entry
        The nearest first.
    embeddings : np.ndarray
        ``(n_entries, d) float32``, each of length 1.
    length : int
        This many at most.

    Returns
    -------
    list of int
        Places in `entries`.
    """
    chosen: list[int] = []
    waiting = list(range(len(entries)))
    names: set[str] = set()
    while waiting and len(chosen) < length:
        just_analysed = {entries[place].artist for place in chosen[-_OTHERS_BETWEEN:]} - {None}
        others = (place for place in waiting if entries[place].artist not in just_analysed)
        place = next(others, waiting[0])
        waiting.remove(place)
        entry = entries[place]
        if entry.name in names or _is_among(place, chosen, entries, embeddings):
            continue
        chosen.append(place)
        if entry.name is not None:
            names.add(entry.name)
    return chosen


def _is_among(
    place: int, chosen: Sequence[int], entries: Sequence[Entry], embeddings: np.ndarray
) -> bool:
    """Whether one of the chosen is most likely the same recording."""
    mine = entries[place].duration_s
    alike = embeddings[list(chosen)] @ embeddings[place] >= _LEAST_SIMILARITY
    for other in np.array(chosen, int)[alike]:
        theirs = entries[other].duration_s
        if mine is None or theirs is None or abs(mine - theirs) <= _MOST_SECONDS:
            return True
    return False


def path_in_playlist(uri: str, folder: str) -> str | None:
    """How a playlist names a track.

    Parameters
    ----------
    folder : str
        Where the playlist will be; the path is relative to it. Of music in a bucket it is whole.

    Returns
    -------
    str or None
        None if the name cannot stand in a playlist: it has a line break, or bytes that are no
        text.
    """
    path = storage_of(uri).relative(path_of(uri), folder)
    if path.startswith("#"):
        path = f"./{path}"
    try:
        path.encode()
    except UnicodeEncodeError:
        return None
    return path if len(path.splitlines()) == 1 else None


def m3u8(entries: Sequence[Entry], folder: str) -> tuple[str, list[str]]:
    """The text of a playlist.

    Parameters
    ----------
    folder : str
        Where the playlist will be; paths are relative to it. Of music in a bucket they are
        whole.

    Returns
    -------
    text : str
    left_out : list of str
        Files whose names cannot stand in a playlist (see `path_in_playlist`).
    """
    lines, left_out = ["#EXTM3U"], []
    for entry in entries:
        path = path_in_playlist(entry.uri, folder)
        if path is None:
            left_out.append(entry.uri)
            continue
        stem = os.path.splitext(os.path.basename(path))[0]
        name = " - ".join(text for text in (entry.artist, entry.title or stem) if text)
        seconds = -1 if entry.duration_s is None else round(entry.duration_s)
        lines += [f"#EXTINF:{seconds},{' '.join(name.split())}", path]
    return "\n".join(lines) + "\n", left_out
