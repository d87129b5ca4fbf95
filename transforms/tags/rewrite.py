"""Rewrite: change a file in one step, or not at all, wherever it is.

A copy is changed, read back and compared; a line in the journal says what is about to happen;
then the copy takes the file's place (see ``transforms/storage``). Whoever looks at the file at
any time sees the old one or the new one, whole.

Two runs on one library, or the same element twice, need no lock: the file is only replaced where
it still is the one that was read, and a file that has become what it was to be counts as done.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genrebeam.transforms.records import TagWriteError, Track
from genrebeam.transforms.storage import ChangedMeanwhile, Found, Storage, is_inside, storage_of
from genrebeam.transforms.tags.change import Change
from genrebeam.transforms.tags.header import WriterDied, in_pool
from genrebeam.transforms.tags.patch import Patch, PatchError, make_patch
from genrebeam.transforms.tags.sound import check_same_sound

Journal = Callable[[Change], None]

# How often writing begins anew if its process dies.
_TRIES = 5


@dataclass(frozen=True)
class WritePolicy:
    """What may be done to files.

    Parameters
    ----------
    keep_mtime : bool
        Give a changed file its old time back.
    in_place_links : bool
        Change a file with several hard links in place, where that is one small step.
    library : str
        Root of the run: no file outside of it is changed, wherever links lead by then. Empty for
        files that were named one by one.
    """

    keep_mtime: bool = False
    in_place_links: bool = False
    library: str = ""


def rewrite(
    track: Track,
    change: Callable[[str], None],
    *,
    is_done: Callable[[], bool],
    journal: Journal,
    notes: dict[str, Any],
    policy: WritePolicy = WritePolicy(),
    dry_run: bool = False,
) -> Track:
    """Change a file.

    Parameters
    ----------
    track : Track
        As it was listed and read.
    change : callable
        Changes the copy whose path it is given.
    is_done : callable
        Whether a file that is no longer as it was read has become what it was to be.
    journal : callable
        Called with what is about to change, before it does.
    notes : dict
        Further facts for the journal.
    dry_run : bool
        Do all of it on a copy elsewhere, but write no line and replace nothing.

    Returns
    -------
    Track
        With the size and time of the file as it is now.

    Raises
    ------
    TagWriteError, HardLinked, NoTagField, OSError
        The file is as it was before.
    """
    storage = storage_of(track.uri)
    storage.check_writable(track.uri, in_place_links=policy.in_place_links)
    before = storage.find(track.uri)
    if policy.library and not is_inside(before.uri, policy.library):
        # The walk did not find it there: a link has been put in the way since.
        raise TagWriteError(track.uri, "leads out of the library by now")
    if (before.size, before.mtime_ns) != (track.size_bytes, track.mtime_ns):
        if is_done():
            return track.as_written(before.size, before.mtime_ns)
        raise TagWriteError(track.uri, "changed while it was being analysed")
    if before.encoding:
        raise TagWriteError(track.uri, f"is stored {before.encoding}-encoded, not as music")
    if dry_run:
        attempt = functools.partial(_try, storage, track, before, change)
    else:
        attempt = functools.partial(
            _rewrite, storage, track, before, change, journal, notes, policy
        )
    try:
        for _ in range(_TRIES):
            with contextlib.suppress(WriterDied):  # each on a new copy
                return attempt()
        return attempt()
    except (TagWriteError, ChangedMeanwhile) as error:
        # Another was faster; or an upload whose answer was lost finds its own work.
        now = storage.find(track.uri)
        if now.version != before.version and is_done():
            return track.as_written(now.size, now.mtime_ns)
        if isinstance(error, TagWriteError):
            raise
        raise TagWriteError(track.uri, "changed while it was being tagged") from error


def _try(storage: Storage, track: Track, before: Found, change: Callable[[str], None]) -> Track:
    """All that `_rewrite` does, up to the journal."""
    with storage.trying(before, track.format) as (original, copy):
        if not _changed(track, original, copy, change).changes_nothing:
            storage.check_put(before, copy)
    return track


def _changed(track: Track, original: str, copy: str, change: Callable[[str], None]) -> Patch:
    change(copy)
    patch: Patch = in_pool(track.uri, _compared, original, copy, track.uri)
    return patch


def _compared(original: str, copy: str, uri: str) -> Patch:
    """Prove that a changed copy sounds the same, and find out how to undo the change."""
    check_same_sound(original, copy, uri)
    try:
        return make_patch(original, copy)
    except PatchError as error:
        raise TagWriteError(uri, str(error)) from error


def _rewrite(
    storage: Storage,
    track: Track,
    before: Found,
    change: Callable[[str], None],
    journal: Journal,
    notes: dict[str, Any],
    policy: WritePolicy,
) -> Track:
    with storage.changing(before, track.format) as (original, copy):
        patch = _changed(track, original, copy, change)
        if patch.changes_nothing:
            return track

        def announce(after: Found | None) -> None:
            journal(
                Change(
                    path=before.uri,
                    format=track.format,
                    **notes,
                    size_before=before.size,
                    size_after=os.path.getsize(copy),
                    mtime_ns_before=before.mtime_ns,
                    mtime_ns_after=None if after is None else after.mtime_ns,
                    in_place=before.n_names > 1,
                    library=policy.library,
                    undo=patch.to_json(),
                )
            )

        mtime_ns = before.mtime_ns if policy.keep_mtime else None
        after = storage.put(before, copy, announce, mtime_ns=mtime_ns)
    return track.as_written(after.size, after.mtime_ns)
