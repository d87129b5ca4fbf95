"""MP3 and True Audio: ID3, and second tags that some players read instead."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import mutagen
from mutagen._util import resize_bytes
from mutagen.apev2 import APETextValue, APEv2
from mutagen.id3 import COMM, ID3, Frames
from mutagen.mp3 import MP3
from mutagen.trueaudio import TrueAudio

from genrebeam.transforms.tags import ape_bytes, id3_bytes
from genrebeam.transforms.tags.formats.format import CONFIDENCE, DAMAGE, MODEL, TagForm
from genrebeam.transforms.tags.formats.id3 import Id3, frames_of

_APE_TO_ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "album artist": "TPE2",
    "albumartist": "TPE2",
    "composer": "TCOM",
    "track": "TRCK",
    "disc": "TPOS",
}


class Mpeg(Id3):
    """Files with ID3 at their beginning, and perhaps an APEv2 tag at their end."""

    kinds = (MP3, TrueAudio)

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        """ID3, and every second tag that says a genre, so that no player contradicts another."""
        in_ape = "genre" in _ape_texts(file.filename)
        super().write(file, genres, custom, form)
        texts = {name: [value] for name, value in custom.items()}
        if in_ape:
            texts["genre"] = list(genres)
        with open(file.filename, "r+b") as stream:
            # The last first, for the places of those before it to stay.
            for place, tag in reversed(id3_bytes.following_tags(stream)):
                if _genres_in(tag):
                    text = id3_bytes.Text("genre", tuple(genres))
                    new = id3_bytes.exchange(tag, [text], separator=form.separator, room=len(tag))
                    resize_bytes(stream, len(tag), len(new), place)
                    stream.seek(place)
                    stream.write(new)
            ape_bytes.exchange(stream, texts)

    def others(self, file: Any) -> Any:
        ours = {"genre", CONFIDENCE.casefold(), MODEL.casefold()}
        with open(file.filename, "rb") as stream:
            try:
                items = [item for item in ape_bytes.read_items(stream) if item[0] not in ours]
            except mutagen.MutagenError:
                items = []  # to nobody a tag
            following = [
                frames_of(ID3(io.BytesIO(tag), load_v1=False)) if _genres_in(tag) else tag
                for _, tag in id3_bytes.following_tags(stream)
            ]
        return super().others(file), following, items

    def second_genres(self, stream: BinaryIO) -> tuple[str, ...]:
        try:
            said = [_genres_in(tag) for _, tag in id3_bytes.following_tags(stream)]
        except (mutagen.MutagenError, ValueError):
            return ()
        said.append(_ape_texts(stream).get("genre", []))
        return tuple(dict.fromkeys(genre for genres in said for genre in genres))

    def complete(self, file: Any, stream: BinaryIO) -> None:
        """Have a file without ID3v2 say what its APEv2 tag says, as its new ID3 tag will."""
        has_id3v2 = file.tags is not None and file.tags.version[0] > 1
        if has_id3v2 or not _ape_texts(stream):
            return
        has_none = file.tags is None
        if has_none:
            file.add_tags()
            file.tags.version = (1, 1)  # as where ID3v1 is all there is
        self.take_over(file, stream)

    def take_over(self, file: Any, source: str | BinaryIO) -> None:
        """Give a new ID3 tag what an APEv2 tag says: players that find ID3 ask no other.

        Not the genre, which is what is written, and nothing that another program measures
        (ReplayGain): it would stay as it is where that program changes its own.
        """
        for key, values in _ape_texts(source).items():
            if key == "comment":
                file.tags.add(COMM(encoding=3, lang="eng", desc="", text=values))
            elif key == "year":
                # A date that ID3v2.3 has no place for would be cut there.
                if re.match("[0-9]{4}", values[0]):
                    file.tags.delall("TYER")  # what ID3v1 said
                    file.tags.add(Frames["TDRC"](encoding=3, text=values[0][:4]))
            elif key in _APE_TO_ID3:
                file.tags.add(Frames[_APE_TO_ID3[key]](encoding=3, text=values))


def _ape_texts(source: str | BinaryIO) -> dict[str, list[str]]:
    """Texts of the APEv2 tag of a file: case-folded key to values that say anything."""
    try:
        items = APEv2(source).items()
    except (mutagen.MutagenError, *DAMAGE):
        return {}
    texts = {
        key.casefold(): [text.strip() for text in value if text.strip()]
        for key, value in items
        if isinstance(value, APETextValue)
    }
    return {key: values for key, values in texts.items() if values}


def _genres_in(tag: bytes) -> list[str]:
    """Genres of an ID3v2 tag that follows another; none where nobody can read it."""
    try:
        return Id3().read(ID3(io.BytesIO(tag), load_v1=False), TagForm())
    except (mutagen.MutagenError, *DAMAGE):
        return []
