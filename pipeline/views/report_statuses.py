"""What the report page does with rows of each status: one list for tiles, chips and colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from genrebeam.transforms.records import Status


@dataclass(frozen=True)
class StatusStyle:
    """A status on the page.

    Parameters
    ----------
    tone : {"given", "asked", "left", "broken"}
        Its colour: the genre is ours; a person is asked; the file is as it was; it failed.
    place : int
        Where the table has no room for all rows, those of the lowest place have it.
    """

    meaning: str
    tone: str = "left"
    place: int = 4


STATUSES_SHOWN = {
    Status.TAGGED.value: StatusStyle("got a new genre", "given", 3),
    Status.WOULD_TAG.value: StatusStyle("dry run: nothing written", "given", 3),
    "unsure": StatusStyle("two families are likely: nothing written", "asked", 1),
    Status.KEPT.value: StatusStyle("had a genre already"),
    Status.UNCHANGED.value: StatusStyle("nothing to change"),
    Status.REFUSED.value: StatusStyle("left alone; see the reasons", "left", 2),
    Status.FAILED.value: StatusStyle("could not be read or written", "broken", 0),
}
# Of a status that a later version writes.
_UNKNOWN = StatusStyle("")


def shown(status: str) -> StatusStyle:
    """How a status is shown."""
    return STATUSES_SHOWN.get(status, _UNKNOWN)


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of statuses in the order of the page; without those that are 0."""
    known = [status for status in STATUSES_SHOWN if counts.get(status)]
    others = sorted(status for status in counts if counts[status] and status not in STATUSES_SHOWN)
    return {status: counts[status] for status in [*known, *others]}
