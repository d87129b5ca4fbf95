"""Head: what the ears say of a track becomes genres.

A linear model of the track's mean scores, as log-odds, and mean embeddings. Only this model is
trained; the ears stay as they are (`genrebeam.model.recipes.ears`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from genrebeam.model import files
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.pretrained.ears import outputs_of

# Scores are kept this far from 0 and 1.
_LEAST_SCORE = 1e-5
# The most that an opinion can take from a group, in nat.
_MOST_AGAINST = -4.0


@dataclass(frozen=True)
class Head:
    """The weights from a track's `inputs_of` to logits of genres.

    Parameters
    ----------
    kernel : np.ndarray
        ``(n_inputs, n_genres) float32``.
    bias : np.ndarray
        ``(n_genres,) float32``.
    opinion_kernel, opinion_bias : np.ndarray, optional
        ``(n_inputs, n_groups)`` and ``(n_groups,) float32``: a classifier of the few groups of
        genres for which there was music to learn from.
    opinion_into : np.ndarray, optional
        ``(n_groups, n_genres) float32``: how much each genre gains from the log-probability of its
        group, compared with an even guess. Genres of no group stay as they are.
    """

    kernel: np.ndarray
    bias: np.ndarray
    opinion_kernel: np.ndarray | None = None
    opinion_bias: np.ndarray | None = None
    opinion_into: np.ndarray | None = None

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Logits of genres.

        Parameters
        ----------
        inputs : np.ndarray
            ``(n, n_inputs) float32``, see `inputs_of`.

        Returns
        -------
        np.ndarray
            ``(n, n_genres) float32``.
        """
        logits = inputs @ self.kernel + self.bias
        if self.opinion_into is not None:
            opinion = log_softmax(inputs @ self.opinion_kernel + self.opinion_bias, axis=1)
            gain = np.maximum(opinion + np.log(opinion.shape[1]), _MOST_AGAINST)
            logits = logits + gain @ self.opinion_into
        return logits.astype(np.float32)

    def save(self, path: Path) -> None:
        """Write the weights; the same weights give the same bytes."""
        weights = {name: value for name, value in vars(self).items() if value is not None}
        with files.writing(path) as stream:
            np.savez_compressed(stream, **weights)


def load_head(path: Path) -> Head:
    """Read what `Head.save` wrote.

    Raises
    ------
    OSError, ValueError, TypeError
        If it cannot be read, or is something else.
    """
    with np.load(path, allow_pickle=False) as stored:
        return Head(**{name: stored[name] for name in stored.files})


def inputs_of(outputs: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """A track's input to the head.

    Parameters
    ----------
    outputs : np.ndarray
        ``(..., n_segments, n_outputs) float32`` of `genrebeam.model.pretrained.ears.load_ears`.
    spec : FeatureSpec
        Of kind ``ears`` or ``outputs``.

    Returns
    -------
    np.ndarray
        ``(..., n_outputs) float32``: the means over the segments, scores as log-odds.
    """
    inputs = outputs.mean(axis=-2, dtype=np.float32)
    for of in outputs_of(spec):
        inputs[..., of.scores] = log_odds(inputs[..., of.scores])
    return inputs


def log_odds(scores: np.ndarray) -> np.ndarray:
    """Scores in 0..1 as ``log(p / (1 - p))``, which stays finite at 0 and 1.

    Examples
    --------
    >>> log_odds(np.array([0.5, 0.0])).round(1).tolist()
    [0.0, -11.5]
    """
    scores = np.clip(scores, _LEAST_SCORE, 1 - _LEAST_SCORE)
    return np.log(scores / (1 - scores))


def embedding_of(outputs: np.ndarray, spec: FeatureSpec) -> np.ndarray:
    """A track's embedding by the ears.

    Parameters
    ----------
    outputs : np.ndarray
        ``(n_segments, n_outputs)``.
    spec : FeatureSpec

    Returns
    -------
    np.ndarray
        ``(d,) float32``: the ears' embeddings, each scaled to length 1 so that none drowns
        the others.
    """
    parts = [outputs[:, of.embedding].mean(axis=0) for of in outputs_of(spec)]
    return np.concatenate([part / max(float(np.linalg.norm(part)), 1e-9) for part in parts])


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
    """Whether a track is music at all, by YAMNet's words.

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


# All of 312 tracks lay above both; of 241 recordings of speech, noise and desktop sounds only
# jingles and a square wave did.
_LEAST_MUSIC, _LEAST_SHARE = 0.12, 0.3
# YAMNet's classes that are music, or voices that make it.
_MUSIC = "Music"
_MUSICAL = (range(24, 33), range(132, 277))


def sound_of(outputs: np.ndarray, spec: FeatureSpec) -> Sound | None:
    """Whether a track is music at all, and what it may be instead.

    Parameters
    ----------
    outputs : np.ndarray
        ``(n_segments, n_outputs)``.
    spec : FeatureSpec

    Returns
    -------
    Sound or None
        None without YAMNet among the ears.
    """
    for of in outputs_of(spec):
        if of.ear.name == "yamnet":
            scores, words = outputs[:, of.scores].mean(axis=0), of.ear.words
            others = scores.copy()
            for musical in _MUSICAL:
                others[musical] = 0
            other = int(others.argmax())
            return Sound(float(scores[words.index(_MUSIC)]), words[other], float(others[other]))
    return None


def words_of(
    outputs: np.ndarray, spec: FeatureSpec, most: int | None = None
) -> list[tuple[str, str, float]]:
    """What the ears say of a track, in words.

    Parameters
    ----------
    outputs : np.ndarray
        ``(n_segments, n_outputs)``.
    spec : FeatureSpec
    most : int, optional
        Words of each ear; by default all.

    Returns
    -------
    list of (str, str, float)
        Ear, word and mean score in 0..1, each ear's likeliest word first.
    """
    found = []
    for of in outputs_of(spec):
        scores = outputs[:, of.scores].mean(axis=0)
        order = np.argsort(-scores, kind="stable")
        found += [(of.ear.name, of.ear.words[word], float(scores[word])) for word in order[:most]]
    return found
