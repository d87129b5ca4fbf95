"""ID3, which several families of formats hold their tags in.

The genre is the frame ``TCON``, our own fields are ``TXXX``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mutagen.id3 import ID3Tags

from transforms.records import FileTags
from transforms.tags import id3_bytes
from transforms.tags.form import OWN_FIELDS, TagForm

# Of a new tag: some players know no ID3v2.4 (docs/players.md).
_NEW_VERSION = 3
_OWN_FRAMES = tuple(f"txxx:{name}".casefold() for name in OWN_FIELDS)


def read(file: Any, form: TagForm) -> FileTags:
    """Read a file's ID3 tag; see `Family`."""
    tags = file.tags
    if tags is None:
        return FileTags()
    title, artist, album = (_first_text(tags, key) for key in ("TIT2", "TPE1", "TALB"))
    custom = ((name, tags.getall(f"TXXX:{name}")) for name in OWN_FIELDS)
    return FileTags(
        title=title,
        artist=artist,
        album=album,
        genres=tuple(genres_of(tags, form)),
        custom=tuple((name, str(frames[0])) for name, frames in custom if frames),
    )


def genres_of(tags: ID3Tags, form: TagForm) -> list[str]:
    """Genres by name.

    Parameters
    ----------
    tags : ID3Tags
    form : TagForm

    Returns
    -------
    list of str
    """
    # `genres` resolves numbers, "(17)", "RX" and "CR".
    genres = [genre for frame in tags.getall("TCON") for genre in frame.genres]
    if form.separator != "\0" and tags.version[:2] != (2, 4):
        genres = [part for genre in genres for part in genre.split(form.separator)]
    return genres


def _first_text(tags: ID3Tags, key: str) -> str | None:
    frame = tags.get(key)
    texts = list(frame.text) if frame is not None else []
    return str(texts[0]) if texts else None


def others(file: Any) -> dict[str, Any]:
    """All frames but ours; see `Family`."""
    return frames(file.tags) if file.tags is not None else {}


def frames(tags: ID3Tags) -> dict[str, Any]:
    """Frames by key, without ours and without their text encoding, which changes no text.

    Parameters
    ----------
    tags : ID3Tags

    Returns
    -------
    dict of str to dict
        A frame's attributes by name.
    """
    return {
        key: {
            name: frames(value) if isinstance(value, ID3Tags) else value
            for name, value in vars(frame).items()
            if name != "encoding"
        }
        for key, frame in tags.items()
        if key != "TCON" and key.casefold() not in _OWN_FRAMES
    }


def _nothing(file: Any) -> None:
    """What most new tags take over from another tag."""


def write(
    file: Any,
    genres: Sequence[str],
    custom: Mapping[str, str],
    form: TagForm,
    *,
    take_over: Callable[[Any], None] = _nothing,
) -> None:
    """Write the tag in front of a file, and the genre of an ID3v1 tag behind it.

    Parameters
    ----------
    file, genres, custom, form
        See `Family`.
    take_over : callable
        See `write_frames`.

    Raises
    ------
    ValueError
        If a tag cannot be changed safely.
    """
    path = file.filename
    block = id3_bytes.read_v1(path)
    if not block:
        write_frames(file, genres, custom, form, take_over=take_over)
        return
    # mutagen would write all of ID3v1 anew from ID3v2; only its genre may change.
    write_frames(file, genres, custom, form, take_over=take_over, v1=0)
    id3_bytes.append_v1(path, block, genres)


def write_frames(
    file: Any,
    genres: Sequence[str],
    custom: Mapping[str, str],
    form: TagForm,
    *,
    take_over: Callable[[Any], None] = _nothing,
    **saving: Any,
) -> None:
    """Write the genre and our own fields into an ID3v2 tag, wherever its container has it.

    Parameters
    ----------
    file, genres, custom, form
        See `Family`.
    take_over : callable
        ``take_over(file)`` adds to a new tag what it shall say beside the genre.
    **saving
        For the ``save`` of mutagen's file.

    Raises
    ------
    ValueError
        If the tag cannot be changed safely.
    """
    path, kind = file.filename, type(file)
    found = file.tags.version[1] if file.tags is not None and file.tags.version[0] == 2 else None
    wanted = None if form.id3_version == "keep" else int(form.id3_version[-1])
    version = wanted or found or _NEW_VERSION
    converted = found is not None and version != found
    if converted and not _converts(kind(path, translate=False).tags, path):
        raise ValueError(f"a change to ID3v2.{version} would lose some of its frames")
    # Opened again, because by default mutagen turns every frame into its ID3v2.4 form. A new
    # tag takes over what ID3v1 says, in frames of the new tag's version.
    file = kind(
        path,
        translate=converted or (found is None and version == 3),
        v2_version=max(3, version),
        load_v1=found is None,
    )
    if file.tags is None:
        file.add_tags()
    if found is None:
        take_over(file)
        if version == 3:
            file.tags.update_to_v23()
    texts = [id3_bytes.Text("genre", tuple(genres))]
    texts += [id3_bytes.Text("custom", (value,), name) for name, value in custom.items()]
    _exchange_on_saving(file.tags, texts, form.separator, anew=converted)
    file.save(v2_version=max(3, version), v23_sep=None, **saving)


def _exchange_on_saving(
    tags: ID3Tags, texts: Sequence[id3_bytes.Text], separator: str, *, anew: bool
) -> None:
    """Have mutagen save the tag that is in the file, with these texts exchanged.

    mutagen makes room in the container and writes what its `_prepare_data` gives. Its own tag
    is the base only where there was none, or where all frames are to be written `anew`.
    """
    prepare = tags._prepare_data

    def exchanged(fileobj: Any, start: int, available: int, *choices: Any) -> bytes:
        fileobj.seek(start)
        tag = fileobj.read(available)
        if anew or not tag.startswith(b"ID3"):
            tag = prepare(fileobj, start, available, *choices)
            available = len(tag)
        return id3_bytes.exchange(tag, texts, separator=separator, room=available)

    tags._prepare_data = exchanged


def _converts(tags: ID3Tags, path: str) -> bool:
    """Whether mutagen understands every frame, so that none is lost in another version."""
    with open(path, "rb") as stream:
        tag = stream.read(tags.size)
    if not tag.startswith(b"ID3"):  # in a chunk
        return not tags.unknown_frames
    plain = not any(frame.FrameID in ("ENCR", "GRID") for frame in tags.values())
    return plain and not tags.unknown_frames and id3_bytes.count_frames(tag) == len(tags)
