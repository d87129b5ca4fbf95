"""DSF (DSD sound): an ID3 tag at the end, which the header points to."""

from __future__ import annotations

from typing import Any

from mutagen.dsf import DSF, DSFFile
from mutagen.id3 import BitPaddedInt

from transforms.tags import id3_tags
from transforms.tags.family import Family

# Sizes of the two chunks before the sound, in bytes.
_DSD_CHUNK, _FORMAT_CHUNK = 28, 52


def _check(file: Any) -> None:
    """Refuse a tag that does not lie between the sound and the end."""
    with open(file.filename, "rb") as stream:
        chunks = DSFFile(stream)
        place = chunks.dsd_chunk.offset_metdata_chunk
        stream.seek(0, 2)
        size = stream.tell()
        sound_end = _DSD_CHUNK + _FORMAT_CHUNK + chunks.data_chunk.chunk_size
        stream.seek(place)
        head = stream.read(10)
    tag_size = 10 + BitPaddedInt(head[6:10]) if head.startswith(b"ID3") else 0
    if place and (place < sound_end or place + tag_size != size):
        raise ValueError("its tag is not where DSF requires it")


FAMILY = Family(
    kinds=(DSF,),
    read=id3_tags.read,
    write=id3_tags.write_frames,
    others=id3_tags.others,
    check=_check,
)
