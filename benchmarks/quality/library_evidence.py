#!/usr/bin/env python3
"""Measure what the genres of other files of a library add to the sound, and learn their weights.

    .venv/bin/python benchmarks/quality/library_evidence.py DATA [--work DIR]

DATA and ``--work`` are those of ``default_bundle.py``. Libraries are made up of ``world`` and
Magnatune: half of the tags are hidden at random, by track, by album or by artist; folders are those
of albums, of artists, or heaps of 40 tracks. Each track is judged by a head that learned from none
of its artist. The weights that are measured are learned from the other half of the artists; those
that are printed, from all. Intervals are of 95 %, by artists drawn anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import mutagen  # noqa: E402
import numpy as np  # noqa: E402
from scipy.optimize import minimize  # noqa: E402
from scipy.special import softmax  # noqa: E402

from genrebeam.model.calibration import expected_calibration_error  # noqa: E402
from genrebeam.transforms.genre.evidence import WEIGHTS, log_ratio  # noqa: E402

FOLDERS = ("album", "artist", "heap")
HIDDEN = ("track", "album", "artist")
IN_A_HEAP = 40
# How often a tag says one of the families that are as right; to learn from, how often a file has no
# artist, no album, or a folder of its own.
OTHER_FAMILY, NO_KEY = 0.3, 0.25
# Magnatune is many tracks of few kinds; its artists all agree.
COUNTS_FOR = {"world": 1.0, "magnatune": 0.3}
DRAWS, RESAMPLED = 4, 1000
# Pulls weights to 1: Magnatune's albums always agree, which others' may not.
PULL = 20.0


@dataclass(frozen=True)
class Music:
    """Tracks, what is right and what heads that did not know their artists say.

    Parameters
    ----------
    sets, artists, albums : np.ndarray
        ``(n,) str``; no album is an empty text.
    right : np.ndarray
        ``(n, n_families) bool``; `first` is the number of the family that a tag mostly names.
    first : np.ndarray
        ``(n,) int64``.
    audio : np.ndarray
        ``(n, n_families) float64``: probabilities.
    """

    sets: np.ndarray
    artists: np.ndarray
    albums: np.ndarray
    right: np.ndarray
    first: np.ndarray
    audio: np.ndarray


@dataclass(frozen=True)
class Library:
    """What the tags that are not hidden say of each track.

    Parameters
    ----------
    hidden : np.ndarray
        ``(n,) bool``.
    tags : np.ndarray
        ``(n, 3, n_families)``: `log_ratio` of the tagged files of its artist, album and folder.
    named : np.ndarray
        ``(n,) bool``: whether another track of its artist is tagged.
    """

    hidden: np.ndarray
    tags: np.ndarray
    named: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, help="keeps what the backbone puts out")
    arguments = parser.parse_args()
    music = music_in(arguments.data, arguments.work)
    chance = np.random.default_rng(0)
    libraries = {
        hidden: [library_of(music, hidden, folders, chance) for folders in FOLDERS * DRAWS]
        for hidden in HIDDEN
    }
    to_learn = [
        library_of(music, hidden, folders, chance, no_key=NO_KEY)
        for hidden in HIDDEN
        for folders in FOLDERS
    ]
    artists = np.unique(music.artists)
    half = np.isin(music.artists, chance.permutation(artists)[: len(artists) // 2])
    weights = [learned(music, to_learn, some) for some in (half, ~half)]
    shipped = learned(music, to_learn, np.ones(len(half), bool))
    print(f"weights of {', '.join(WEIGHTS)}: {shipped.round(2)}; of the halves: {weights}")
    print("| tags hidden by | tracks of | | tracks | audio | tags | both | ECE audio | ECE both |")
    print("|---|---|---|---|---|---|---|---|---|")
    for hidden, made in libraries.items():
        both = [judged(music, library, weights, half) for library in made]
        for name in ("world", "magnatune", "both"):
            for named, tags in ((True, "artist has a tagged track"), (False, "artist has none")):
                row = measured(music, made, both, name, named=named)
                if row:
                    print(f"| {hidden} | {name} | {tags} | {row} |")


def music_in(data: Path, work: Path | None) -> Music:
    """Judge all tracks whose artist is known."""
    from benchmarks.quality.fit import (
        FAMILIES,
        STYLE_OF,
        best_temperature,
        by_family,
        is_right,
        learned_from,
        logits_apart,
    )
    from benchmarks.quality.music import outputs_of, pieces_in
    from genrebeam.model.calibration import probabilities_of

    every = pieces_in(data)
    means = np.stack([one.mean(axis=0) for one in outputs_of(every, work)])
    places = [number for number, piece in enumerate(every) if learned_from(piece)]
    pieces = [every[number] for number in places]
    logits = logits_apart(pieces, means[places], lambda piece: f"{piece.set} {piece.artist}")
    world = [number for number, piece in enumerate(pieces) if piece.set == "world"]
    temperature = best_temperature([pieces[number] for number in world], logits[world])
    kept = [number for number, piece in enumerate(pieces) if piece.set in COUNTS_FOR]
    chosen = [pieces[number] for number in kept]
    return Music(
        np.array([piece.set for piece in chosen]),
        np.array([f"{piece.set} {piece.artist}" for piece in chosen]),
        np.array([_album_of(piece.path) if piece.set == "magnatune" else "" for piece in chosen]),
        is_right(chosen),
        np.array([FAMILIES.index(piece.families[0]) for piece in chosen]),
        by_family(probabilities_of(logits[kept], temperature, STYLE_OF)).astype(np.float64),
    )


def _album_of(path: Path) -> str:
    return " ".join(mutagen.File(path, easy=True).get("album", [""]))


def library_of(
    music: Music,
    hidden: str,
    folders: str,
    chance: np.random.Generator,
    no_key: float = 0.0,
) -> Library:
    """Hide half of the tags, and count what the others say."""
    n = len(music.artists)
    families = music.first.copy()
    for number in np.flatnonzero(chance.random(n) < OTHER_FAMILY):
        families[number] = chance.choice(np.flatnonzero(music.right[number]))
    tags = np.eye(music.right.shape[1])[families]
    alone = np.arange(n).astype(str)
    in_album = music.albums != ""
    albums = np.where(in_album, np.char.add(music.artists, music.albums), alone)
    keys = {"track": alone, "album": albums, "artist": music.artists}[hidden]
    names, of = np.unique(keys, return_inverse=True)
    is_hidden = (chance.random(len(names)) < 0.5)[of]
    heaps = chance.integers(0, n // IN_A_HEAP, n).astype(str)
    in_folders = {
        "album": np.where(in_album, albums, music.artists),
        "artist": music.artists,
        "heap": heaps,
    }[folders]
    files = np.stack(
        [_others(key, tags, is_hidden) for key in (music.artists, albums, in_folders)], axis=1
    )
    named = files[:, 0].sum(axis=1) > 0
    files[chance.random((n, 3)) < no_key] = 0
    return Library(is_hidden, log_ratio(files), named)


def _others(keys: np.ndarray, tags: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """``(n, n_families)``: tagged files that share a track's key, those of hidden tracks only."""
    names, of = np.unique(keys, return_inverse=True)
    files = np.zeros((len(names), tags.shape[1]))
    np.add.at(files, of[~hidden], tags[~hidden])
    return files[of]


def weighed(music: Music, library: Library, weights: np.ndarray) -> np.ndarray:
    """Probabilities of the families by sound and tags: ``(n, n_families)``."""
    ratios = (weights[:, None] * library.tags).sum(axis=1)
    return softmax(np.log(np.maximum(music.audio, 1e-12)) + ratios, axis=1)


def learned(music: Music, libraries: Sequence[Library], of: np.ndarray) -> np.ndarray:
    """The weights with which the right families are likeliest, on some of the tracks."""
    counts_for = np.array([COUNTS_FOR[name] for name in music.sets])

    def nll(logarithms: np.ndarray) -> float:
        total = 0.0
        for library in libraries:
            tags = of & library.hidden & library.tags.any(axis=(1, 2))
            right = (weighed(music, library, np.exp(logarithms)) * music.right).sum(axis=1)
            total -= float((counts_for * np.log(np.maximum(right, 1e-9)))[tags].sum())
        return total + PULL * float((logarithms**2).sum())

    options = {"maxiter": 80, "xatol": 0.02, "fatol": 1.0}
    found = minimize(nll, np.log([1.0, 0.5, 0.5]), method="Nelder-Mead", options=options)
    return np.exp(found.x)


def judged(
    music: Music, library: Library, weights: Sequence[np.ndarray], half: np.ndarray
) -> np.ndarray:
    """Probabilities with the weights that were learned from the other half of the artists."""
    of_first, of_second = (weighed(music, library, one) for one in weights)
    return np.where(half[:, None], of_second, of_first)


def measured(
    music: Music,
    libraries: Sequence[Library],
    both: Sequence[np.ndarray],
    name: str,
    *,
    named: bool,
) -> str:
    """A row: how often the hidden tracks are right by sound, by tags and by both."""
    artists: list[str] = []
    found: dict[str, list[np.ndarray]] = {way: [] for way in ("audio", "tags", "both")}
    sure: dict[str, list[np.ndarray]] = {way: [] for way in found}
    of_set = np.full(len(music.sets), True) if name == "both" else music.sets == name
    for library, with_tags in zip(libraries, both, strict=True):
        chosen = np.flatnonzero(library.hidden & (library.named == named) & of_set)
        artists += list(music.artists[chosen])
        tags = softmax(library.tags.sum(axis=1), axis=1)
        # Where the tags do not say, chance decides.
        tags = np.where(np.ptp(tags, axis=1, keepdims=True) > 0, tags, np.nan)
        for way, judgement in (("audio", music.audio), ("tags", tags), ("both", with_tags)):
            rows = judgement[chosen]
            silent = np.isnan(rows).any(axis=1)
            right = music.right[chosen, np.nan_to_num(rows).argmax(axis=1)]
            found[way].append(np.where(silent, 1 / rows.shape[1], right))
            sure[way].append(np.nan_to_num(rows).max(axis=1))
    if not artists:
        return ""
    names, of = np.unique(artists, return_inverse=True)
    n = np.bincount(of)
    chance = np.random.default_rng(0)
    drawn = chance.integers(0, len(names), (RESAMPLED, len(names)))
    cells = [f"{len(artists) / len(libraries):.0f}"]
    for right in map(np.concatenate, found.values()):
        hits = np.bincount(of, weights=right)
        low, high = np.percentile(hits[drawn].sum(axis=1) / n[drawn].sum(axis=1), [2.5, 97.5])
        cells.append(f"{right.mean():.1%} ({low:.1%} to {high:.1%})")
    for way in ("audio", "both"):
        error = expected_calibration_error(
            np.concatenate(sure[way]), np.concatenate(found[way]).astype(bool)
        )
        cells.append(f"{error:.3f}")
    return " | ".join(cells)


if __name__ == "__main__":
    main()
