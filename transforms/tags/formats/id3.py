"""ID3: genres in TCON, the mood in TMOO, our own fields in TXXX.

mutagen finds the tag and makes room for it; the frames are our own work (``id3_bytes.py``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, BinaryIO

from mutagen.id3 import COMM, TDRC, Frames, ID3FileType, ID3Tags

from genrebeam.transforms.tags import id3_bytes
from genrebeam.transforms.tags.edges import genres_of
from genrebeam.transforms.tags.formats.format import MOOD, Format, TagForm

# What refers to other frames, and what ID3v2.4 has no frame for.
_UNCONVERTED = ("ENCR", "GRID", "TRDA", "TSIZ", "EQUA", "RVAD")
# Of a new tag: what all players read, also those that know no ID3v2.4 (docs/players.md).
_NEW_VERSION = 3


class Id3(Format):
    """Files whose tags are ID3."""

    kinds: tuple[type, ...] = (ID3FileType,)
    text = ("TIT2", "TPE1", "TALB", "TPE2")
    year = ("TDRC", "TYER", "TDRL")

    def read(self, tags: ID3Tags, form: TagForm) -> list[str]:
        genres = genres_of(tags)
        if form.separator != "\0" and tags.version[:2] != (2, 4):
            genres = [part for genre in genres for part in genre.split(form.separator)]
        return genres

    def read_custom(self, tags: ID3Tags, name: str) -> str | None:
        frames = tags.getall(f"TXXX:{name}")
        if name == MOOD:
            # Only ID3v2.4 has a frame for it; some programs have a field of their own before.
            own = [one for one in tags.getall("TXXX") if one.desc.casefold() == MOOD.casefold()]
            frames = tags.getall("TMOO") or own
        return next((str(frame) for frame in frames), None)

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        path, kind = file.filename, type(file)
        if isinstance(file, ID3FileType):
            id3_bytes.pad_footer(path)
        trailer = id3_bytes.read_v1(path) if isinstance(file, ID3FileType) else b""
        found = (
            file.tags.version[1] if file.tags is not None and file.tags.version[0] == 2 else None
        )
        wanted = None if form.id3_version == "keep" else int(form.id3_version[-1])
        version = wanted or found or _NEW_VERSION
        converted = found is not None and version != found
        if converted and not _converts(kind(path, translate=False).tags, path):
            raise ValueError(f"a change to ID3v2.{version} would lose some of its frames")
        # Opened anew, because mutagen brings every frame into its ID3v2.4 form otherwise. Fields
        # that ID3v1 alone has are taken over into a new ID3v2 tag only, in its version's frames.
        file = kind(
            path,
            translate=converted or (found is None and version == 3),
            v2_version=max(3, version),
            load_v1=found is None,
        )
        if file.tags is None:
            file.add_tags()
        tags = file.tags
        if found is None:
            name_comment(tags)
            self.take_over(file, path)
            if version == 3:
                tags.update_to_v23()
        texts = id3_bytes.genre_frames(genres)
        for name, value in custom.items():
            kind_ = "mood" if name == MOOD else "custom"
            texts.append(id3_bytes.Text(kind_, (value,), name))
        prepare = tags._prepare_data

        def exchanged(fileobj: Any, start: int, available: int, *choices: Any) -> bytes:
            fileobj.seek(start)
            tag = fileobj.read(available)
            if converted or not tag.startswith(b"ID3"):
                tag = prepare(fileobj, start, available, *choices)
                available = len(tag)
            return id3_bytes.exchange(tag, texts, separator=form.separator, room=available)

        # mutagen makes room in the container and writes what this gives.
        tags._prepare_data = exchanged
        if not trailer:
            file.save(v2_version=max(3, version), v23_sep=None)
            return
        # mutagen would write all of ID3v1 anew from ID3v2; only its genre may change.
        file.save(v2_version=max(3, version), v23_sep=None, v1=0)
        with open(path, "ab") as stream:
            stream.write(id3_bytes.with_v1_genre(trailer, genres))

    def others(self, file: Any, custom: Collection[str]) -> Any:
        return frames_of(file.tags, custom) if file.tags is not None else {}

    def take_over(self, file: Any, source: str | BinaryIO) -> None:
        """Give a new ID3 tag what another tag of the file says.

        Parameters
        ----------
        file
            As mutagen has opened it.
        source : str or file
            Where to read the other tag.
        """

    def say_second_tag(self, file: Any, stream: BinaryIO) -> None:
        """Have a file without ID3v2 say what its second tag says, as its new ID3 tag will."""
        if file.tags is None:
            file.add_tags()
            tags: Any = file.tags
            tags.version = (1, 1)  # as where ID3v1 is all there is
        self.take_over(file, stream)


def add_text(tags: ID3Tags, name: str, texts: list[str]) -> None:
    """Add a frame of text to a tag; of a date only the year, which every version has room for."""
    if name == "COMM":
        tags.add(COMM(encoding=3, lang="eng", desc="", text=texts))
    elif name != "TDRC":
        tags.add(Frames[name](encoding=3, text=texts))
    elif re.match("[0-9]{4}", texts[0]):
        tags.delall("TYER")  # what ID3v1 said
        tags.add(TDRC(encoding=3, text=texts[0][:4]))


def name_comment(tags: ID3Tags, *, only_twice: bool = False) -> None:
    """Give a comment of ID3v1 the name that players look for, none, in place of mutagen's.

    Parameters
    ----------
    only_twice : bool
        Only where ID3v2 has the same comment under that name.
    """
    plain = [frame.text for frame in tags.getall("COMM") if not frame.desc]
    for frame in tags.getall("COMM:ID3v1 Comment"):
        if frame.text in plain:
            tags.delall(frame.HashKey)
        elif not only_twice:
            tags.delall(frame.HashKey)
            frame.desc = ""
            tags.add(frame)


def _converts(tags: ID3Tags, path: str) -> bool:
    """Whether mutagen understands every frame, so that another version can have them all."""
    with open(path, "rb") as stream:
        tag = stream.read(tags.size)
    if not tag.startswith(b"ID3"):  # in a chunk
        return not tags.unknown_frames
    plain = not any(frame.FrameID in _UNCONVERTED for frame in tags.values())
    return plain and not tags.unknown_frames and id3_bytes.count_frames(tag) == len(tags)


def frames_of(tags: ID3Tags, custom: Collection[str] = ()) -> dict[str, Any]:
    """Frames by key, but the genre and these fields; how a text is encoded is not what it says."""
    written = {"tcon", "txxx:genre", *(f"txxx:{name}".casefold() for name in custom)}
    written |= {"tmoo"} if MOOD in custom else set()
    return {
        key: {
            name: frames_of(value, custom) if isinstance(value, ID3Tags) else value
            for name, value in vars(frame).items()
            if name != "encoding"
        }
        for key, frame in tags.items()
        if key.casefold() not in written
    }
