"""Listening: paths in, decisions out, for programs that have a library of their own.

The steps of ``graphs/tag.py`` from the header to the vote, one after the other and without a graph.
Who calls decides which files are heard, and writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future

import numpy as np

from genrebeam.model.bundle import Bundle
from genrebeam.transforms.audio.hear import features_of
from genrebeam.transforms.audio.pool import default_processes
from genrebeam.transforms.audio.ptransforms import Hear
from genrebeam.transforms.formats import format_of
from genrebeam.transforms.genre.classify import begin_loading, end_loading, failed
from genrebeam.transforms.genre.ptransforms import BATCH_TRACKS, GenreModelHandler
from genrebeam.transforms.genre.vote import VotePolicy, decide
from genrebeam.transforms.in_flight import never
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


class Listener:
    """Decides genres of files; one network, loaded once, for all that it is called with.

    Tracks are decoded in the processes of `transforms.audio.pool`, which the caller stops.

    Parameters
    ----------
    bundle : Bundle
    votes : VotePolicy
    processes : int, optional
        That decode; by default one per CPU.
    """

    def __init__(self, bundle: Bundle, votes: VotePolicy, processes: int | None = None) -> None:
        self.bundle = bundle
        self.votes = votes
        self._hear = Hear(
            bundle.features, bundle.n_segments, processes or default_processes(), never
        )
        self._handler = GenreModelHandler(bundle)
        self._classifier = self._handler.load_model()

    def load(self) -> None:
        """Load the network now, not with the first track."""
        self._classifier(np.zeros((1, *self.bundle.features.shape), np.float32))

    def __call__(self, paths: Iterable[str]) -> Iterator[Decision | Outcome]:
        """Hear files.

        Parameters
        ----------
        paths : iterable of str
            Local files. Some more are read than decisions have been taken.

        Yields
        ------
        Decision or Outcome
            In the order of the paths. An outcome where a file could not be heard: ``refused``
            where nothing is wrong with it, else ``failed``.
        """
        begun: deque[Outcome | tuple[Track, Future]] = deque()
        for path in paths:
            begun.append(self._begin(path))
            if len(begun) == self._hear.most:
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
        return track, self._hear.submit(track)

    def _end(self, begun: deque[Outcome | tuple[Track, Future]]) -> Iterator[Decision | Outcome]:
        """What the next batch becomes."""
        end_loading()
        batch = [begun.popleft() for _ in range(min(BATCH_TRACKS, len(begun)))]
        heard = [
            entry if isinstance(entry, Outcome) else features_of(*entry, self._hear.timeout_s)
            for entry in batch
        ]
        features = [found for found in heard if isinstance(found, Features)]
        predicted = self._handler.run_inference(features, self._classifier) if features else ()
        predictions = iter(predicted)
        for found in heard:
            yield found if isinstance(found, Outcome) else self._decide(next(predictions))

    def _decide(self, prediction: Prediction) -> Decision | Outcome:
        if prediction.error is not None:
            return failed(prediction)
        return decide(prediction, self.bundle.genres, self.votes, families=self.bundle.families)
