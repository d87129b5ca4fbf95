"""Similar: the tracks whose embeddings point the same way as that of one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genrebeam.model.bundle import BUNDLES, Bundle
from genrebeam.pipeline.by_ear.analysed import Analysed, how_to_analyse, is_there
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.job import bundle_named
from genrebeam.transforms.formats import FORMATS, format_of
from genrebeam.transforms.records import Outcome, TrackError
from genrebeam.transforms.storage import absolute


@dataclass(frozen=True)
class Seed:
    """The track that others are compared with.

    Parameters
    ----------
    path : str
        Absolute.
    number : int or None
        Its row among the tracks, where it is one of them.
    embedding : np.ndarray
        ``(d,) float32`` of length 1.
    """

    path: str
    number: int | None
    embedding: np.ndarray


def seed_of(track: str, analysed: Analysed) -> Seed:
    """Find a track's embedding, or analyse it as tagging does.

    Parameters
    ----------
    track : str
        Path of a file; it need not be among those analysed.

    Raises
    ------
    UsageError
        If there is no such track, or the model that analysed the others is not at hand.
    TrackError, OSError
        If it cannot be analysed.
    """
    path = absolute(track)
    number = analysed.find(path)
    if number is not None:
        return Seed(path, number, analysed.embedding(number))
    if os.path.isdir(path):
        raise UsageError(f"{track}: is a folder; name one track")
    if not os.path.isfile(path):
        raise UsageError(f"{track}: no such file, and not among the tracks in {analysed.report}")
    if format_of(path) not in FORMATS:
        raise UsageError(f"{track}: not one of the formats {', '.join(sorted(FORMATS))}")
    bundle = _bundle_of(analysed.model_version)
    if bundle is None:
        raise UsageError(
            f"{track}: is not analysed yet, and {analysed.model}, which analysed the others, "
            "does not come with genrebeam; to analyse it: "
            f"{how_to_analyse(path, analysed.report)} --bundle DIR"
        )
    return Seed(path, None, embedding_of(path, bundle))


def _bundle_of(version: str) -> Bundle | None:
    """The bundle of that version, of those that come with genrebeam."""
    for name in (None, *sorted(folder.name for folder in BUNDLES.iterdir())):
        with contextlib.suppress(UsageError):
            bundle = bundle_named(name)
            if bundle.version == version:
                return bundle
    return None


def embedding_of(path: str, bundle: Bundle) -> np.ndarray:
    """Analyse one local file as tagging does.

    Returns
    -------
    np.ndarray
        ``(d,) float32`` of length 1.

    Raises
    ------
    TrackError, OSError
        If it cannot be analysed.
    """
    from genrebeam.pipeline.inference.session import TrackClassifier

    with TrackClassifier(bundle, processes=1, embeddings=True) as classifier:
        (found,) = classifier.predict([path])
    if isinstance(found, Outcome):
        raise TrackError(path, found.reason)
    embedding = found.embedding
    assert embedding is not None  # it was asked for
    return np.asarray(embedding / max(float(np.linalg.norm(embedding)), 1e-9))


def similarities(analysed: Analysed, embedding: np.ndarray) -> np.ndarray:
    """Cosine of each track's embedding to one.

    Parameters
    ----------
    embedding : np.ndarray
        ``(d,) float32`` of length 1.

    Returns
    -------
    np.ndarray
        ``(n_tracks,) float32``; -1 where there is none after all.
    """
    found = np.full(len(analysed.tracks), -1, np.float32)
    for numbers, embeddings in analysed.embeddings():
        found[numbers] = embeddings @ embedding
    return found


def nearest(similarity: np.ndarray, uris: Sequence[str], missing: list[str]) -> Iterator[int]:
    """Rows of tracks that are still there, the nearest first.

    Parameters
    ----------
    similarity : np.ndarray
        ``(n_tracks,) float32``.
    uris : sequence
        As long, of str or pyarrow's.
    missing : list of str
        Gets those that were passed over: they are no longer there.
    """
    for number in np.argsort(-similarity, kind="stable"):
        uri = str(uris[number])
        if is_there(uri):
            yield int(number)
        else:
            missing.append(uri)
