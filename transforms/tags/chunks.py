"""Chunks: what WAV and AIFF files must be like for a chunk with tags to be put in safely."""

from __future__ import annotations

from mutagen._iff import IffFile

# Sizes have 32 bits; so many bytes are left for a tag.
_LARGEST = 2**32 - 2**24


def check(path: str, container: type[IffFile], sound: str) -> None:
    """Refuse a file whose chunks do not tell where the sound ends.

    Parameters
    ----------
    path : str
    container : type
        mutagen's class for the file's chunks.
    sound : str
        Name of the chunk with the sound.

    Raises
    ------
    ValueError
    """
    with open(path, "rb") as stream:
        root = container(stream).root
        stream.seek(0, 2)
        size = stream.tell()
        last = None
        for chunk in root.subchunks():
            last = chunk
            if chunk.id == sound and chunk.data_offset + chunk.data_size > size:
                raise ValueError("its sound is cut off")
        if size > _LARGEST:
            raise ValueError("is as large as its format can be")
        end = root.data_offset + root.data_size
        if last is not None and last.id == sound and end < size - 1:
            raise ValueError("its chunks do not say where the sound ends")
