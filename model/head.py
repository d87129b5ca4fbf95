"""Head: a backbone's outputs for a track become logits of genres.

A model of what is kept of the outputs (`genrebeam.model.backbones.projection`): linear, or of its
likeness to the tracks that were learned from. Only this model is trained; the backbone stays as it
is (`genrebeam.model.backbones`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genrebeam.model import files
from genrebeam.model.backbones.backbone import backbone_of
from genrebeam.model.backbones.projection import product
from genrebeam.model.calibration import log_sums
from genrebeam.model.feature_spec import FeatureSpec

# Stored in half precision. Converted when it is read: for each track it would take longer than all
# else here.
_HALVED = "landmarks"


@dataclass(frozen=True)
class Head:
    """The weights from a track's `inputs_of` to logits of genres.

    Parameters
    ----------
    kernel, bias : np.ndarray
        ``(n_inputs, n)`` and ``(n,)``: to genres, or to families where there are two levels. With
        landmarks it is ``(n_landmarks, n)``.
    landmarks : np.ndarray, optional
        ``(n_landmarks, d)``: embeddings of tracks that were learned from. A track is to each as
        similar as ``exp(-gamma * distance ** 2)``.
    style_kernel, style_bias : np.ndarray, optional
        ``(n_inputs, n_genres)`` and ``(n_genres,) float32``: to the genres within their families.
    family_of : np.ndarray, optional
        ``(n_genres,) int64``: the family of each genre.
    sounds : np.ndarray, optional
        ``(n_families + n_genres, n_kept) bool``: the backbone's own classes that each stands
        for. How likely they are, compared with a usual track, is added to the logits.
    sound_centre, sound_spread : np.ndarray, optional
        ``(n_families + n_genres,) float32``: of the likeliest class of each over usual tracks.
    """

    kernel: np.ndarray
    bias: np.ndarray
    landmarks: np.ndarray | None = None
    gamma: float | np.ndarray = 1.0
    style_kernel: np.ndarray | None = None
    style_bias: np.ndarray | None = None
    family_of: np.ndarray | None = None
    sounds: np.ndarray | None = None
    sound_centre: np.ndarray | None = None
    sound_spread: np.ndarray | None = None

    @property
    def n_inputs(self) -> int:
        """How many numbers of a track it reads."""
        whole = self.kernel if self.landmarks is None else self.style_kernel
        assert whole is not None  # a head with landmarks has styles
        return len(whole)

    @property
    def n_genres(self) -> int:
        """Number of genres."""
        return self.kernel.shape[1] if self.family_of is None else len(self.family_of)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Logits of genres.

        Parameters
        ----------
        inputs : np.ndarray
            ``(n, n_inputs) float32``, see `inputs_of`.

        Returns
        -------
        np.ndarray
            ``(n, n_genres) float32``. The log-sum-exp of a family's genres is its own logit.
        """
        known = inputs
        if self.landmarks is not None:
            embeddings = inputs[:, -self.landmarks.shape[1] :]
            known = similarities(embeddings, self.landmarks, float(self.gamma))
        logits = product(known, self.kernel) + self.bias
        if self.family_of is None:
            return logits.astype(np.float32)
        assert self.style_kernel is not None
        styles = product(inputs, self.style_kernel) + self.style_bias
        if self.sounds is not None:
            strength = (likeliest(inputs, self.sounds) - self.sound_centre) / self.sound_spread
            logits = logits + strength[:, : logits.shape[1]]
            styles = styles + strength[:, logits.shape[1] :]
        styles -= log_sums(styles, self.family_of)[:, self.family_of]
        return (logits[:, self.family_of] + styles).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write the weights; the same weights give the same bytes."""
        weights = {name: value for name, value in vars(self).items() if value is not None}
        if self.landmarks is not None:
            weights[_HALVED] = self.landmarks.astype(np.float16)
        with files.writing(path) as stream:
            np.savez_compressed(stream, **weights)


def load_head(path: Path) -> Head:
    """Read what `Head.save` wrote.

    Raises
    ------
    OSError, ValueError, TypeError
        If it cannot be read, is something else, or has weights that are no numbers.
    """
    with np.load(path, allow_pickle=False) as stored:
        weights = {name: stored[name] for name in stored.files}
    if _HALVED in weights:
        weights[_HALVED] = weights[_HALVED].astype(np.float32)
    if not all(np.isfinite(weight).all() for weight in weights.values()):
        raise ValueError("it has weights that are no numbers")
    return Head(**weights)


def inputs_of(outputs: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """A track's input to a head, see `Projection.inputs_of`."""
    return backbone_of(spec).projection.inputs_of(outputs)


def similarities(places: np.ndarray, landmarks: np.ndarray, gamma: float) -> np.ndarray:
    """How similar tracks are to landmarks: ``(n, d)`` and ``(m, d)`` to ``(n, m)`` in 0..1."""
    squares = (places**2).sum(axis=1)[:, None] + (landmarks**2).sum(axis=1)
    return np.exp(-gamma * np.maximum(squares - 2 * product(places, landmarks.T), 0))


def likeliest(inputs: np.ndarray, sounds: np.ndarray) -> np.ndarray:
    """The logit of the likeliest class of each set of a backbone's classes.

    Parameters
    ----------
    inputs : np.ndarray
        ``(n, n_inputs) float32``, which begin with logits of classes.
    sounds : np.ndarray
        ``(n_sets, n_kept) bool``.

    Returns
    -------
    np.ndarray
        ``(n, n_sets) float32``.
    """
    logits = inputs[:, : sounds.shape[1]]
    return np.stack([logits[:, own].max(axis=1) for own in sounds], axis=1)


def over_time(outputs: np.ndarray, n_around: int = 0) -> np.ndarray:
    """Average each segment's outputs with those around it.

    Parameters
    ----------
    outputs : np.ndarray
        ``(n_segments, n_outputs)``.
    n_around : int
        Segments on each side that are averaged in.

    Returns
    -------
    np.ndarray
        ``(n_segments, n_outputs)``: means over neighbours.
    """
    if not n_around:
        return outputs
    spans = [
        outputs[max(0, place - n_around) : place + n_around + 1] for place in range(len(outputs))
    ]
    return np.stack([span.mean(axis=0) for span in spans])


@dataclass(frozen=True)
class Sound:
    """Whether a track is music at all, by the backbone's own classes.

    Parameters
    ----------
    music : float
        Score of music, in 0..1.
    other, other_score : str, float
        The likeliest sound that is no music, and its score.
    """

    music: float
    other: str
    other_score: float

    @property
    def name(self) -> str:
        """For a person to read."""
        return f"{self.other} ({self.other_score:.2f}), music {self.music:.2f}"

    @property
    def is_music(self) -> bool:
        """Whether a genre makes sense."""
        share = self.music / (self.music + self.other_score + 1e-9)
        return self.music >= _LEAST_MUSIC and share >= _LEAST_SHARE


_LEAST_MUSIC, _LEAST_SHARE = 0.12, 0.3
_MUSIC = "Music"


def scores_of(outputs: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """Mean scores of the backbone's classes in 0..1: ``(n_classes,)``."""
    logits = outputs[:, backbone_of(spec).places["logits"]]
    return np.exp(-np.logaddexp(0, -logits)).mean(axis=0)


def sound_of(scores: np.ndarray, spec: FeatureSpec) -> Sound:
    """Whether a track is music at all, and what it may be instead.

    Parameters
    ----------
    scores : np.ndarray
        See `scores_of`.
    """
    backbone = backbone_of(spec)
    labels, others = backbone.read_labels(), scores.copy()
    others[list(backbone.kept)] = 0
    other = int(others.argmax())
    return Sound(float(scores[labels.index(_MUSIC)]), labels[other], float(others[other]))


def sounds_of(
    outputs: np.ndarray, spec: FeatureSpec, most: int | None = None
) -> list[tuple[str, float]]:
    """The backbone's own classes of a track.

    Parameters
    ----------
    outputs : np.ndarray
        ``(n_segments, n_outputs)``.
    most : int, optional
        By default all.

    Returns
    -------
    list of (str, float)
        Label and mean score in 0..1, the likeliest first.
    """
    scores, labels = scores_of(outputs, spec), backbone_of(spec).read_labels()
    return [(labels[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")[:most]]
