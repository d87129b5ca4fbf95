"""Classical classifiers, to compare the networks with.

Those of Wang et al., "Efficient Music Genre Classification with Convolutional Neural Networks":
k-nearest neighbours, decision tree, random forest, support vector machine and logistic regression.
Each gets the same descriptors of 3 s pieces as ``chowdhry-feature-net``, standard-scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genrebeam.model.data.clips import LabelledMusic
from genrebeam.model.evaluation.predict import TrackScores, predict
from genrebeam.model.recipes import chowdhry_feature_net

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Probability of a class that no neighbour and no leaf votes for.
_LEAST_PROBABILITY = 1e-3


def _scaled(classifier: Any) -> Pipeline:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), classifier)


def _nearest_neighbours(seed: int) -> Pipeline:
    from sklearn.neighbors import KNeighborsClassifier

    return _scaled(KNeighborsClassifier(weights="distance"))


def _decision_tree(seed: int) -> Pipeline:
    from sklearn.tree import DecisionTreeClassifier

    return _scaled(DecisionTreeClassifier(random_state=seed))


def _random_forest(seed: int) -> Pipeline:
    from sklearn.ensemble import RandomForestClassifier

    return _scaled(RandomForestClassifier(300, random_state=seed))


def _support_vectors(seed: int) -> Pipeline:
    from sklearn.svm import SVC

    return _scaled(SVC(random_state=seed))


def _logistic_regression(seed: int) -> Pipeline:
    from sklearn.linear_model import LogisticRegression

    return _scaled(LogisticRegression(max_iter=2000, random_state=seed))


BASELINES: dict[str, Callable[[int], Pipeline]] = {
    "k-nearest-neighbours": _nearest_neighbours,
    "decision-tree": _decision_tree,
    "random-forest": _random_forest,
    "support-vector-machine": _support_vectors,
    "logistic-regression": _logistic_regression,
}
# Settings tried; the valid list decides.
_GRIDS: dict[str, dict[str, list[Any]]] = {
    "k-nearest-neighbours": {"kneighborsclassifier__n_neighbors": [5, 15, 45]},
    "decision-tree": {"decisiontreeclassifier__min_samples_leaf": [5, 20, 60]},
    "random-forest": {"randomforestclassifier__min_samples_leaf": [1, 5]},
    "support-vector-machine": {"svc__C": [0.3, 1.0, 3.0]},
    "logistic-regression": {"logisticregression__C": [0.001, 0.01, 0.1, 1.0]},
}


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted baseline's logits.

    Parameters
    ----------
    settings : dict
        Those of the grid that were best on the valid list.
    logits : dict
        Split name to logits: logarithms of probabilities, or the support vector machine's
        scores. For every split but ``train``.
    """

    name: str
    settings: dict[str, Any]
    logits: dict[str, TrackScores]


def fit_baseline(name: str, music: LabelledMusic, seed: int = 0) -> FittedBaseline:
    """Fit a baseline on the train list, with the settings that are best on the valid list.

    Parameters
    ----------
    name : str
        One of `BASELINES`.
    music : LabelledMusic
        With splits ``train`` and ``valid`` at least, a clip of each class in ``train``.
    """
    from sklearn.model_selection import ParameterGrid

    described = describe_clips(music)
    train = np.concatenate(described["train"])
    targets = np.repeat(music.splits["train"].targets, [len(clip) for clip in described["train"]])

    def fitted(settings: dict[str, Any]) -> Pipeline:
        return BASELINES[name](seed).set_params(**settings).fit(train, targets)

    def valid_accuracy(settings: dict[str, Any]) -> float:
        logits = _logits(fitted(settings), described["valid"])
        guesses = [np.exp(clip).mean(axis=0).argmax() for clip in logits]
        return float(np.mean(guesses == music.splits["valid"].targets))

    best = max(ParameterGrid(_GRIDS[name]), key=valid_accuracy)
    classifier = fitted(best)
    return FittedBaseline(
        name=name,
        settings={setting.split("__")[1]: value for setting, value in best.items()},
        logits={
            split: TrackScores(_logits(classifier, clips))
            for split, clips in described.items()
            if split != "train"
        },
    )


def describe_clips(music: LabelledMusic) -> dict[str, list[np.ndarray]]:
    """Descriptors of 3 s pieces of every clip.

    Parameters
    ----------
    music : LabelledMusic
        Its clips are log-mel pictures or descriptors.

    Returns
    -------
    dict
        Split name to one ``(n_segments, n_descriptors) float32`` per clip.
    """
    import keras

    features = chowdhry_feature_net.FEATURES.on_frames_of(music.features)
    segments = keras.Input(features.shape)
    teller = keras.Model(segments, chowdhry_feature_net.descriptors(segments, features))
    return {
        name: predict(teller, features, clips).logits.segments
        for name, clips in music.splits.items()
    }


def _logits(classifier: Pipeline, clips: list[np.ndarray]) -> list[np.ndarray]:
    """Logits of each clip's pieces."""
    pieces = np.concatenate(clips)
    if hasattr(classifier, "predict_proba"):
        logits = np.log(np.maximum(classifier.predict_proba(pieces), _LEAST_PROBABILITY))
    else:
        logits = classifier.decision_function(pieces)
    return np.split(logits, np.cumsum([len(clip) for clip in clips])[:-1])
