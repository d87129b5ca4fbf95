"""Files of chunks (RIFF, IFF): whether the chunks say where the sound ends."""

from __future__ import annotations

from typing import Any

from mutagen._riff import RiffFile
from mutagen.aiff import AIFFFile

# Sizes are 32 bits in WAV and AIFF; that much room is left for a tag, in bytes.
_LARGEST_CHUNKED = 2**32 - 2**24


def check_chunks(file: Any) -> None:
    """Refuse WAV and AIFF files whose chunks do not tell where the sound ends."""
    with open(file.filename, "rb") as stream:
        is_riff = stream.read(4) == b"RIFF"
        root = (RiffFile if is_riff else AIFFFile)(stream).root
        stream.seek(0, 2)
        size = stream.tell()
        sound = "data" if is_riff else "SSND"
        last = None
        for chunk in root.subchunks():
            last = chunk
            if chunk.id == sound and chunk.data_offset + chunk.data_size > size:
                raise ValueError("its sound is cut off")
        if size > _LARGEST_CHUNKED:
            raise ValueError("is as large as its format can be")
        end = root.data_offset + root.data_size
        if last is not None and last.id == sound and end < size - 1:
            raise ValueError("its chunks do not say where the sound ends")
