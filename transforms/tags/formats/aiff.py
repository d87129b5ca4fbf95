"""AIFF: ID3 in a chunk."""

from __future__ import annotations

from mutagen.aiff import AIFF, AIFFFile

from genrebeam.transforms.tags.formats.chunks import Chunked


class Aiff(Chunked):
    """IFF files."""

    kinds = (AIFF,)
    chunks = AIFFFile
