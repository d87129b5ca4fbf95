"""MP4: genres in ``\\xa9gen``, our own fields as freeform atoms."""

from __future__ import annotations

from typing import Any

from mutagen.mp4 import MP4, MP4FreeForm
from mutagen.mp4._atom import Atoms

from genrebeam.transforms.tags.formats.mapping import Mapped


class Mp4(Mapped):
    """MP4 files, such as m4a and m4b."""

    kinds = (MP4,)
    text = ("\xa9nam", "\xa9ART", "\xa9alb", "aART")
    genre, custom = "\xa9gen", "----:com.apple.iTunes:{}"

    def wrap(self, text: str) -> Any:
        return MP4FreeForm(text.encode("utf-8"))

    def others(self, file: Any) -> Any:
        tags = file.tags or {}
        failed = getattr(tags, "_failed_atoms", {})
        return {key: value for key, value in tags.items() if not self.is_ours(key)}, failed

    def check(self, file: Any) -> None:
        """Refuse MP4 whose atoms reach beyond their parents: mutagen would write over the next."""
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
