"""Families of formats, one module each: where the genre is, how it is read and written.

To add one: a module with a subclass of `Family`, and its name in `FAMILIES`.
"""

from __future__ import annotations

from typing import Any

from genrebeam.transforms.tags.families.aiff import Aiff
from genrebeam.transforms.tags.families.apev2 import Ape
from genrebeam.transforms.tags.families.asf import Asf
from genrebeam.transforms.tags.families.dsd import Dsdiff, Dsf
from genrebeam.transforms.tags.families.family import Family
from genrebeam.transforms.tags.families.id3 import Id3
from genrebeam.transforms.tags.families.mp4 import Mp4
from genrebeam.transforms.tags.families.mpeg import Mpeg
from genrebeam.transforms.tags.families.vorbis import Vorbis
from genrebeam.transforms.tags.families.wave import Wave

# The first that knows a file counts: `Id3` knows all that have ID3 tags.
FAMILIES = (Wave(), Aiff(), Dsf(), Dsdiff(), Mpeg(), Id3(), Vorbis(), Mp4(), Asf(), Ape())


def family_of(file: Any) -> Family | None:
    """The family of a file that mutagen has opened; None where it has no place for a genre."""
    return next((family for family in FAMILIES if isinstance(file, family.kinds)), None)
