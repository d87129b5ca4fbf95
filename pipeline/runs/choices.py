"""By hand: write the genres that a person chose on a report page.

They are written by the same functions as a model's. A file that is no longer what the page
showed is left alone, with the reason.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from genrebeam.pipeline.runs.corrections import Choice
from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.formats import FORMATS, format_of
from genrebeam.transforms.records import (
    Outcome,
    Stage,
    Status,
    Track,
    dropped,
    printable,
    with_tags,
)
from genrebeam.transforms.storage import is_inside, path_of, storage_of
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.rewrite import Journal
from genrebeam.transforms.tags.tag import TagPolicy, has_genres, written

# Headers are estimates, and a tag may be part of the estimate.
_SECONDS_APART = 2.0


@dataclass(frozen=True)
class ReportedFile:
    """What a report says of a file for which a person chose.

    Parameters
    ----------
    library : str
        Library of the run; nothing outside of it is written.
    """

    choice: Choice
    library: str
    stage: str
    reason: str
    duration_s: float | None = None


def write_choice(shown: ReportedFile, policy: TagPolicy, journal: Journal) -> Outcome:
    """Write what a person chose for a file.

    Parameters
    ----------
    policy : TagPolicy
        Its form, its way to write, and whether it is a dry run.
    journal : callable
        See `write_genres`.

    Returns
    -------
    Outcome
        ``tagged``, ``unchanged`` where the file has these genres already, ``would_tag`` in a dry
        run; ``refused`` or ``failed`` with the reason where the file is left alone.
    """
    choice = shown.choice
    track = Track(path_of(choice.uri), format_of(choice.uri))
    if shown.stage == Stage.WALK:  # such as a link that leads out of the library
        return Outcome(track, Status.REFUSED, Stage.WALK, shown.reason)
    try:
        if track.format not in FORMATS:
            return Outcome(track, Status.REFUSED, Stage.WALK, "not one of the formats")
        if not is_inside(track.uri, path_of(shown.library)):
            return Outcome(track, Status.REFUSED, Stage.WALK, "leads out of the run's library")
        found = storage_of(track.uri).find(track.uri)
        track = track.as_written(found.size, found.mtime_ns)
        track = with_tags(track, *read_header(track.uri, policy.form))
    except Exception as error:  # whatever a file does to its reader is a row
        return dropped(track, Stage.READ_TAGS, error)
    outcome = Outcome(track, Status.REFUSED, Stage.TAG, "", genres_after=track.tags.genres)
    if why := _what_changed(track, shown):
        return dataclasses.replace(outcome, reason=why)
    by_hand = dataclasses.replace(
        outcome, stage=Stage.BY_HAND, reason=f"{choice.kind} by hand", genres_after=choice.genres
    )
    if has_genres(track.tags, choice.genres):
        kept = dataclasses.replace(
            by_hand, status=Status.UNCHANGED, fingerprint=fingerprint(track.uri)
        )
        return dataclasses.replace(kept, reason=f"has this genre already; {kept.reason}")
    write = dataclasses.replace(policy.write, library=path_of(shown.library))
    done = written(by_hand, journal, dataclasses.replace(policy, write=write))
    if done.status != Status.TAGGED:
        return done
    return dataclasses.replace(done, fingerprint=fingerprint(track.uri))


def _what_changed(track: Track, shown: ReportedFile) -> str | None:
    """Why a file is not the one that the person decided about, or None."""
    before, now = shown.duration_s, track.audio.duration_s
    if before is not None and now is not None and abs(before - now) > _SECONDS_APART:
        return f"now holds another recording ({now:.0f} s, in the report {before:.0f} s)"
    genres = tuple(map(printable, track.tags.genres or track.tags.shadow))
    if genres == shown.choice.in_file or has_genres(track.tags, shown.choice.genres):
        return None
    shown_genres = [", ".join(some) or "no genre" for some in (genres, shown.choice.in_file)]
    return f"its genre has changed since the report: {shown_genres[0]}, not {shown_genres[1]}"
