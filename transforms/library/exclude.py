"""Exclude: names in a library that are no music of the user's."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

# Folders that servers, systems and archives keep beside the music: thumbnails with the names of
# songs, what was deleted, older states. Names with a dot are hidden anyway.
_NOT_MUSIC = re.compile(
    r"@eadir|@__thumb|@tmp|@appstore|@recycle|@recently-snapshot|@sharesnap|@snapshots?"
    r"|#recycle|#snapshots?|~snapshot|\$recycle\.bin|recycle\.bin|recycler|recycled|lost\+found"
    r"|lost\.dir|found\.\d{3}|__macosx|system volume information|network trash folder"
    r"|temporary items|thevolumesettingsfolder|msdownld\.tmp",
    re.IGNORECASE,
)


def is_no_music(name: str) -> bool:
    """Whether a folder of this name holds no music of the user's.

    Examples
    --------
    >>> is_no_music("@eaDir"), is_no_music("Recycled Songs")
    (True, False)
    """
    return name.startswith(".") or _NOT_MUSIC.fullmatch(name) is not None


class Exclude:
    """Tells what the user does not want to be looked at.

    Parameters
    ----------
    patterns : sequence of str
        As in a ``.gitignore`` file in the library's folder.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.patterns = tuple(patterns)

    def __call__(self, inside: str, *, is_folder: bool = False) -> bool:
        """Whether a path, as seen from the library, is excluded."""
        if not self.patterns:
            return False
        return _compiled(self.patterns).match_file(f"{inside}/" if is_folder else inside)


@functools.cache
def _compiled(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns)
