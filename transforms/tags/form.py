"""Form: which fields of our own are written, and how, where a format leaves the choice."""

from __future__ import annotations

from dataclasses import dataclass

# Opt-in: how sure the genre is, and which model decided it.
CONFIDENCE, MODEL = "GENREBEAM_CONFIDENCE", "GENREBEAM_MODEL"
OWN_FIELDS = (CONFIDENCE, MODEL)
# Joins several genres in a field that holds a single text, such as RIFF's.
SINGLE_TEXT_JOINT = "; "


@dataclass(frozen=True)
class TagForm:
    """How ID3 tags are written where there is a choice.

    Parameters
    ----------
    id3_version : {"keep", "2.3", "2.4"}
        With "keep" a tag keeps its version, and a new one is ID3v2.3.
    separator : str
        Between several genres before ID3v2.4, which has its own separator: the null
        character, as most programs write it, or a text.
    """

    id3_version: str = "keep"
    separator: str = "\0"


DEFAULT_FORM = TagForm()
