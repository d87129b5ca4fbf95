"""Tag: decide what a file's genre and mood become, and write them.

``formats/`` knows each format, ``rewrite.py`` how a file is changed safely; this step has
the rules.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genrebeam.transforms.fingerprint import fingerprint
from genrebeam.transforms.records import (
    SETTLED,
    TOO_RECENT,
    Decision,
    FileTags,
    Outcome,
    Stage,
    Status,
    TagWriteError,
    TooRecent,
    Track,
    TrackError,
    dropped,
    printable,
)
from genrebeam.transforms.storage import storage_of
from genrebeam.transforms.tags.formats.format import CONFIDENCE, MODEL, MOOD, RIFF_JOINT, TagForm
from genrebeam.transforms.tags.header import agrees, read_header, write_fields
from genrebeam.transforms.tags.rewrite import Journal, WritePolicy, rewrite


@dataclass(frozen=True)
class TagPolicy:
    """What may be written.

    Parameters
    ----------
    existing : {"keep", "merge", "replace", "clean"}
        What happens to a genre that is there already.
    dry_run : bool
        Try every change on a copy; change no file.
    max_genres : int or None
        Add no genre beyond this many.
    treat_as_missing : tuple of str
        Genres that count as none, whatever their case.
    write_confidence : bool
        Add our own fields: confidence and model.
    model : str
        Name and version, for the model's field.
    write_mood : bool
        Give a file that gets a genre a mood too, where one is likely.
    min_age_s : float
        Leave files alone that changed less than this ago, in s.
    """

    existing: str = "keep"
    dry_run: bool = False
    max_genres: int | None = None
    treat_as_missing: tuple[str, ...] = ()
    write_confidence: bool = False
    model: str = ""
    write_mood: bool = False
    form: TagForm = field(default_factory=TagForm)
    write: WritePolicy = field(default_factory=WritePolicy)
    min_age_s: float = 0.0

    def existing_genres(self, track: Track) -> tuple[str, ...]:
        """The genres that a file has in any of its tags, those that count as none left out."""
        genres, second = track.tags.genres, track.tags.shadow
        if not agrees(second, genres):
            # Merging writes both tags alike: none of them may lose what it alone has.
            known = {genre.casefold() for genre in genres}
            genres += tuple(genre for genre in second if genre.casefold() not in known)
        missing = {genre.casefold() for genre in self.treat_as_missing}
        return tuple(g for g in genres if g.strip() and g.strip().casefold() not in missing)

    def plan(self, current: Sequence[str], decided: Sequence[str]) -> tuple[str, ...]:
        """Genres that the file shall have.

        Examples
        --------
        >>> TagPolicy("merge").plan(["rock", "Live"], ["Rock", "Metal"])
        ('rock', 'Live', 'Metal')
        """
        if not current or self.existing == "replace":
            return tuple(decided)[: self.max_genres]
        if self.existing == "keep":
            return tuple(current)
        known = {genre.casefold() for genre in current}
        new = [genre for genre in decided if genre.casefold() not in known]
        if self.max_genres is not None:  # adds no more; what the user has stays
            new = new[: max(0, self.max_genres - len(current))]
        return (*current, *new)

    def custom(self, decision: Decision) -> dict[str, str]:
        """Our own fields that the file shall have, and its mood if it gets one."""
        fields = {}
        if self.write_confidence:
            fields = {CONFIDENCE: f"{decision.confidence:.3f}", MODEL: self.model}
        if mood := self.mood(decision):
            fields[MOOD] = mood
        return fields

    def mood(self, decision: Decision) -> str | None:
        """The mood that a file gets; one that it has stays, unless genres are replaced."""
        tags = decision.track.tags
        stays = tags.mood is not None and self.existing != "replace"
        if not self.write_mood or stays or tags.foreign_only:
            return None
        from genrebeam.model.backbones.subjects import likely_mood

        return likely_mood(decision.moods or {})


def write_genres(
    track: Track,
    genres: Sequence[str],
    journal: Journal,
    policy: TagPolicy = TagPolicy(),
    custom: dict[str, str] | None = None,
) -> Track:
    """Give a file its genres.

    Parameters
    ----------
    track : Track
        As it was listed and read.
    journal : callable
        Called with what is about to change, before it does.
    custom : dict, optional
        Our own fields, and the mood.

    Returns
    -------
    Track
        With the size and time of the file as written.

    Raises
    ------
    TagWriteError, HardLinked, NoTagField, OSError
        The file is as it was before.
    """
    custom = custom or {}

    def is_done() -> bool:
        # A retry, or another run, was here first: the state that was asked for.
        tags = read_header(track.uri, policy.form)[0]
        return has_genres(tags, genres) and has_fields(tags, custom)

    def change(copy: str) -> None:
        # An editor may keep size and time of a file.
        now = read_header(copy, policy.form)[0]
        then = track.tags
        if (now.genres, now.shadow, now.mood) != (then.genres, then.shadow, then.mood):
            raise TagWriteError(track.uri, "changed while it was being analysed")
        write_fields(copy, track.uri, genres, custom, policy.form)

    before = track.tags.genres or track.tags.shadow
    notes = {"genres_before": tuple(before), "genres_after": tuple(genres)}
    return rewrite(
        track,
        change,
        is_done=is_done,
        journal=journal,
        notes=notes,
        policy=policy.write,
        dry_run=policy.dry_run,
    )


def has_genres(tags: FileTags, genres: Sequence[str]) -> bool:
    """Whether every tag of a file says these genres."""
    if tags.foreign_only:
        said = {*tags.shadow, *RIFF_JOINT.join(tags.shadow).split(RIFF_JOINT)}
        return set(genres) <= said and agrees(tags.shadow, genres)
    return tags.genres == tuple(genres) and agrees(tags.shadow, genres)


def has_fields(tags: FileTags, custom: Mapping[str, str]) -> bool:
    """Whether a file has these fields: our own, and the mood."""
    return custom.items() <= {**dict(tags.custom), MOOD: tags.mood}.items()


def obstacle(track: Track, policy: WritePolicy) -> TrackError | OSError | None:
    """Why a file could not be written, or None; of an object only its upload tells."""
    try:
        storage_of(track.uri).check_writable(track.uri, in_place_links=policy.in_place_links)
    except (TrackError, OSError) as error:
        return error
    return None


def too_recent(track: Track, min_age_s: float) -> TooRecent | None:
    """Why a file may not be complete, or None; objects in buckets appear whole.

    Parameters
    ----------
    min_age_s : float
        How long ago its content and its attributes must have changed, in s. Programs that copy give
        a file its old modification time in the end; the time of that counts then. Clocks of file
        servers may be ahead.
    """
    if not min_age_s or "://" in track.uri:
        return None
    try:
        facts = os.stat(track.uri)
    except OSError:  # the steps after this one say why
        return None
    now = time.time()
    if any(abs(now - then) < min_age_s for then in (facts.st_mtime, facts.st_ctime)):
        return TooRecent(track.uri, TOO_RECENT)
    return None


def kept(track: Track) -> Outcome:
    """The row of a file whose genre stays as it is."""
    genres, given = track.tags.genres or track.tags.shadow, track.given
    is_given = given is not None and tuple(map(printable, genres)) == given.genres
    return Outcome(
        track=track,
        status=Status.KEPT,
        stage=Stage.READ_TAGS,
        reason="has a genre already" + _shadow_note(track.tags),
        genres_after=genres,
        decided_by=given.decided_by if given and is_given else None,
        # Or it would not be recognised when it moves.
        fingerprint=given.fingerprint if given and is_given else None,
    )


def _shadow_note(tags: FileTags, *, written: bool = False) -> str:
    """What is to be said of a second tag."""
    if agrees(tags.shadow, tags.genres):
        return ""
    genres = ", ".join(tags.shadow)
    if written:
        return f"; a second tag, which said {genres}, gets the same"
    if not tags.genres:
        return f" ({genres}), in a second tag that many players do not read"
    return f"; a second tag, which some players show instead, says {genres}"


def tag(decision: Decision, policy: TagPolicy, journal: Journal) -> Outcome:
    """Write a decision into its file.

    Parameters
    ----------
    journal : callable
        See `write_genres`.

    Returns
    -------
    Outcome
        With the file's fingerprint, if later runs are to know it by another name.
    """
    outcome = _tagged(decision, policy, journal)
    if outcome.status not in SETTLED:
        return outcome
    return dataclasses.replace(outcome, fingerprint=fingerprint(outcome.track.uri))


def _tagged(decision: Decision, policy: TagPolicy, journal: Journal) -> Outcome:
    track = decision.track
    outcome = Outcome(
        track=track,
        status=Status.UNSURE if decision.unsure else Status.REFUSED,
        stage=Stage.VOTE,
        reason=decision.reason,
        genres_after=track.tags.genres,
        decision=decision,
    )
    if not decision.genres:
        return outcome
    planned = policy.plan(policy.existing_genres(track), decision.genres)
    custom = policy.custom(decision)
    outcome = dataclasses.replace(outcome, stage=Stage.TAG, genres_after=planned)
    if has_genres(track.tags, planned) and has_fields(track.tags, custom):
        reason = f"has this genre already ({outcome.reason})"
        return dataclasses.replace(outcome, status=Status.UNCHANGED, reason=reason)
    mood = custom.get(MOOD)
    reason = outcome.reason + _shadow_note(track.tags, written=True)
    outcome = dataclasses.replace(outcome, reason=reason, mood=mood)
    return written(outcome, journal, policy, custom)


def written(
    outcome: Outcome,
    journal: Journal,
    policy: TagPolicy,
    custom: dict[str, str] | None = None,
) -> Outcome:
    """Write the genres that an outcome plans; a dry run does so on a copy that is thrown away.

    Parameters
    ----------
    outcome : Outcome
        With ``genres_after``.
    journal, policy, custom
        See `write_genres`.

    Returns
    -------
    Outcome
        ``tagged`` or ``would_tag``, or why it could not be written.
    """
    track = outcome.track
    started = time.perf_counter()
    try:
        track = write_genres(track, outcome.genres_after, journal, policy, custom)
    except Exception as error:  # whatever a file does to its writer is a row
        if policy.dry_run and isinstance(error, OSError) and error.errno == errno.ENOSPC:
            note = "; not tried on a copy: the folder for temporary files is full"
            return dataclasses.replace(
                outcome, status=Status.WOULD_TAG, reason=outcome.reason + note
            )
        return dataclasses.replace(dropped(track, Stage.TAG, error), decision=outcome.decision)
    if policy.dry_run:
        return dataclasses.replace(outcome, status=Status.WOULD_TAG)
    if track == outcome.track:
        return dataclasses.replace(
            outcome,
            status=Status.UNCHANGED,
            reason=f"its tag has no room for more genres ({outcome.reason})",
            genres_after=track.tags.genres or track.tags.shadow,
        )
    return dataclasses.replace(
        outcome, track=track, status=Status.TAGGED, write_seconds=time.perf_counter() - started
    )
