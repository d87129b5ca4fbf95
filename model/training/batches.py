"""Batches of segments: cut at random and augmented to train on, whole and in order to stop on.

Imports Keras, so only what trains imports this.
"""

from __future__ import annotations

import keras
import numpy as np

from genrebeam.model.data.clips import Clips
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes import Recipe

# Ripples of a random equaliser over all mel bands: half a turn to two and a half.
_N_RIPPLES = 5
_WHOLE_BATCH = 64


class RandomSegments(keras.utils.PyDataset):
    """Segments cut at random and augmented; an epoch has as many as the clips hold.

    Every class is cut equally often, whatever its share of the clips. Each batch depends
    on the seed, the epoch and its number alone, so a resumed training sees what an
    uninterrupted one would have seen.
    """

    def __init__(
        self,
        recipe: Recipe,
        features: FeatureSpec,
        clips: Clips,
        n_classes: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.features = features
        self.clips = clips
        self.one_hot = np.eye(n_classes, dtype=np.float32)
        self.seed = seed
        self.start(0)

    def __len__(self) -> int:
        return max(1, len(self.order) // self.recipe.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch, index + 1])
        first = index * self.recipe.batch_size
        chosen = self.order[first : first + self.recipe.batch_size]
        segments = np.stack([self._cut(self.clips.values[clip], rng) for clip in chosen])
        targets = self.one_hot[self.clips.targets[chosen]]
        return augment(segments.astype(np.float32), targets, self.recipe, self.features, rng)

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)

    def start(self, epoch: int) -> None:
        """Start an epoch, such as the one at which a training is resumed."""
        self.epoch = epoch
        self._shuffle()

    def _cut(self, log_mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n_frames, width = log_mel.shape[1], self.features.segment_frames
        tempo = np.exp(rng.uniform(-self.recipe.stretch, self.recipe.stretch))
        # Nearest frames: the features are single frames too, not averages.
        if n_frames > width:
            tempo = min(tempo, n_frames / width)
        frames = np.floor(np.arange(width) * tempo).astype(int)
        start = rng.integers(0, max(1, n_frames - frames[-1]))
        return log_mel[:, (start + frames) % n_frames]

    def _shuffle(self) -> None:
        rng = np.random.default_rng([self.seed, self.epoch, 0])
        width = self.features.segment_frames
        total = sum(max(1, log_mel.shape[1] // width) for log_mel in self.clips.values)
        present = np.unique(self.clips.targets)
        each = -(-total // len(present))
        of_class = [np.flatnonzero(self.clips.targets == target) for target in present]
        self.order = rng.permutation(
            np.concatenate([np.resize(rng.permutation(members), each) for members in of_class])
        )


class WholeSegments(keras.utils.PyDataset):
    """Every whole segment of all clips, in order, as it is."""

    def __init__(self, features: FeatureSpec, clips: Clips, n_classes: int) -> None:
        super().__init__()
        self.width = features.segment_frames
        self.clips = clips
        self.one_hot = np.eye(n_classes, dtype=np.float32)
        self.segments = clips.places(features)

    def __len__(self) -> int:
        return -(-len(self.segments) // _WHOLE_BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        first = index * _WHOLE_BATCH
        chosen = self.segments[first : first + _WHOLE_BATCH]
        segments = [self.clips.cut(clip, [start], self.width) for clip, start in chosen]
        targets = self.one_hot[self.clips.targets[[clip for clip, _ in chosen]]]
        return np.concatenate(segments), targets


def augment(
    segments: np.ndarray,
    targets: np.ndarray,
    recipe: Recipe,
    features: FeatureSpec,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Move, tilt, equalise, mix and mask a batch as the recipe says.

    Parameters
    ----------
    segments : np.ndarray
        ``(n, n_mels, n_frames) float32`` in 0..1.
    targets : np.ndarray
        ``(n, n_classes) float32``, one-hot.

    Returns
    -------
    segments, targets : np.ndarray
        Of the same shapes.
    """
    n, n_mels, _ = segments.shape
    if recipe.shift_bands:
        shifts = rng.integers(-recipe.shift_bands, recipe.shift_bands + 1, (n, 1))
        moved = np.clip(np.arange(n_mels) - shifts, 0, n_mels - 1)
        segments = np.take_along_axis(segments, moved[:, :, None], axis=1)
    if recipe.tilt_db:
        span = recipe.tilt_db / features.top_db
        slopes = rng.uniform(-span, span, (n, 1, 1)).astype(np.float32)
        tilt = np.linspace(-0.5, 0.5, n_mels, dtype=np.float32)[None, :, None]
        segments = np.clip(segments + slopes * tilt, 0, None)
    if recipe.equalise_db:
        ripples = np.arange(1, _N_RIPPLES + 1)
        deviation = recipe.equalise_db / features.top_db / np.sqrt(ripples)
        curves = np.cos(np.pi * np.outer(ripples, np.linspace(0, 1, n_mels)))
        gains = (rng.normal(0, deviation, (n, _N_RIPPLES)) @ curves).astype(np.float32)
        segments = np.clip(segments + gains[:, :, None], 0, None)
    if recipe.mixup:
        share = rng.beta(recipe.mixup, recipe.mixup, (n, 1, 1)).astype(np.float32)
        partner = rng.permutation(n)
        segments = share * segments + (1 - share) * segments[partner]
        targets = share[:, 0] * targets + (1 - share[:, 0]) * targets[partner]
    segments = segments.copy()
    for segment in segments:
        # Blanked with the mean: the network standardises what it sees.
        blank = segment.mean()
        for axis, widest in ((0, recipe.mask_bands), (1, recipe.mask_frames)):
            if widest:
                width = rng.integers(0, widest + 1)
                start = rng.integers(0, segment.shape[axis] - width + 1)
                stripe = [slice(None), slice(None)]
                stripe[axis] = slice(start, start + width)
                segment[tuple(stripe)] = blank
    return segments, targets
