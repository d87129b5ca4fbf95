"""Files with the same recording as an HTML page, to play before one is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrebeam.pipeline.by_ear.duplicates import Group
from genrebeam.pipeline.views.by_ear import quality, size
from genrebeam.pipeline.views.web_page import made_in, write_web_page
from genrebeam.transforms.records import printable


def write_duplicates_page(groups: Sequence[Group], model: str, path: str) -> None:
    """Write the page.

    Parameters
    ----------
    model : str
        Name and version of what made the embeddings.
    path : str
        Absolute, of the HTML file, whole or not at all; one that is there is replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    spare = [row["size_bytes"] for group in groups for row in group.tracks[1:]]
    write_web_page(
        path,
        "duplicates.html.j2",
        ["player.js", "duplicates.js"],
        model=model,
        groups=[_shown(group) for group in groups],
        n_spare=len(spare),
        spare=size(sum(spare)),
        data={"made_in": made_in(path)},
    )


def _shown(group: Group) -> dict[str, Any]:
    best = group.tracks[0]
    return {
        "likeness": group.likeness,
        "title": best.get("title") or best["uri"].rpartition("/")[2],
        "artist": best.get("artist"),
        "files": [
            {
                "path": printable(row["uri"]),
                "seconds": -1 if row["duration_s"] is None else round(row["duration_s"]),
                "facts": [fact for fact in quality(row) if fact],
            }
            for row in group.tracks
        ],
    }
