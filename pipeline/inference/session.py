"""One session of inference: it owns the decoding processes and the network, and ends both.

The steps of ``graphs/tag.py`` from the header to the vote, one after the other and without a graph:
for other programs, which decide what is read and who writes, and for commands that look at a few
files.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import Any

from genrebeam.model.bundle import Bundle
from genrebeam.pipeline.inference.decoding import begin_decoding, end_decoding
from genrebeam.transforms.audio import pool
from genrebeam.transforms.audio.extract import TIMEOUT_S, features_of, most_in_flight, submit
from genrebeam.transforms.formats import format_of
from genrebeam.transforms.genre.classify import begin_loading, end_loading, failed
from genrebeam.transforms.genre.predict import BATCH_TRACKS, load_classifier, predict
from genrebeam.transforms.genre.vote import VotePolicy, decider
from genrebeam.transforms.records import (
    Decision,
    Features,
    Outcome,
    Prediction,
    Stage,
    Track,
    dropped,
    with_tags,
)
from genrebeam.transforms.tags.header import read_header


class TrackClassifier:
    """Decides the genres of files: paths in, decisions out.

    There is one network for all files. Used as a context manager, it ends its processes.

    Parameters
    ----------
    votes : VotePolicy, optional
        By default the model's own.
    processes : int, optional
        That decode; by default one per CPU.
    embeddings : bool
        Whether predictions and decisions have embeddings.

    Examples
    --------
    >>> import numpy, os, soundfile, tempfile
    >>> from genrebeam import TrackClassifier, load_bundle
    >>> song = os.path.join(tempfile.mkdtemp(), "song.flac")
    >>> soundfile.write(song, numpy.sin(numpy.arange(9 * 22050) / 20) / 2, 22050)
    >>> with TrackClassifier(load_bundle("gtzan")) as classifier:
    ...     for found in classifier([song, "missing.mp3"]):
    ...         print(type(found).__name__, os.path.basename(found.track.uri))
    Decision song.flac
    Outcome missing.mp3
    """

    def __init__(
        self,
        bundle: Bundle,
        votes: VotePolicy | None = None,
        *,
        processes: int | None = None,
        embeddings: bool = False,
    ) -> None:
        if processes is not None and processes < 1:
            raise ValueError(f"processes={processes}: at least one is needed")
        self.bundle = bundle
        self.processes = processes or pool.default_processes()
        self.network = load_classifier(bundle, embeddings=embeddings)
        self._decide = decider(bundle, votes)

    def __enter__(self) -> TrackClassifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, unless others use them; a later call starts new ones."""
        end_decoding(self)

    def load(self) -> None:
        """Load the network now, not with the first track."""
        self.network.load()

    def submit(
        self, function: Callable[..., Any], *arguments: Any, timeout_s: float = TIMEOUT_S
    ) -> Future:
        """Run a function of a file in a decoding process.

        `genrebeam.transforms.audio.extract.result_of` waits for it.
        """
        begin_decoding(self)
        return pool.submit(function, arguments, processes=self.processes, timeout_s=timeout_s)

    def __call__(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[Decision | Outcome]:
        """Decide the genres of files.

        Parameters
        ----------
        paths : iterable of str or os.PathLike
            Local files. Some more are read than decisions have been taken.

        Yields
        ------
        Decision or Outcome
            In the order of the paths. An outcome where a file has no decision: ``refused``
            where nothing is wrong with it, else ``failed``.
        """
        for found in self.predict(paths):
            yield found if isinstance(found, Outcome) else self._decide(found)

    def predict(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[Prediction | Outcome]:
        """What the network says of files; see `__call__`."""
        if isinstance(paths, str | bytes | os.PathLike):
            raise TypeError(f"{paths!r} is one path; give a list of paths")
        begin_decoding(self)
        begun: deque[Outcome | tuple[Track, Future]] = deque()
        most = most_in_flight(self.bundle.n_segments, self.processes)
        for path in paths:
            begun.append(self._begin(os.fsdecode(path)))
            # A source may be slower than the decoders: what is done does not wait for it.
            while len(begun) >= most or (begun and _is_done(begun)):
                yield from self._end(begun)
        while begun:
            yield from self._end(begun)

    def _begin(self, path: str) -> Outcome | tuple[Track, Future]:
        track = Track(path, format_of(path))
        try:
            track = with_tags(track, *read_header(path))
        except Exception as error:  # whatever a file does to its reader is an outcome
            return dropped(track, Stage.READ_TAGS, error)
        begin_loading(track, self.bundle)
        spec, n_segments = self.bundle.features, self.bundle.n_segments
        return track, submit(track, spec, n_segments, processes=self.processes)

    def _end(self, begun: deque[Outcome | tuple[Track, Future]]) -> Iterator[Prediction | Outcome]:
        """What the next batch becomes."""
        end_loading()
        batch = [begun.popleft() for _ in range(min(BATCH_TRACKS, len(begun)))]
        extracted = [
            entry if isinstance(entry, Outcome) else features_of(*entry, TIMEOUT_S)
            for entry in batch
        ]
        features = [found for found in extracted if isinstance(found, Features)]
        predictions = iter(predict(features, self.network) if features else ())
        for found in extracted:
            if isinstance(found, Outcome):
                yield found
            else:
                prediction = next(predictions)
                yield prediction if prediction.error is None else failed(prediction)


def _is_done(begun: Iterable[Outcome | tuple[Track, Future]]) -> bool:
    """Whether the next batch is decoded."""
    batch = islice(begun, BATCH_TRACKS)
    return all(isinstance(entry, Outcome) or entry[1].done() for entry in batch)
