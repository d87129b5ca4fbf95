"""ID3 and nothing else known: files that begin with a tag and go on in a way of their own."""

from __future__ import annotations

from mutagen.id3 import ID3FileType

from transforms.tags import id3_tags
from transforms.tags.family import Family

FAMILY = Family(
    kinds=(ID3FileType,), read=id3_tags.read, write=id3_tags.write, others=id3_tags.others
)
