"""MPEG audio (mp3) and TTA: ID3, and second tags that some players show instead.

A second tag is an APEv2 tag at the end, or another ID3v2 tag behind the first. One that says a
genre gets ours too, so that no player contradicts another.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import mutagen
from mutagen._util import resize_bytes
from mutagen.apev2 import APETextValue, APEv2
from mutagen.id3 import COMM, ID3, Frames
from mutagen.mp3 import MP3
from mutagen.trueaudio import TrueAudio

from transforms.records import FileTags
from transforms.tags import ape_bytes, id3_bytes, id3_tags
from transforms.tags.errors import DAMAGE
from transforms.tags.family import Family
from transforms.tags.form import DEFAULT_FORM, OWN_FIELDS, TagForm

# What a new ID3 tag takes over from APEv2, beside year and comment.
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
_OURS_IN_APE = {"genre", *(name.casefold() for name in OWN_FIELDS)}


def _read(file: Any, form: TagForm) -> FileTags:
    _complete(file)
    return dataclasses.replace(id3_tags.read(file, form), shadow=_second_genres(file.filename))


def _complete(file: Any) -> None:
    """Give a file without ID3v2 the fields of its APEv2 tag, as a new ID3 tag will."""
    if file.tags is not None and file.tags.version[0] == 2:
        return
    if not _ape_texts(file.filename):
        return
    if file.tags is None:
        file.add_tags()
        file.tags.version = (1, 1)  # there is no ID3v2 yet
    _take_over(file)


def _take_over(file: Any) -> None:
    """Copy the APEv2 tag's fields into a new ID3 tag: players that find ID3 ask no other.

    Without the genre, which is about to be written, and without measurements (ReplayGain):
    the program that measures again would change only its own tag.
    """
    tags = file.tags
    for key, values in _ape_texts(file.filename).items():
        if key == "comment":
            tags.add(COMM(encoding=3, lang="eng", desc="", text=values))
        elif key == "year":
            # ID3v2.3 would cut a date that it has no place for.
            if re.match("[0-9]{4}", values[0]):
                tags.delall("TYER")  # what ID3v1 said
                tags.add(Frames["TDRC"](encoding=3, text=values[0][:4]))
        elif key in _APE_TO_ID3:
            tags.add(Frames[_APE_TO_ID3[key]](encoding=3, text=values))


def _ape_texts(path: str) -> dict[str, list[str]]:
    """Texts of a file's APEv2 tag that are not blank: case-folded key to values."""
    try:
        items = APEv2(path).items()
    except (mutagen.MutagenError, *DAMAGE):
        return {}
    texts = {
        key.casefold(): [text.strip() for text in value if text.strip()]
        for key, value in items
        if isinstance(value, APETextValue)
    }
    return {key: values for key, values in texts.items() if values}


def _second_genres(path: str) -> tuple[str, ...]:
    try:
        with open(path, "rb") as stream:
            said = [_genres_in(tag) for _, tag in id3_bytes.following_tags(stream)]
        said.append(_ape_texts(path).get("genre", []))
    except (mutagen.MutagenError, ValueError):
        return ()
    return tuple(dict.fromkeys(genre for genres in said for genre in genres))


def _genres_in(tag: bytes) -> list[str]:
    """Genres of an ID3v2 tag behind the first; none if nobody can read it."""
    try:
        return id3_tags.genres_of(ID3(io.BytesIO(tag), load_v1=False), DEFAULT_FORM)
    except (mutagen.MutagenError, *DAMAGE):
        return []


def _write(file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm) -> None:
    texts = {name: [value] for name, value in custom.items()}
    if "genre" in _ape_texts(file.filename):
        texts["genre"] = list(genres)
    id3_tags.write(file, genres, custom, form, take_over=_take_over)
    with open(file.filename, "r+b") as stream:
        # Backwards, because writing one moves those behind it.
        for place, tag in reversed(id3_bytes.following_tags(stream)):
            if _genres_in(tag):
                text = id3_bytes.Text("genre", tuple(genres))
                new = id3_bytes.exchange(tag, [text], separator=form.separator, room=len(tag))
                resize_bytes(stream, len(tag), len(new), place)
                stream.seek(place)
                stream.write(new)
        ape_bytes.exchange(stream, texts)


def _others(file: Any) -> Any:
    _complete(file)
    with open(file.filename, "rb") as stream:
        try:
            found = ape_bytes.read_items(stream)
        except mutagen.MutagenError:
            found = []  # no program can read it
        items = [item for item in found if item[0] not in _OURS_IN_APE]
        following = [
            id3_tags.frames(ID3(io.BytesIO(tag), load_v1=False)) if _genres_in(tag) else tag
            for _, tag in id3_bytes.following_tags(stream)
        ]
    return id3_tags.others(file), following, items


FAMILY = Family(kinds=(MP3, TrueAudio), read=_read, write=_write, others=_others)
