"""A format: files whose tags are read and written alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from genrebeam.transforms.tags.edges import Tag

# Opt-in provenance.
CONFIDENCE, MODEL = "GENREBEAM_CONFIDENCE", "GENREBEAM_MODEL"
# Opt-in too; each format has a name of its own for it, the one that players and servers read.
MOOD = "MOOD"
# Between genres where a format has one text for all of them, as RIFF.
RIFF_JOINT = "; "


@dataclass(frozen=True)
class TagForm:
    """How ID3 tags are written where there is a choice.

    Parameters
    ----------
    id3_version : {"keep", "2.3", "2.4"}
        A file without a tag gets 2.3, or the version named.
    separator : str
        Between several genres before ID3v2.4, which has its own: the null character,
        as most programs do it, or a text.
    """

    id3_version: str = "keep"
    separator: str = "\0"


class Format(ABC):
    """How files of a format hold their tags.

    Methods take files that mutagen has opened, and tags that are theirs.
    """

    kinds: tuple[type, ...] = ()
    """mutagen's classes."""
    text: tuple[str, str, str, str]
    """Keys of title, artist, album, album artist."""
    year: tuple[str, ...]
    """Keys of the year or the date, the usual one first."""

    @abstractmethod
    def read(self, tags: Any, form: TagForm) -> list[str]:
        """The genres, as the format's own rules read them."""

    @abstractmethod
    def read_custom(self, tags: Any, name: str) -> str | None:
        """The text of one of our own fields, or of the mood; None where there is none."""

    @abstractmethod
    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        """Change these fields of an open file, and save it.

        `custom` has our own fields, and the mood.

        Raises
        ------
        ValueError
            If it cannot be done without harm.
        """

    @abstractmethod
    def others(self, file: Any, custom: Collection[str]) -> Any:
        """Everything in the tags but the genre and these fields, to be compared."""

    def check(self, file: Any) -> None:  # noqa: B027  most formats have nothing to check
        """Raise ValueError where writing would do harm."""

    def second_genres(self, stream: BinaryIO) -> tuple[str, ...]:
        """Genres of a second tag, which some players show instead of the first."""
        return ()

    def second_mood(self, stream: BinaryIO) -> str | None:
        """The mood of a second tag, if it has one."""
        return None

    def adopt(self, file: Any, around: Sequence[Tag]) -> None:  # noqa: B027  most adopt nothing
        """Give a file without a tag of its own what a tag before or behind it says."""

    def complete(self, file: Any, stream: BinaryIO) -> None:  # noqa: B027  most have no second
        """Have a file without a tag of its own say what its second tag says."""
