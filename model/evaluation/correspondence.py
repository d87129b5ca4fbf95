"""Correspondence: a model's genres as the genres of a data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrebeam.model.bundle import Bundle
from genrebeam.model.data.clips import LabelledMusic
from genrebeam.model.vocabulary import columns_of, family_of

# The class of the model's genres that the data set has no genre for: never right.
OTHER = "Other"


@dataclass(frozen=True)
class Correspondence:
    """One way to compare a model with a data set.

    Parameters
    ----------
    names : tuple of str
        The classes that are compared; `OTHER` comes last where it is needed.
    clips : np.ndarray
        ``(n,) int64``, numbers of the clips whose genre the model can give.
    targets : np.ndarray
        ``(n,) int64``, places in `names`.
    columns : tuple of int
        The place in `names` of each of the model's genres.
    """

    names: tuple[str, ...]
    clips: np.ndarray
    targets: np.ndarray
    columns: tuple[int, ...]

    def join(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities of the compared classes from those of the model's genres.

        Parameters
        ----------
        probabilities : np.ndarray
            ``(n, n_model_genres)``.

        Returns
        -------
        np.ndarray
            ``(n, n_names)``.
        """
        members = np.zeros((len(self.columns), len(self.names)), probabilities.dtype)
        members[np.arange(len(self.columns)), self.columns] = 1
        return probabilities @ members


def correspondences(music: LabelledMusic, split: str, bundle: Bundle) -> dict[str, Correspondence]:
    """Every way to compare a model with a list of a data set.

    Returns
    -------
    dict
        ``genres``, by the data set's own names; and ``families`` where the model has any.
        Empty where the model knows none of the genres.
    """
    targets = music.splits[split].targets
    if set(music.genres) <= set(bundle.genres) and not bundle.families:
        # The model's own classes, also those without a track in the list.
        columns = tuple(range(len(bundle.genres)))
        places = np.array([bundle.genres.index(genre) for genre in music.genres])
        clips = np.arange(len(targets))
        return {"genres": Correspondence(bundle.genres, clips, places[targets], columns)}
    found = {"genres": _by_names(list(music.genres), targets, bundle)}
    if bundle.families:
        families = [family_of(genre) for genre in music.genres]
        known = list(dict.fromkeys(family for family in families if family in bundle.families))
        if known:
            numbers = [known.index(family) if family in known else -1 for family in families]
            by_family = _by_names(known, np.array(numbers)[targets], bundle)
            if by_family.names != found["genres"].names:
                found["families"] = by_family
    return {name: one for name, one in found.items() if len(one.clips)}


def _by_names(names: list[str], targets: np.ndarray, bundle: Bundle) -> Correspondence:
    columns = columns_of(names, bundle.genres, bundle.families)
    # The model cannot give a genre that none of its own means.
    sayable = sorted(set(columns) - {-1})
    clips = np.flatnonzero(np.isin(targets, sayable))
    shown = tuple(names[place] for place in sayable)
    places = {place: number for number, place in enumerate(sayable)}
    if -1 in columns:
        shown = (*shown, OTHER)
        places[-1] = len(sayable)
    numbers = np.array([places[target] for target in targets[clips]], dtype=np.int64)
    return Correspondence(shown, clips, numbers, tuple(places[column] for column in columns))
