"""World: short excerpts of published recordings of all families, one folder a family.

``labels.csv`` names the family of each, families that are as right, and whether artist and title
leave no doubt. Nobody may pass the recordings on.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from genrebeam.model.data.training_set import DatasetError

LABELS_FILE = "labels.csv"


@dataclass(frozen=True)
class Excerpt:
    """An excerpt and what is known of it.

    Parameters
    ----------
    families : tuple of str
        The family, then those that are as right.
    style : str
        Empty where nobody knows more than the family.
    artist, source : str
        Keys: music of one artist, or of one collection, is alike.
    sure : bool
        Whether the label is beyond doubt.
    """

    path: Path
    families: tuple[str, ...]
    style: str
    artist: str
    source: str
    sure: bool


def read_world(folder: str | Path) -> list[Excerpt]:
    """The excerpts of a folder.

    Raises
    ------
    DatasetError
        If it has no labels, or these are of another form.
    """
    folder = Path(folder)
    try:
        with open(folder / LABELS_FILE, encoding="utf-8", newline="") as stream:
            return [_excerpt(folder, row) for row in csv.DictReader(stream)]
    except OSError as error:
        raise DatasetError(folder, f"{LABELS_FILE} cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(folder, f"{LABELS_FILE} is of another form: {error}") from error


def _excerpt(folder: Path, row: dict[str, str]) -> Excerpt:
    return Excerpt(
        path=folder / row["path"],
        families=tuple(filter(None, [row["family"], row["also"]])),
        style=row["style"],
        artist=row["artist"],
        source=row["source"],
        sure=row["sure"] == "yes",
    )
