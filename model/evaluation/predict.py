"""What a network says of clips: of their segments, of whole clips, and where it sees them.

Each segment goes through the network once, whatever is measured afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genrebeam.model.backbones.backbone import backbone_of
from genrebeam.model.data.clips import Clips
from genrebeam.model.embedding import with_embedding
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.head import Head, inputs_of

if TYPE_CHECKING:
    import keras

# Clips whose segments are in memory at once: a library need not fit.
_CLIPS_AT_ONCE = 512
# A wide network needs many times the memory of the half-minute pictures that it is given.
_SEGMENTS_AT_ONCE = 64


@dataclass(frozen=True)
class TrackScores:
    """Logits or probabilities of tracks.

    Parameters
    ----------
    segments : list of np.ndarray
        One ``(n_segments, n_classes) float`` per track.
    overall : np.ndarray or None
        ``(n_tracks, n_classes) float``: of each track as a whole, from a head, which judges all
        segments together. None from a network: its judgement is the mean over the segments.
    """

    segments: list[np.ndarray]
    overall: np.ndarray | None = None

    @property
    def tracks(self) -> np.ndarray:
        """``(n_tracks, n_classes)``: `overall`, or the mean over each track's segments."""
        if self.overall is not None:
            return self.overall
        return np.stack([segments.mean(axis=0) for segments in self.segments])

    def of(self, tracks: Sequence[int] | np.ndarray) -> TrackScores:
        """The scores of the tracks with these numbers, in this order."""
        overall = None if self.overall is None else self.overall[tracks]
        return TrackScores([self.segments[number] for number in tracks], overall)

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> TrackScores:
        """The same tracks with other scores.

        Parameters
        ----------
        function : callable
            From ``(n, n_classes)`` to ``(n, n_other_classes)``, row by row.
        """
        overall = None if self.overall is None else function(self.overall)
        return TrackScores([function(segments) for segments in self.segments], overall)


@dataclass(frozen=True)
class Predictions:
    """What a network says of clips.

    Parameters
    ----------
    by_count : dict
        Segments analysed of each clip, spread evenly over it (None: all, one after the other), to
        the logits.
    embeddings : np.ndarray or None
        ``(n_clips, d) float32``, where they were asked for: the mean over all segments, see
        `model.embedding.with_embedding` and, of a backbone, `model.head.Head.embedding`.
    """

    by_count: dict[int | None, TrackScores]
    embeddings: np.ndarray | None = None

    @property
    def logits(self) -> TrackScores:
        """The logits where all segments are analysed."""
        return self.by_count[None]


def predict(
    network: keras.Model | Head,
    features: FeatureSpec,
    clips: Clips,
    *,
    counts: Sequence[int] = (),
    embeddings: bool = False,
) -> Predictions:
    """Predict all segments of clips, and those that are analysed of them in smaller numbers.

    Parameters
    ----------
    counts : sequence of int
        Smaller numbers of segments, see `Predictions`.
    embeddings : bool
        Whether `Predictions.embeddings` are wanted.

    Returns
    -------
    Predictions
        `Predictions.by_count` has `counts`, then None.
    """
    lengths = [clip.shape[1] for clip in clips.values]
    starts: dict[int | None, list[list[int]]] = {
        count: [features.segment_starts(length, count) for length in lengths]
        for count in (*counts, None)
    }
    # Many counts share segments.
    every = [sorted(set().union(*of_clip)) for of_clip in zip(*starts.values(), strict=True)]
    places = {
        count: [np.searchsorted(known, some) for known, some in zip(every, of_clips, strict=True)]
        for count, of_clips in starts.items()
    }
    if isinstance(network, Head):
        return _predict_by_head(network, features, clips, every, places, embeddings)
    logits, seen = [], []
    through = _through_network(network, features, clips, every, embeddings)
    for (by_segment, embedded), whole in zip(through, places[None], strict=True):
        logits.append(by_segment)
        if embedded is not None:
            seen.append(embedded[whole].mean(axis=0))
    by_count = {count: TrackScores(_chosen(logits, some)) for count, some in places.items()}
    return Predictions(by_count, np.stack(seen).astype(np.float32) if embeddings else None)


def _predict_by_head(
    head: Head,
    features: FeatureSpec,
    clips: Clips,
    every: Sequence[Sequence[int]],
    places: dict[int | None, list[np.ndarray]],
    embeddings: bool,
) -> Predictions:
    """What `predict` returns, for clips of a backbone's outputs."""
    logits = []
    inputs: dict[int | None, list[np.ndarray]] = {count: [] for count in places}
    for number, starts in enumerate(every):
        outputs = clips.cut(number, starts, 1)[:, :, 0]
        logits.append(head.logits(inputs_of(outputs[:, None], features)))
        for count, chosen in places.items():
            inputs[count].append(inputs_of(outputs[chosen[number]], features))
    by_count = {
        count: TrackScores(_chosen(logits, some), head.logits(np.stack(inputs[count])))
        for count, some in places.items()
    }
    found = backbone_of(features).projection.split(np.stack(inputs[None]))[1]
    return Predictions(by_count, found if embeddings else None)


def _chosen(logits: Sequence[np.ndarray], places: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [by_segment[some] for by_segment, some in zip(logits, places, strict=True)]


def _through_network(
    network: keras.Model,
    features: FeatureSpec,
    clips: Clips,
    starts: Sequence[Sequence[int]],
    embeddings: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Logits, and embeddings if wanted, of the segments of each clip that begin at `starts`."""
    asked = with_embedding(network) if embeddings else network
    for first in range(0, len(clips), _CLIPS_AT_ONCE):
        segments = [
            clips.cut(first + number, begins, features.segment_frames)
            for number, begins in enumerate(starts[first : first + _CLIPS_AT_ONCE])
        ]
        ends = np.cumsum([len(of_clip) for of_clip in segments])[:-1]
        said = asked.predict(np.concatenate(segments), batch_size=_SEGMENTS_AT_ONCE, verbose=0)
        logits, seen = said if embeddings else (said, None)
        by_clip = np.split(np.asarray(logits), ends)
        yield from zip(
            by_clip, [None] * len(by_clip) if seen is None else np.split(seen, ends), strict=True
        )
