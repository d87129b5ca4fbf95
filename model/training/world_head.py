"""The default model's head, made from words for all genres and from music of three groups.

For most genres there is no labelled music at hand, but the ears have words for them. A genre's
evidence is how much higher its words score on a track than on music in general; its prior is how
much of it people own. For three groups of genres there is music to learn from: a classifier raises
or lowers these groups only, so genres that it never heard stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.head import Head, log_odds
from genrebeam.model.pretrained import musicnn
from genrebeam.model.pretrained.ears import outputs_of
from genrebeam.model.training.linear import fit_linear
from genrebeam.model.vocabulary import FAMILIES, GENRES

# Groups that there is music of; all other genres are known by their words alone.
GROUPS = ("Classical", "Electronic", "Rock")


@dataclass(frozen=True)
class Settings:
    """Weights of the head's parts, chosen by cross-validation with artists apart.

    Parameters
    ----------
    evidence : float
        Weight of the words of a genre that both ears know.
    tags : float
        musicnn's share of it.
    sounds_alone : float
        Weight of the words of a genre that YAMNet alone knows.
    opinion : float
        Weight of the classifier's opinion.
    strength : float
        See `genrebeam.model.training.linear.fit_linear`.
    """

    evidence: float = 0.52
    tags: float = 0.75
    sounds_alone: float = 0.6
    opinion: float = 0.62
    strength: float = 1.0


def how_often_said(inputs: np.ndarray, groups: Sequence[str], spec: FeatureSpec) -> np.ndarray:
    """How high each word scores on music in general, as log-odds.

    musicnn's tags are taken to be as frequent as in its training data: two in five of Last.fm's
    tagged tracks have the first tag, and the others fall with their rank (the exponent is from the
    published counts of the Last.fm data set). AudioSet's frequencies tell little about YAMNet's
    scores. These are measured on the music at hand, its groups weighted as in a usual library, and
    moved half way to a common level.

    Parameters
    ----------
    inputs : np.ndarray
        ``(n_tracks, n_inputs) float32``.
    groups : sequence of str
        Of `GROUPS`, one for each track.
    spec : FeatureSpec

    Returns
    -------
    np.ndarray
        ``(n_inputs,)``; 0 for inputs that are no word.
    """
    usual = {"Classical": 0.08, "Electronic": 0.2, "Rock": 0.45}
    said = np.zeros(inputs.shape[1])
    for of in outputs_of(spec):
        if of.ear.name == "yamnet":
            scores = 1 / (1 + np.exp(-inputs[:, of.scores].astype(np.float64)))
            means = {g: scores[np.asarray(groups) == g].mean(axis=0) for g in usual}
            mean = sum(share * means[group] for group, share in usual.items())
            # Of the rest of a library these words are said as of the group least like them.
            mean = mean + (1 - sum(usual.values())) * np.min(list(means.values()), axis=0)
            said[of.scores] = log_odds(np.sqrt(np.maximum(mean, 2e-4) * 0.0025))
        elif of.ear.name == "musicnn_msd":
            rank = np.arange(1, len(musicnn.MSD_TAGS) + 1)
            said[of.scores] = log_odds(0.42 * rank**-0.55)
    return said


def fit_world_head(
    inputs: np.ndarray, groups: Sequence[str], spec: FeatureSpec, settings: Settings = Settings()
) -> Head:
    """Make the head from words, and from tracks of the groups that there is music of.

    Parameters
    ----------
    inputs : np.ndarray
        ``(n_tracks, n_inputs) float32``, see `genrebeam.model.head.inputs_of`.
    groups : sequence of str
        Of `GROUPS`, one for each track.
    spec : FeatureSpec
        With YAMNet, musicnn, or both. A genre that the ears have no word for keeps its prior.
    settings : Settings

    Returns
    -------
    Head
        From inputs to logits of `genrebeam.model.vocabulary.GENRES`.
    """
    said = how_often_said(inputs, groups, spec)
    places = {of.ear.name: of for of in outputs_of(spec)}
    kernel = np.zeros((inputs.shape[1], len(GENRES)))
    total = sum(genre.share for genre in GENRES)
    bias = np.array([np.log(genre.share / total) for genre in GENRES])
    for column, genre in enumerate(GENRES):
        share = settings.tags if genre.tags and "musicnn_msd" in places else 0.0
        share = share if "yamnet" in places else 1.0
        weight = settings.evidence if genre.tags else settings.sounds_alone
        for ear, words, part in (
            ("yamnet", genre.sounds, (1 - share) * weight),
            ("musicnn_msd", genre.tags, share * weight),
        ):
            for word in words if ear in places else ():
                row = places[ear].scores.start + places[ear].ear.words.index(word)
                kernel[row, column] += part / len(words)
    bias -= said @ kernel
    numbers = np.array([GROUPS.index(group) for group in groups])
    opinion_kernel, opinion_bias = fit_linear(
        inputs, numbers, spec, strength=settings.strength, balanced=True
    )
    into = np.array([[FAMILIES[genre.name] == group for genre in GENRES] for group in GROUPS])
    return Head(
        kernel=kernel.astype(np.float32),
        bias=bias.astype(np.float32),
        opinion_kernel=opinion_kernel,
        opinion_bias=opinion_bias,
        opinion_into=(settings.opinion * into).astype(np.float32),
    )
