"""One-bit sound: DSF and DSDIFF, with ID3."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from mutagen.dsdiff import DSDIFF, DSDIFFFile
from mutagen.dsf import DSF, DSFFile
from mutagen.id3 import BitPaddedInt

from genrebeam.transforms.tags.formats.chunks import Chunked
from genrebeam.transforms.tags.formats.id3 import Id3

# A field of the edited master's information: name, size, number of characters (DSDIFF 1.5, 3.4).
_TEXT = struct.Struct(">4sQI")
_TO_ID3 = {b"DIAR": "TPE1", b"DITI": "TIT2"}


class Dsf(Id3):
    """DSF files."""

    kinds = (DSF,)

    def check(self, file: Any) -> None:
        """Refuse DSF files whose tag does not lie between the sound and the end."""
        with open(file.filename, "rb") as stream:
            chunks = DSFFile(stream)
            place = chunks.dsd_chunk.offset_metdata_chunk
            stream.seek(0, 2)
            size = stream.tell()
            sound_end = 28 + 52 + chunks.data_chunk.chunk_size
            stream.seek(place)
            head = stream.read(10)
        tag_size = 10 + BitPaddedInt(head[6:10]) if head.startswith(b"ID3") else 0
        if place and (place < sound_end or place + tag_size != size):
            raise ValueError("its tag is not where DSF requires it")


class Dsdiff(Chunked):
    """DSDIFF files."""

    kinds = (DSDIFF,)
    chunks = DSDIFFFile

    def own_texts(self, stream: BinaryIO) -> dict[str, str]:
        edited = next((c for c in DSDIFFFile(stream).root.subchunks() if c.id == "DIIN"), None)
        data, texts = edited.read() if edited else b"", {}
        while len(data) >= _TEXT.size:
            name, size, length = _TEXT.unpack_from(data)
            text = data[_TEXT.size :][:length].decode("latin-1").rstrip("\0")
            if name in _TO_ID3 and text.strip():
                texts[_TO_ID3[name]] = text
            data = data[12 + size + size % 2 :]
        return texts

    def check(self, file: Any) -> None:
        """Refuse DSDIFF files whose chunks are not all there, or that are compressed (DST)."""
        with open(file.filename, "rb") as stream:
            root = DSDIFFFile(stream).root
            stream.seek(0, 2)
            size = stream.tell()
            chunks = list(root.subchunks())
            ends = [
                root.data_offset + root.data_size,
                *(c.data_offset + c.data_size for c in chunks),
            ]
        if any(end > size for end in ends):
            raise ValueError("its sound is cut off")
        if not any(chunk.id == "DSD" for chunk in chunks) or ends[0] < size - 1:
            raise ValueError("its chunks do not say where the sound ends")
