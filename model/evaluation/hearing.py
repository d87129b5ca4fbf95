"""Hearing: what a network says of clips, of every segment once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from model.data.clips import Clips
from model.embedding import with_embedding
from model.feature_spec import FeatureSpec
from model.head import Head, embedding_of, inputs_of

if TYPE_CHECKING:
    import keras

# Clips whose segments are in memory at once: a library need not fit.
_CLIPS_AT_ONCE = 512
# What a wide network makes of whole half-minute pictures is many times their own size.
_SEGMENTS_AT_ONCE = 64


class Hearing:
    """What a network says of clips.

    Parameters
    ----------
    network : keras.Model or Head
    features : FeatureSpec
    clips : Clips
    counts : sequence of (int or None)
        Segments heard of each clip, spread evenly over it; None is all. Many counts share
        segments: each is heard once.
    embeddings : bool
        Whether to keep where the network sees each clip, which takes None among the counts.
    """

    def __init__(
        self,
        network: keras.Model | Head,
        features: FeatureSpec,
        clips: Clips,
        counts: Sequence[int | None] = (None,),
        *,
        embeddings: bool = False,
    ) -> None:
        self.network = network
        self.features = features
        self.clips = clips
        lengths = [clip.shape[1] for clip in clips.log_mel]
        self.starts = {
            count: [features.segment_starts(length, count) for length in lengths]
            for count in counts
        }
        needed = [
            sorted(set().union(*starts)) for starts in zip(*self.starts.values(), strict=True)
        ]
        self._logits: list[dict[int, np.ndarray]] = []
        self._embeddings: list[np.ndarray] = []
        for begins, (logits, seen) in zip(needed, self._hear(needed, embeddings), strict=True):
            self._logits.append(dict(zip(begins, logits, strict=True)))
            if seen is not None:
                whole = self.starts[None][len(self._embeddings)]
                places = [begins.index(start) for start in whole]
                self._embeddings.append(seen[places].mean(axis=0))

    def logits(self, count: int | None = None) -> list[np.ndarray]:
        """Logits of each clip's segments: one ``(n_segments, n_classes) float32`` per clip."""
        return [
            np.stack([found[start] for start in begins])
            for found, begins in zip(self._logits, self.starts[count], strict=True)
        ]

    def overall(self, count: int | None = None) -> np.ndarray | None:
        """Logits of each clip as a whole, where they are more than the mean of its segments'.

        Returns
        -------
        np.ndarray or None
            ``(n_clips, n_classes) float32`` of a head on ears; None of a network.
        """
        if not isinstance(self.network, Head):
            return None
        heard = [
            inputs_of(_outputs(self.clips, number, begins), self.features)
            for number, begins in enumerate(self.starts[count])
        ]
        return self.network.logits(np.stack(heard))

    def embeddings(self) -> np.ndarray:
        """Where the network sees each clip: ``(n_clips, d) float32``, the mean over its segments.

        See `model.embedding.with_embedding` and, of ears, `model.head.embedding_of`.
        """
        if isinstance(self.network, Head):
            return np.stack(
                [
                    embedding_of(_outputs(self.clips, number, begins), self.features)
                    for number, begins in enumerate(self.starts[None])
                ]
            )
        return np.stack(self._embeddings).astype(np.float32)

    def _hear(
        self, starts: Sequence[Sequence[int]], embeddings: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Logits and embeddings of the segments of each clip that begin at `starts`."""
        network = self.network
        if isinstance(network, Head):
            for number, begins in enumerate(starts):
                outputs = _outputs(self.clips, number, begins)[:, None]
                yield network.logits(inputs_of(outputs, self.features)), None
            return
        if embeddings:
            network = with_embedding(network)
        for first in range(0, len(self.clips), _CLIPS_AT_ONCE):
            segments = [
                self.clips.cut(first + number, begins, self.features.segment_frames)
                for number, begins in enumerate(starts[first : first + _CLIPS_AT_ONCE])
            ]
            found: Any = network.predict(
                np.concatenate(segments), batch_size=_SEGMENTS_AT_ONCE, verbose=0
            )
            logits, seen = found if embeddings else (found, None)
            ends = np.cumsum([len(some) for some in segments])[:-1]
            by_clip = np.split(np.asarray(logits), ends)
            if seen is None:
                yield from ((one, None) for one in by_clip)
            else:
                yield from zip(by_clip, np.split(np.asarray(seen), ends), strict=True)


def predict_logits(
    network: keras.Model | Head, features: FeatureSpec, clips: Clips, n_segments: int | None = None
) -> list[np.ndarray]:
    """Logits of each clip's segments.

    Parameters
    ----------
    network : keras.Model or Head
    features : FeatureSpec
    clips : Clips
    n_segments : int, optional
        Segments heard of each clip; by default all.

    Returns
    -------
    list of np.ndarray
        One ``(n_segments, n_classes) float32`` per clip.
    """
    return Hearing(network, features, clips, (n_segments,)).logits(n_segments)


def _outputs(clips: Clips, number: int, starts: Sequence[int]) -> np.ndarray:
    """What ears said of segments of a clip: ``(n_segments, n_outputs) float32``."""
    return clips.cut(number, starts, 1)[:, :, 0]
