"""Vote: the segments' probabilities become one decision per track.

Two rules. ``mean`` averages the calibrated probabilities. ``majority`` counts one vote a
segment; a class wins with more than half of all votes, otherwise the vote is refused
(equation 2 of "Efficient Music Genre Classification with Convolutional Neural Networks").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transforms.records import VOTE_RULES, Decision, Prediction
from transforms.taxonomy import Taxonomy


def count_votes(probabilities: np.ndarray) -> np.ndarray:
    """Segments whose most likely class each class is.

    Parameters
    ----------
    probabilities : np.ndarray
        ``(n_segments, n_classes) float32``.

    Returns
    -------
    np.ndarray
        ``(n_classes,) int64``.

    Examples
    --------
    >>> count_votes(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])).tolist()
    [2, 1]
    """
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])


def vote(probabilities: np.ndarray, rule: str = "mean") -> tuple[int | None, float]:
    """The class that a track's segments vote for.

    Parameters
    ----------
    probabilities : np.ndarray
        ``(n_segments, n_classes) float32``, calibrated.
    rule : {"mean", "majority"}

    Returns
    -------
    winner : int or None
        None where the majority rule refuses.
    confidence : float
        Mean probability of the winner, or of the likeliest class where there is none.

    Examples
    --------
    >>> vote(np.array([[0.6, 0.3, 0.1], [0.1, 0.5, 0.4]]), "majority")[0] is None
    True
    """
    if rule not in VOTE_RULES:
        raise ValueError(f"vote rule {rule!r} is not one of {', '.join(VOTE_RULES)}")
    mean = probabilities.mean(axis=0)
    if rule == "mean":
        winner = int(mean.argmax())
        return winner, float(mean[winner])
    votes = count_votes(probabilities)
    leader = int(votes.argmax())
    if votes[leader] * 2 > len(probabilities):
        return leader, float(mean[leader])
    return None, float(mean.max())


@dataclass(frozen=True)
class VotePolicy:
    """How probabilities become genres.

    Parameters
    ----------
    rule : {"mean", "majority"}
    top_k : int
        Most genres of a track.
    min_confidence : float
        Genres less probable are not given; where none is left the track is refused.
    """

    rule: str = "mean"
    top_k: int = 1
    min_confidence: float = 0.0


def decide(
    prediction: Prediction,
    genres: Sequence[str],
    policy: VotePolicy,
    taxonomy: Taxonomy | None = None,
) -> Decision:
    """Decide a track's genres.

    Parameters
    ----------
    prediction : Prediction
    genres : sequence of str
        Genre names in the order of the classes.
    policy : VotePolicy
    taxonomy : Taxonomy, optional
        The user's own names.

    Returns
    -------
    Decision
        Without genres where the vote was refused; `reason` says why.
    """
    taxonomy = taxonomy or Taxonomy()
    probabilities, genres, unwanted = taxonomy.apply(prediction.probabilities, genres)
    winner, confidence = vote(probabilities, policy.rule)
    mean = probabilities.mean(axis=0)
    votes = count_votes(probabilities)
    heard = f"{len(probabilities)} segment{'s' if len(probabilities) > 1 else ''}"
    if winner is None:
        chosen: tuple[str, ...] = ()
        leader = int(votes.argmax())
        reason = f"no majority: {genres[leader]} leads with {votes[leader]} of {heard}"
    elif confidence < policy.min_confidence:
        chosen = ()
        reason = (
            f"{genres[winner]} at {confidence:.2f} is below "
            f"the minimum confidence of {policy.min_confidence:.2f}"
        )
    elif genres[winner] in unwanted:
        chosen = ()
        reason = f"{genres[winner]} is dropped by the taxonomy"
    else:
        others = [int(i) for i in np.argsort(-mean, kind="stable") if i != winner]
        likely = [i for i in others if mean[i] >= policy.min_confidence]
        ranked = [winner] + [i for i in likely if genres[i] not in unwanted]
        chosen = tuple(genres[i] for i in ranked[: policy.top_k])
        reason = f"{policy.rule} of {heard}"
    return Decision(
        track=prediction.track,
        genres=chosen,
        confidence=confidence,
        reason=reason,
        probabilities=dict(zip(genres, mean.tolist(), strict=True)),
        votes=dict(zip(genres, votes.tolist(), strict=True)),
        segments_heard=len(probabilities),
        hear_seconds=prediction.hear_seconds,
        classify_seconds=prediction.classify_seconds,
        embedding=prediction.embedding,
    )
