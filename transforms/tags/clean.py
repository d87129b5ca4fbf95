"""Clean: give the genres that a file has the names of the user's taxonomy; no audio is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from genrebeam.transforms.records import Outcome, Stage, Status, Track
from genrebeam.transforms.tags.rewrite import Journal
from genrebeam.transforms.tags.tag import TagPolicy, written

Names = Callable[[Sequence[str]], tuple[str, ...]]


def clean(track: Track, names: Names, policy: TagPolicy, journal: Journal) -> Outcome:
    """Write a file's genres as the taxonomy names them.

    Parameters
    ----------
    track : Track
        As it was listed and read.
    names : callable
        What the taxonomy makes of a file's genres (see `Taxonomy.clean`).
    journal : callable
        See `genrebeam.transforms.tags.tag.write_genres`.

    Returns
    -------
    Outcome
        ``unchanged`` where the taxonomy changes nothing, ``refused`` where no genre would be left.
    """
    # What counts as missing elsewhere is only lost here if the taxonomy says so.
    current = dataclasses.replace(policy, treat_as_missing=()).existing_genres(track)
    outcome = Outcome(track, Status.REFUSED, Stage.TAG, "", genres_after=track.tags.genres)
    cleaned = names(current)
    if not current:
        return dataclasses.replace(outcome, stage=Stage.READ_TAGS, reason="has no genre to clean")
    if not cleaned:
        reason = f"the taxonomy drops all its genres ({', '.join(current)}); they stay"
        return dataclasses.replace(outcome, stage=Stage.READ_TAGS, reason=reason)
    if cleaned == current:
        reason = "the taxonomy changes none of its genres"
        return dataclasses.replace(
            outcome, status=Status.UNCHANGED, genres_after=current, reason=reason
        )
    reason = f"{', '.join(current)} by the taxonomy"
    outcome = dataclasses.replace(outcome, genres_after=cleaned, reason=reason)
    return written(outcome, journal, policy)
