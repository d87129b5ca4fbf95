"""Formats, one module each: where the genre is, how it is read and written.

To add one: a module with a subclass of `Format`, and its name in `FORMATS`.
"""

from __future__ import annotations

from typing import Any

from genrebeam.transforms.tags.formats.aiff import Aiff
from genrebeam.transforms.tags.formats.apev2 import Ape
from genrebeam.transforms.tags.formats.asf import Asf
from genrebeam.transforms.tags.formats.dsd import Dsdiff, Dsf
from genrebeam.transforms.tags.formats.format import Format
from genrebeam.transforms.tags.formats.id3 import Id3
from genrebeam.transforms.tags.formats.mp4 import Mp4
from genrebeam.transforms.tags.formats.mpeg import Mpeg
from genrebeam.transforms.tags.formats.vorbis import Vorbis
from genrebeam.transforms.tags.formats.wave import Wave

# The first that knows a file counts: `Id3` knows all that have ID3 tags.
FORMATS = (Wave(), Aiff(), Dsf(), Dsdiff(), Mpeg(), Id3(), Vorbis(), Mp4(), Asf(), Ape())


def format_of(file: Any) -> Format | None:
    """The format of a file that mutagen has opened; None where it has no place for a genre."""
    return next((format for format in FORMATS if isinstance(file, format.kinds)), None)
