"""Files whose format has no place for a genre, with tags around it that say one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from genrebeam.transforms.tags.formats.format import Format, TagForm


class Bare(Format):
    """Such as raw AAC with an ID3v2 tag before it; ``edges.py`` changes what is there."""

    text = ("", "", "", "")
    year = ()

    def read(self, tags: Any, form: TagForm) -> list[str]:
        return []

    def read_custom(self, tags: Any, name: str) -> str | None:
        return None

    def write(
        self, file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
    ) -> None:
        pass

    def others(self, file: Any, custom: Collection[str]) -> Any:
        return None
