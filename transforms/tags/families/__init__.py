"""One module per family of formats that keep their tags in the same way.

Each ends in a `Family`; `FAMILIES` has them all.
"""

from __future__ import annotations

from transforms.tags.families import (
    aiff,
    ape,
    asf,
    dsdiff,
    dsf,
    flac,
    id3,
    mp4,
    mpeg,
    ogg,
    wave,
)
from transforms.tags.family import Family

# The first that fits a file is taken. mutagen's general classes come last: what it knows only
# by the tag at its beginning (ID3) or its end (APEv2).
FAMILIES: tuple[Family, ...] = (
    mpeg.FAMILY,
    wave.FAMILY,
    aiff.FAMILY,
    dsf.FAMILY,
    dsdiff.FAMILY,
    flac.FAMILY,
    ogg.FAMILY,
    mp4.FAMILY,
    asf.FAMILY,
    ape.WAVPACK,
    id3.FAMILY,
    ape.FAMILY,
)
