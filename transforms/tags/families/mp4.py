"""MP4 (m4a): atoms; our own fields are free-form atoms in the way of iTunes."""

from __future__ import annotations

from typing import Any

from mutagen.mp4 import MP4, MP4FreeForm
from mutagen.mp4._atom import Atoms

from transforms.records import FileTags
from transforms.tags.errors import NoTagField
from transforms.tags.family import Family
from transforms.tags.form import TagForm
from transforms.tags.keyed_tags import Keys

_KEYS = Keys(
    title="\xa9nam",
    artist="\xa9ART",
    album="\xa9alb",
    genre="\xa9gen",
    custom="----:com.apple.iTunes:{}",
    value=lambda text: MP4FreeForm(text.encode("utf-8")),
)


def _read(file: Any, form: TagForm) -> FileTags:
    if file.info.codec.startswith("drms"):
        reason = "a song that is protected from copying (DRM), bought as .m4p"
        raise NoTagField(file.filename, reason)
    return _KEYS.read(file, form)


def _others(file: Any) -> Any:
    tags = file.tags or {}
    failed = getattr(tags, "_failed_atoms", {})
    return {key: value for key, value in tags.items() if not _KEYS.is_ours(key)}, failed


def _check(file: Any) -> None:
    """Refuse atoms that reach beyond their parents: mutagen would write over the next."""
    with open(file.filename, "rb") as stream:
        atoms = Atoms(stream).atoms
        stream.seek(0, 2)
        waiting = [(atom, stream.tell()) for atom in atoms]
    while waiting:
        atom, limit = waiting.pop()
        end = atom.offset + atom.length
        if end > limit:
            raise ValueError(f"its atom {atom.name!r} reaches into what follows")
        waiting += [(child, end) for child in atom.children or []]


FAMILY = Family(kinds=(MP4,), read=_read, write=_KEYS.write, others=_others, check=_check)
