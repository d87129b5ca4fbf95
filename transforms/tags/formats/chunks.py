"""Files of chunks (RIFF, IFF): where the sound ends, and ID3 in more than one chunk."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, BinaryIO

import mutagen
from mutagen._riff import RiffFile
from mutagen.aiff import AIFFFile
from mutagen.id3 import ID3

from genrebeam.transforms.tags import id3_bytes
from genrebeam.transforms.tags.edges import DAMAGE, id3v2_genres, reading
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.formats.id3 import Id3, add_text, frames_of

# Sizes are 32 bits in WAV and AIFF; that much room is left for a tag, in bytes.
_LARGEST_CHUNKED = 2**32 - 2**24
# Sizes from here on are what programs put in that do not know: the most that fits, or so.
_UNSAID = 2**31 - 2**16


class Chunked(Id3):
    """Files with ID3 in chunks: the first is mutagen's, but some programs add another."""

    chunks: Callable[[BinaryIO], Any]
    """mutagen's class of such files."""

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        """ID3, and every further ID3 chunk that says a genre."""
        super().write(file, genres, custom, form)
        with open(file.filename, "r+b") as stream:
            for number in range(len(self._further_tags(stream))):
                chunk = self._further_tags(stream)[number]
                tag = chunk.read()
                if id3v2_genres(tag):
                    texts = id3_bytes.genre_frames(genres)
                    new = id3_bytes.exchange(tag, texts, separator=form.separator, room=len(tag))
                    chunk.resize(len(new))
                    chunk.write(new)

    def others(self, file: Any, custom: Collection[str]) -> Any:
        with open(file.filename, "rb") as stream:
            further = [
                frames_of(ID3(io.BytesIO(tag), load_v1=False)) if id3v2_genres(tag) else tag
                for tag in (chunk.read() for chunk in self._further_tags(stream))
            ]
            return super().others(file, custom), further

    def _further_tags(self, stream: BinaryIO) -> list[Any]:
        """All ID3 chunks but the one that mutagen takes."""
        kind = type(self).chunks
        tags = [chunk for chunk in kind(stream).root.subchunks() if chunk.id in ("ID3", "id3")]
        own = ("ID3", "id3") if kind is RiffFile else ("ID3",)
        taken = next((chunk for chunk in tags if chunk.id in own), None)
        return [chunk for chunk in tags if chunk is not taken]

    def check(self, file: Any) -> None:
        check_chunks(file)

    def own_texts(self, stream: BinaryIO) -> dict[str, str]:
        """What the container's own fields say, by frames of ID3; not the genre."""
        return {}

    def complete(self, file: Any, stream: BinaryIO) -> None:
        if file.tags is None and self._said(stream):
            self.say_second_tag(file, stream)

    def take_over(self, file: Any, source: str | BinaryIO) -> None:
        """Give a new ID3 tag what the container says: players that find ID3 ask no other."""
        with reading(source) as stream:
            texts = self._said(stream)
        for name, text in texts.items():
            add_text(file.tags, name, [text])

    def _said(self, stream: BinaryIO) -> dict[str, str]:
        try:
            texts = self.own_texts(stream)
        except (mutagen.MutagenError, *DAMAGE):
            return {}
        return {name: text.strip() for name, text in texts.items()}

    def second_genres(self, stream: BinaryIO) -> tuple[str, ...]:
        try:
            tags = [chunk.read() for chunk in self._further_tags(stream)]
            return tuple(dict.fromkeys(genre for tag in tags for genre in id3v2_genres(tag)))
        except (mutagen.MutagenError, *DAMAGE):
            return ()


def missing_sizes(stream: BinaryIO) -> dict[int, bytes]:
    """What the sizes in a wav would have to be whose header does not say how long it is.

    Who writes to a pipe cannot go back to its beginning, and leaves there 0 or as much as fits.
    All that follows is sound then, as every player takes it.

    Returns
    -------
    dict of int to bytes
        Places of sizes and what they should be; empty where the sizes are right.
    """
    end = stream.seek(0, 2)
    stream.seek(0)
    head, place = stream.read(12), 12
    if head[:4] != b"RIFF" or head[8:] != b"WAVE" or end >= _LARGEST_CHUNKED:
        return {}
    for _ in range(64):
        stream.seek(place)
        chunk = stream.read(8)
        if len(chunk) < 8:
            return {}
        size = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            whole = int.from_bytes(head[4:8], "little")
            is_unsaid = size >= _UNSAID or (not size and whole <= place and place + 8 < end)
            if not is_unsaid or (place + 8 + size <= end and size):
                return {}
            even = end + end % 2
            return {
                4: (even - 8).to_bytes(4, "little"),
                place + 4: (end - place - 8).to_bytes(4, "little"),
            }
        place += 8 + size + size % 2
    return {}


def write_sizes(path: str) -> None:
    """Write the sizes into a wav's header that are not said there."""
    with open(path, "r+b") as stream:
        sizes = missing_sizes(stream)
        if sizes and stream.seek(0, 2) % 2:  # chunks begin at even places
            stream.write(b"\0")
        for place, size in sizes.items():
            stream.seek(place)
            stream.write(size)


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
