"""Vote: the segments' probabilities become one decision per track.

Two rules. ``mean`` goes by all segments together. ``majority`` counts one vote a segment; a
class wins with more than half of all votes, otherwise the vote is refused (equation 2 of
"Efficient Music Genre Classification with Convolutional Neural Networks").

Where genres are styles of families, the vote is on families: Rock is easy to tell from Jazz, and
Alternative hard to tell from Indie. The style is written where it is sure enough, else the family.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genrebeam.model.genres import join_columns
from genrebeam.transforms.genre.taxonomy import Taxonomy
from genrebeam.transforms.records import VOTE_RULES, Decision, Prediction

if TYPE_CHECKING:
    from genrebeam.model.bundle import Bundle


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


def vote(
    probabilities: np.ndarray, rule: str = "mean", overall: np.ndarray | None = None
) -> tuple[int | None, float]:
    """The class that a track's segments vote for.

    Parameters
    ----------
    probabilities : np.ndarray
        ``(n_segments, n_classes) float32``, calibrated.
    rule : {"mean", "majority"}
    overall : np.ndarray, optional
        ``(n_classes,) float32``: probabilities of all segments together; by default their mean.

    Returns
    -------
    winner : int or None
        None where the majority rule refuses.
    confidence : float
        Overall probability of the winner, or of the likeliest class where there is none.

    Examples
    --------
    >>> vote(np.array([[0.6, 0.3, 0.1], [0.1, 0.5, 0.4]]), "majority")[0] is None
    True
    """
    if rule not in VOTE_RULES:
        raise ValueError(f"vote rule {rule!r} is not one of {', '.join(VOTE_RULES)}")
    mean = probabilities.mean(axis=0) if overall is None else overall
    if rule == "mean":
        winner = int(mean.argmax())
        return winner, float(mean[winner])
    votes = count_votes(probabilities)
    leader = int(votes.argmax())
    if votes[leader] * 2 > len(probabilities):
        return leader, float(mean[leader])
    return None, float(mean.max())


# A second genre is written if it has at least this probability, and this share of the first one's.
_LEAST_SECOND, _SHARE_OF_FIRST = 0.1, 1 / 3
_NO_TAXONOMY = Taxonomy()


@dataclass(frozen=True)
class VotePolicy:
    """How probabilities become genres.

    Parameters
    ----------
    rule : {"mean", "majority"}
    top_k : int
        Most genres of a track.
    min_confidence : float
        Genres less probable are not given; where none is left the track is unsure.
    level : {"style", "family", "both"}
        What is given where genres have families; both are the family, then the style.
    style_confidence : float
        A style less probable than this, or than `min_confidence`, is given as its family.
    unchecked : tuple of str
        Styles that are always given as their family.
    """

    rule: str = "mean"
    top_k: int = 1
    min_confidence: float = 0.0
    level: str = "style"
    style_confidence: float = 0.0
    unchecked: tuple[str, ...] = ()

    @classmethod
    def of(cls, bundle: Bundle, **changes: Any) -> VotePolicy:
        """A model's own policy, with other values where they are given."""
        own = cls(
            bundle.vote,
            1,
            bundle.min_confidence,
            bundle.level,
            bundle.style_confidence,
            bundle.unchecked,
        )
        return dataclasses.replace(own, **changes)


@dataclass(frozen=True)
class _Ballot:
    """A track's probabilities under the user's names, and in families.

    Parameters
    ----------
    groups : list of str
        The family of each genre; the genre itself where there are no families.
    overall : np.ndarray
        ``(n_genres,)``, of all segments together.
    families : list of str
        Every family once.
    by_family : np.ndarray
        ``(n_segments, n_families)``.
    overall_by_family : np.ndarray
        ``(n_families,)``.
    """

    genres: list[str]
    groups: list[str]
    overall: np.ndarray
    families: list[str]
    by_family: np.ndarray
    overall_by_family: np.ndarray

    def likeliest(self, most: int) -> str:
        """The likeliest families with their probabilities, for people to read."""
        likely = np.argsort(-self.overall_by_family, kind="stable")[:most]
        return " or ".join(f"{self.families[i]} {self.overall_by_family[i]:.2f}" for i in likely)

    def likeliest_style(self, family: int) -> tuple[str, float]:
        """The likeliest genre of a family, and its probability."""
        among = [group == self.families[family] for group in self.groups]
        style = int(np.where(among, self.overall, -1.0).argmax())
        return self.genres[style], float(self.overall[style])

    def given(self, family: int, policy: VotePolicy) -> tuple[tuple[str, ...], float]:
        """What is written for a family: its style where that is sure enough."""
        name = self.families[family]
        style, probability = self.likeliest_style(family)
        least = max(policy.style_confidence, policy.min_confidence)
        sure = policy.level != "family" and probability >= least
        if sure and style not in (name, *policy.unchecked):
            return (name, style) if policy.level == "both" else (style,), probability
        return (name,), float(self.overall_by_family[family])


def _ballot(
    prediction: Prediction, genres: Sequence[str], families: Sequence[str], taxonomy: Taxonomy
) -> tuple[_Ballot, set[str]]:
    overall = prediction.overall
    if overall is None:
        overall = prediction.probabilities.mean(axis=0)
    rows = np.concatenate([prediction.probabilities, overall[None]])
    rows, names, unwanted = taxonomy.apply(rows, genres)
    groups = taxonomy.families(genres, families) if families else names
    by_family, known = join_columns(rows, groups)
    ballot = _Ballot(names, groups, rows[-1], known, by_family[:-1], by_family[-1])
    return ballot, unwanted


def decider(
    bundle: Bundle, votes: VotePolicy | None = None, taxonomy: Taxonomy | None = None
) -> Callable[[Prediction], Decision]:
    """`decide` for a model's genres, by the model's own policy if there is no other."""
    return functools.partial(
        decide,
        genres=bundle.genres,
        policy=votes or VotePolicy.of(bundle),
        taxonomy=taxonomy,
        families=bundle.families,
    )


def decide(
    prediction: Prediction,
    genres: Sequence[str],
    policy: VotePolicy,
    taxonomy: Taxonomy | None = None,
    families: Sequence[str] = (),
) -> Decision:
    """Decide a track's genres.

    Parameters
    ----------
    genres : sequence of str
        Genre names in the order of the classes.
    taxonomy : Taxonomy, optional
        The user's own names.
    families : sequence of str
        The family of each genre; empty where genres have none.

    Returns
    -------
    Decision
        Without genres where none is sure enough, or wanted; `reason` says why.
    """
    taxonomy = taxonomy or _NO_TAXONOMY
    ballot, unwanted = _ballot(prediction, genres, families, taxonomy)
    unchecked = tuple(taxonomy.name_of(genre) for genre in policy.unchecked)
    policy = dataclasses.replace(policy, unchecked=unchecked)
    overall, votes = ballot.overall_by_family, count_votes(ballot.by_family)
    winner, _ = vote(ballot.by_family, policy.rule, overall)
    leader = int(overall.argmax()) if winner is None else winner
    given, confidence = ballot.given(leader, policy)
    stored = prediction.track.stored
    n_analysed = stored.n_segments if stored else len(ballot.by_family)
    analysed = f"{n_analysed} segment{'s' if n_analysed > 1 else ''}"
    if stored:
        analysed += f" that run {stored.run} analysed"
    chosen: tuple[str, ...] = ()
    unsure = False
    if prediction.not_music is not None:
        reason = f"not music: {prediction.not_music}"
    elif winner is None:
        most, unsure = int(votes.argmax()), True
        reason = f"no majority: {ballot.families[most]} leads with {votes[most]} of {analysed}"
    elif confidence < policy.min_confidence:
        unsure = True
        reason = (
            f"{ballot.likeliest(2)}: below the minimum confidence of {policy.min_confidence:.2f}"
        )
    elif given[-1] in unwanted:
        reason = f"{given[-1]} is dropped by the taxonomy"
    else:
        reason = f"{policy.rule} of {analysed}"
        least = max(policy.min_confidence, _LEAST_SECOND, _SHARE_OF_FIRST * float(overall[winner]))
        others = [int(i) for i in np.argsort(-overall, kind="stable") if i != winner]
        seconds = [ballot.given(i, policy)[0] for i in others if overall[i] >= least]
        wanted = [second for second in seconds if second[-1] not in unwanted]
        names = itertools.chain.from_iterable((given, *wanted)[: policy.top_k])
        chosen = tuple(name for name in dict.fromkeys(names) if name not in unwanted)
    return Decision(
        track=prediction.track,
        genres=chosen,
        confidence=confidence,
        reason=reason,
        probabilities=dict(zip(ballot.genres, ballot.overall.tolist(), strict=True)),
        # What is stored is of all segments together.
        votes={} if stored else dict(zip(ballot.families, votes.tolist(), strict=True)),
        segments_analysed=n_analysed,
        extract_seconds=prediction.extract_seconds,
        classify_seconds=prediction.classify_seconds,
        embedding=prediction.embedding,
        class_logits=prediction.class_logits,
        family=(ballot.families[leader], float(overall[leader])) if families else None,
        style=ballot.likeliest_style(leader) if families else None,
        unsure=unsure,
        moods=prediction.moods,
        instruments=prediction.instruments,
    )
