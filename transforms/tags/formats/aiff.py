"""AIFF: ID3 in a chunk."""

from __future__ import annotations

from typing import Any

from mutagen.aiff import AIFF

from genrebeam.transforms.tags.formats.chunks import check_chunks
from genrebeam.transforms.tags.formats.id3 import Id3


class Aiff(Id3):
    """IFF files."""

    kinds = (AIFF,)

    def check(self, file: Any) -> None:
        check_chunks(file)
