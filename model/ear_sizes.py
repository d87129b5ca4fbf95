"""How many numbers each ear gives: `FeatureSpec` has to know without the networks."""

from __future__ import annotations

from typing import NamedTuple


class EarSize(NamedTuple):
    """What an ear gives for a segment.

    Parameters
    ----------
    n_words : int
        Scores.
    n_embedding : int
        Length of the embedding.
    """

    n_words: int
    n_embedding: int


EAR_SIZES = {
    "yamnet": EarSize(521, 1024),
    "musicnn_msd": EarSize(50, 200),
    "musicnn_mtt": EarSize(50, 200),
}
