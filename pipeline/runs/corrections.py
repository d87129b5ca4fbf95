"""Corrections: what a person chose on a report page, as the page saves it.

::

    {"genrebeam_corrections": 1,
     "report": "/home/you/genre-report",
     "choices": [{"uri": "/home/you/Music/song.mp3", "run": "20261120T101500.123Z-3fa9",
                  "choice": "corrected", "genres": ["Punk"], "in_file": ["Rock"]}]}

The file may come from anybody, so nothing in it is believed: it is checked as a whole here, and
each choice is compared with the report and with the file before anything is written.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from genrebeam.model.errors import PathError
from genrebeam.transforms.genre.taxonomy import unwritable

FORMAT = 1
KINDS = ("corrected", "accepted")
# 50,000 choices take about 12 MB.
_MOST_BYTES = 256 * 2**20
_MOST_GENRES = 20
_LONGEST_GENRE = 200


class CorrectionsError(PathError):
    """A file of corrections that cannot be used."""


@dataclass(frozen=True)
class Choice:
    """What a person chose for one file.

    Parameters
    ----------
    uri : str
        The file, as its report names it.
    run : str
        Id of the run whose report was shown.
    kind : {"corrected", "accepted"}
        Whether the person chose other genres, or agreed with those shown.
    genres : tuple of str
        That the file shall have.
    in_file : tuple of str
        That it had, as far as the report knew.
    """

    uri: str
    run: str
    kind: str
    genres: tuple[str, ...]
    in_file: tuple[str, ...]


@dataclass(frozen=True)
class Corrections:
    """A file of corrections.

    Parameters
    ----------
    report : str
        The report folder that the page was about.
    choices : tuple of Choice
        One for each file.
    """

    path: str
    report: str
    choices: tuple[Choice, ...]


def read_corrections(path: str) -> Corrections:
    """Read and check a file of corrections.

    Raises
    ------
    CorrectionsError
        If it cannot be read, or anything in it is not as the page saves it.
    """
    try:
        with open(path, "rb") as stream:
            text = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CorrectionsError(path, f"cannot be read ({error.strerror})") from error
    if len(text) > _MOST_BYTES:
        raise CorrectionsError(path, f"larger than {_MOST_BYTES >> 20} MB")
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorrectionsError(path, "not JSON") from error
    if not isinstance(facts, dict) or "genrebeam_corrections" not in facts:
        raise CorrectionsError(path, "not corrections that a report page has saved")
    version = facts["genrebeam_corrections"]
    if version is True or version != FORMAT:
        known = f"this program knows version {FORMAT}"
        raise CorrectionsError(path, f"corrections of version {_brief(version)}; {known}")
    report: Any = facts.get("report")
    choices = facts.get("choices")
    if not _is_text(report) or not (os.path.isabs(report) or "://" in report):
        raise CorrectionsError(path, '"report" is not the path of a report folder')
    if not isinstance(choices, list):
        raise CorrectionsError(path, '"choices" is not a list')
    found: dict[str, Choice] = {}
    for number, entry in enumerate(choices, 1):
        choice = _choice(entry)
        if isinstance(choice, str):
            raise CorrectionsError(path, f"choice {number}: {choice}")
        if choice.uri in found:
            raise CorrectionsError(path, f"choice {number}: a second one for {choice.uri}")
        found[choice.uri] = choice
    return Corrections(path, report, tuple(found.values()))


def _choice(entry: Any) -> Choice | str:
    """A choice, or why it is none."""
    if not isinstance(entry, dict):
        return "not an object"
    for name in ("uri", "run"):
        if not _is_text(entry.get(name)):
            return f'"{name}" is not a text'
    if entry.get("choice") not in KINDS:
        return f'"choice" is neither {" nor ".join(KINDS)}'
    for name in ("genres", "in_file"):
        genres = entry.get(name)
        if not isinstance(genres, list) or not all(isinstance(genre, str) for genre in genres):
            return f'"{name}" is not a list of genres'
    genres = entry["genres"]
    if not 1 <= len(genres) <= _MOST_GENRES:
        return f"{len(genres)} genres; 1 to {_MOST_GENRES} can be written"
    for genre in genres:
        if len(genre) > _LONGEST_GENRE:
            return f"a genre of {len(genre):,} characters; at most {_LONGEST_GENRE} can be written"
        if not genre or (why := unwritable(genre)):
            return f"the genre {genre!r} {why}" if genre else "a genre without a name"
    in_file = tuple(entry["in_file"])
    return Choice(entry["uri"], entry["run"], entry["choice"], tuple(genres), in_file)


def _is_text(value: Any) -> bool:
    """Whether it is a text that files and terminals can hold."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _brief(value: Any) -> str:
    return repr(value)[:40]
