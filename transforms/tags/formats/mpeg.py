"""MP3 and True Audio: ID3, and second tags that some players read instead."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any, BinaryIO

import mutagen
from mutagen._util import resize_bytes
from mutagen.id3 import ID3
from mutagen.mp3 import MP3
from mutagen.trueaudio import TrueAudio

from genrebeam.transforms.tags import ape_bytes, id3_bytes
from genrebeam.transforms.tags.edges import Tag, ape_texts, find, id3v2_genres
from genrebeam.transforms.tags.formats.format import TagForm
from genrebeam.transforms.tags.formats.id3 import Id3, add_text, frames_of, name_comment

# Where a tag may begin that is not at the beginning, in bytes.
_LOOKED_AT = 1 << 20
_APE_TO_ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "album artist": "TPE2",
    "albumartist": "TPE2",
    "composer": "TCOM",
    "track": "TRCK",
    "disc": "TPOS",
    "comment": "COMM",
    "year": "TDRC",
}


class Mpeg(Id3):
    """Files with ID3 at their beginning, and perhaps an APEv2 tag at their end."""

    kinds = (MP3, TrueAudio)

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        """ID3, and every second tag that says a genre, so that no player contradicts another."""
        in_ape = "genre" in ape_texts(file.filename)
        super().write(file, genres, custom, form)
        texts = {name: [value] for name, value in custom.items()}
        if in_ape:
            texts["genre"] = list(genres)
        with open(file.filename, "r+b") as stream:
            # The last first, for the places of those before it to stay.
            for place, tag in reversed(id3_bytes.following_tags(stream)):
                if id3v2_genres(tag):
                    frames = id3_bytes.genre_frames(genres)
                    new = id3_bytes.exchange(tag, frames, separator=form.separator, room=len(tag))
                    resize_bytes(stream, len(tag), len(new), place)
                    stream.seek(place)
                    stream.write(new)
            ape_bytes.exchange(stream, texts)
            for rare in reversed(_rare(stream)):
                new = rare.with_genres(genres, form.separator)
                resize_bytes(stream, len(rare.data), len(new), rare.start)
                stream.seek(rare.start)
                stream.write(new)

    def others(self, file: Any, custom: Collection[str]) -> Any:
        written = {"genre", *(name.casefold() for name in custom)}
        with open(file.filename, "rb") as stream:
            try:
                items = [item for item in ape_bytes.read_items(stream) if item[0] not in written]
            except mutagen.MutagenError:
                items = []  # to nobody a tag
            following = [
                frames_of(ID3(io.BytesIO(tag), load_v1=False)) if id3v2_genres(tag) else tag
                for _, tag in id3_bytes.following_tags(stream)
            ]
        return super().others(file, custom), following, items

    def second_genres(self, stream: BinaryIO) -> tuple[str, ...]:
        try:
            said = [id3v2_genres(tag) for _, tag in id3_bytes.following_tags(stream)]
            said += [list(tag.genres()) for tag in _rare(stream)]
        except (mutagen.MutagenError, ValueError):
            return ()
        said.append(ape_texts(stream).get("genre", []))
        return tuple(dict.fromkeys(genre for genres in said for genre in genres))

    def second_mood(self, stream: BinaryIO) -> str | None:
        return next(iter(ape_texts(stream).get("mood", [])), None)

    def complete(self, file: Any, stream: BinaryIO) -> None:
        """Have a file without ID3v2 say what its APEv2 tag says, as its new ID3 tag will."""
        has_id3v2 = file.tags is not None and file.tags.version[0] > 1
        if not has_id3v2:
            _check_beginning(file, stream)
        elif not file.tags.getall("TCON"):
            _check_no_genre(stream)
        if file.tags is not None:
            name_comment(file.tags, only_twice=has_id3v2)
        if has_id3v2:
            return
        if ape_texts(stream):
            self.say_second_tag(file, stream)

    def check(self, file: Any) -> None:
        """Refuse an ID3v2 tag that says nothing, beside another that does: it would hide that."""
        if file.tags is None or file.tags.version[0] < 2:
            return
        if any(key[0] in "TC" for key in file.tags):
            return
        if ape_texts(file.filename) or id3_bytes.read_v1(file.filename):
            raise ValueError("its ID3v2 tag is empty, and would hide its other tag")

    def take_over(self, file: Any, source: str | BinaryIO) -> None:
        """Give a new ID3 tag what an APEv2 tag says: players that find ID3 ask no other.

        Not the genre, which is what is written, and nothing that another program measures
        (ReplayGain): it would stay as it is where that program changes its own.
        """
        for key, values in ape_texts(source).items():
            if key in _APE_TO_ID3:
                add_text(file.tags, _APE_TO_ID3[key], values)


def _check_no_genre(stream: BinaryIO) -> None:
    """Refuse a genre that mutagen does not understand, and that other readers show."""
    stream.seek(0)
    length = id3_bytes.length_of(stream.read(10))
    stream.seek(0)
    tag = stream.read(length)
    if b"TCO" in tag and id3_bytes.has_genre(tag):
        raise mutagen.MutagenError("its genre is damaged")


def _check_beginning(file: Any, stream: BinaryIO) -> None:
    """Refuse a tag behind other bytes: some readers look for it, and find a new one first."""
    stream.seek(0)
    head = stream.read(min(_LOOKED_AT, getattr(file.info, "frame_offset", 0)))
    place = head.find(b"ID3")
    while place > 0:
        if id3_bytes.length_of(head[place : place + 10]):
            raise mutagen.MutagenError("its ID3v2 tag is not at its beginning")
        place = head.find(b"ID3", place + 1)


def _rare(stream: BinaryIO) -> list[Tag]:
    """Tags at the edges that mutagen does not know: behind the sound, or APEv2 before it."""
    edges = find(stream)
    behind = [tag for tag in edges.tail if tag.kind in ("ID3v2", "ID3v1 enhanced")]
    return [tag for tag in edges.head if tag.kind == "APEv2"] + behind
