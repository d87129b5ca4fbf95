"""The music that the default bundle is made and measured with, as the backbone sees it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import mutagen
import numpy as np

from genrebeam.model.backbones.backbone import BACKBONES
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES, N_WINDOWS
from genrebeam.model.vocabulary import FAMILIES, meant_by
from genrebeam.pipeline.training.datasets.gtzan import (
    GTZAN_GENRES,
    gtzan_list_files,
    read_gtzan_lists,
)
from tools.world import read_world

_FOLDERS_OF_MAGNATUNE = {"classical": "Classical", "electronic": "Electronic", "rock": "Rock"}
# What people would say of the songs, whatever their tags say.
_SONGS = {
    "A Talk with George": ("Folk", "Country", "Rock"),
    "Code Monkey": ("Rock",),
    "Furry Old Lobster": ("Rock",),
    "Not About You": ("Rock",),
    "Can't stop it": ("Rock",),
}


@dataclass(frozen=True)
class Piece:
    """A track and what is known of it.

    Parameters
    ----------
    path : Path
    set : {"world", "magnatune", "gtzan", "clips", "songs"}
    families : tuple of str
        Any of these is right; the first is what is learned.
    style : str
        Empty where nobody knows more than the family.
    artist, source : str
        What is alike.
    sure : bool
        Whether the label is beyond doubt.
    part : str
        Folder of Magnatune, or list of GTZAN.
    """

    path: Path
    set: str
    families: tuple[str, ...]
    style: str = ""
    artist: str = ""
    source: str = ""
    sure: bool = True
    part: str = ""


def pieces_in(data: Path) -> list[Piece]:
    """All music at hand."""
    found = [Piece(set="world", **vars(one)) for one in read_world(data / "world")]
    found += _magnatune(data / "magnatune")
    found += _gtzan(data / "gtzan")
    for path in sorted((data / "songs").iterdir()):
        if path.suffix in (".mp3", ".ogg"):
            right = next(families for name, families in _SONGS.items() if name in path.name)
            found.append(Piece(path, "songs", right, artist=path.name, source="songs"))
    return found


def _magnatune(folder: Path) -> Iterator[Piece]:
    for path in sorted(folder.rglob("*.mp3")):
        tags = mutagen.File(path, easy=True)
        meant = meant_by(tags["genre"][0])
        # The pop folder is mostly alternative rock by its own tags.
        own = _FOLDERS_OF_MAGNATUNE.get(path.parent.name)
        families = dict.fromkeys(filter(None, [own, *(FAMILIES[genre] for genre in meant)]))
        style = meant[0] if len(meant) == 1 and FAMILIES[meant[0]] != meant[0] else ""
        yield Piece(
            path,
            "magnatune",
            tuple(families),
            style,
            artist=tags["artist"][0],
            source="magnatune",
            part=path.parent.name,
        )


def _gtzan(folder: Path) -> Iterator[Piece]:
    lists = read_gtzan_lists(gtzan_list_files(folder))
    for path in sorted([*folder.glob("pieces/*.opus"), *folder.glob("audio/*.flac")]):
        label, number = path.name.split(".")[:2]
        genre = GTZAN_GENRES[label]
        yield Piece(
            path,
            "gtzan" if path.suffix == ".opus" else "clips",
            (FAMILIES[genre],),
            style="" if FAMILIES[genre] == genre else genre,
            artist=path.name,
            source="gtzan",
            part=lists.get(f"{label}.{number}", ""),
        )


def outputs_of(pieces: list[Piece], work: Path | None) -> list[np.ndarray]:
    """What the backbone puts out for the windows of each track: ``(n, n_outputs) float32``."""
    names = [str(piece.path) for piece in pieces]
    # What it puts out depends on its weights, not on the projection.
    weights = hashlib.sha256(BACKBONES[BACKBONE_FEATURES.backbone].weights.read_bytes())
    spec = replace(BACKBONE_FEATURES, backbone_version=weights.hexdigest()[:12])
    key = json.dumps([asdict(spec), N_WINDOWS, names])
    kept = work and work / f"outputs-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
    if kept is not None and kept.is_file():
        with np.load(kept) as stored:
            ends = stored["ends"]
            return np.split(stored["outputs"], ends[:-1])
    # New processes: one that is forked has half of a network.
    with multiprocessing.get_context("spawn").Pool(len(os.sched_getaffinity(0))) as pool:
        found = pool.map(_outputs_of, names, chunksize=16)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, outputs=np.concatenate(found), ends=np.cumsum([len(one) for one in found]))
    return found


_run = None


def _outputs_of(path: str) -> np.ndarray:
    from genrebeam.transforms.audio.extract import extract_non_silent
    from genrebeam.transforms.genre.classify import BackboneRun

    global _run
    _run = _run or BackboneRun(BACKBONE_FEATURES, threads=1)
    analysed = extract_non_silent(path, path.rpartition(".")[2], BACKBONE_FEATURES, N_WINDOWS)
    return _run(analysed.values)
