r"""MP4: genres in ``\xa9gen``, our own fields and the mood as freeform atoms.

mutagen reads the facts of the sound; the tags are our own work (``mp4_boxes.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, BinaryIO

from mutagen._util import loadfile
from mutagen.mp4 import MP4, AtomError, Atoms, MP4Info, MP4NoTrackError, MP4StreamInfoError

from genrebeam.transforms.tags.edges import Window
from genrebeam.transforms.tags.formats.format import CONFIDENCE, MODEL, MOOD, Format, TagForm
from genrebeam.transforms.tags.mp4_boxes import Boxes

_TAGS = (b"udta", b"meta")
_TEXT = ("\xa9nam", "\xa9ART", "\xa9alb", "aART")
_YEAR = ("\xa9day",)


class Song(MP4):
    """A file as mutagen has it, but tags are read from its boxes: no odd tag makes it damaged."""

    @loadfile()
    def load(self, filething: Any) -> None:
        self.boxes = Boxes(filething.fileobj)
        # mutagen need not see the tags, some of which it takes for damage.
        tags = [box for top in self.boxes.top for box in top.below() if box.name in _TAGS]
        without = Window(
            filething.fileobj, 0, self.boxes.size, {box.start + 4: b"free" for box in tags}
        )
        try:
            self.info = MP4Info()
            self.info.load(Atoms(without), without)
        except AtomError as error:
            raise MP4StreamInfoError(f"not a MP4 file: {error}") from error
        except MP4NoTrackError:
            pass
        self.tags = None
        if self.boxes.has_tags:
            self.tags = {key: self.boxes.texts(key.encode("latin-1")) for key in (*_TEXT, *_YEAR)}
            self.tags["genre"] = self.boxes.genres()
            self.tags |= {name: self.boxes.freeform(name) for name in (CONFIDENCE, MODEL, MOOD)}


class Mp4(Format):
    """MP4 files, such as m4a and m4b."""

    kinds = (MP4,)
    text = _TEXT
    year = _YEAR

    def read(self, tags: Any, form: TagForm) -> list[str]:
        return list(tags["genre"])

    def read_custom(self, tags: Any, name: str) -> str | None:
        return next(iter(tags[name]), None)

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        with open(file.filename, "r+b") as stream:
            boxes = Boxes(stream)
            boxes.put(genres, dict(custom))
            boxes.write(stream)

    def others(self, file: Any, custom: Collection[str]) -> Any:
        with open(file.filename, "rb") as stream:
            return Boxes(stream).others(tuple(custom))

    def second_genres(self, stream: BinaryIO) -> tuple[str, ...]:
        said = [place.genres for place in Boxes(stream).places()]
        return tuple(dict.fromkeys(genre for genres in said for genre in genres))
