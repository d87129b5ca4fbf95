"""Every option of the tagging job, once: its default, its help and its check.

Nothing here imports Beam, so that ``--help`` answers at once; ``tagging.TaggingOptions``
hands the same options to Beam.
"""

from __future__ import annotations

import argparse

from genrebeam.transforms.records import (
    CATCH_ALL,
    CONSISTENT,
    EXISTING,
    ID3_VERSIONS,
    LEVELS,
    VOTE_RULES,
)

DEFAULT_REPORT = "genre-report"


class UsageError(Exception):
    """A request that cannot be met; its message is one line for the user."""


def count(text: str) -> int:
    """Parse a whole number from 1 up; the type of an argument."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return value


def _segments(text: str) -> int | None:
    return None if text == "all" else count(text)


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _names(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(n for name in names for n in (CATCH_ALL if name == "default" else (name,)))


def _separator(text: str) -> str:
    if not text or "/" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not null or a text without a slash")
    return "\0" if text == "null" else text


def _formats(text: str) -> tuple[str, ...]:
    from genrebeam.transforms.library.formats import FORMATS

    wanted = tuple(name.strip().lower().lstrip(".") for name in text.split(",") if name.strip())
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        known = ", ".join(sorted(FORMATS))
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown) or text!r}: unknown format; known are {known}"
        )
    return wanted


def add_tagging_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the tagging job.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    genres = parser.add_argument_group("which genres to write")
    genres.add_argument(
        "--existing",
        choices=EXISTING,
        default="keep",
        help="if a file has a genre: keep it without listening, add ours to it, or replace it "
        "(default: %(default)s)",
    )
    genres.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing into the library; the report says what would be written",
    )
    genres.add_argument(
        "--top-k",
        type=count,
        default=1,
        metavar="N",
        help="write up to N genres; a second one must be likely too (default: %(default)s)",
    )
    genres.add_argument(
        "--level",
        choices=LEVELS,
        default=None,
        help="write a style such as Punk where the model is sure enough, or always its family, "
        "Rock; for models that know both (default: the model's own)",
    )
    genres.add_argument(
        "--min-confidence",
        type=_probability,
        default=None,
        metavar="P",
        help="refuse a track if its best genre is less probable than P, from 0 to 1 "
        "(default: the model's own)",
    )
    genres.add_argument(
        "--max-genres",
        type=count,
        default=None,
        metavar="N",
        help="add no genre to a file beyond N; existing ones stay (default: no limit)",
    )
    genres.add_argument(
        "--treat-as-missing",
        type=_names,
        default=(),
        metavar="LIST",
        help="ignore these genres in files, such as 'Other,Misc'; 'default' stands for "
        f"{', '.join(CATCH_ALL)} (default: none)",
    )
    genres.add_argument(
        "--taxonomy",
        metavar="FILE",
        default=None,
        help="TOML file that renames, merges or drops genres (default: none)",
    )
    tags = parser.add_argument_group("how to write them")
    tags.add_argument(
        "--write-confidence",
        action="store_true",
        help="also write GENREBEAM_CONFIDENCE and GENREBEAM_MODEL into the tags",
    )
    add_writing_arguments(tags)
    hearing = parser.add_argument_group("how to listen")
    hearing.add_argument(
        "--segments",
        type=_segments,
        default=-1,
        metavar="N|all",
        help="number of segments to hear of each track, spread evenly (default: the model's own)",
    )
    hearing.add_argument(
        "--vote",
        choices=VOTE_RULES,
        default=None,
        help="how a track's segments decide: mean probability, or a majority of the votes "
        "(default: the model's own)",
    )
    hearing.add_argument(
        "--consistent",
        choices=CONSISTENT,
        default="off",
        help="let the tracks of an album, or of an artist, vote together; a track that sounds "
        "unlike the others votes alone (default: %(default)s)",
    )
    hearing.add_argument(
        "--formats",
        type=_formats,
        default=None,
        metavar="LIST",
        help="only these file types, such as mp3,flac (default: all that can be decoded)",
    )
    hearing.add_argument(
        "--bundle",
        metavar="DIR",
        default=None,
        help="the model: a folder, or one that comes with genrebeam, default or gtzan "
        "(default: default)",
    )
    hearing.add_argument(
        "--processes",
        type=count,
        default=None,
        metavar="N",
        help="number of decoding processes (default: one per CPU)",
    )
    which = parser.add_argument_group("which files to process")
    which.add_argument(
        "--incremental",
        action="store_true",
        default=True,
        help="skip files that are unchanged since an earlier run with the same model and options "
        "(the default; --no-incremental takes every file again)",
    )
    which.add_argument(
        "--retry-failed",
        action="store_true",
        help="only files that failed in their last run; files in a folder that could not be "
        "read are left to the next full run",
    )
    report = parser.add_argument_group("report")
    report.add_argument(
        "--report",
        metavar="DIR",
        default=DEFAULT_REPORT,
        help="folder of all reports on this library; each run adds to it (default: %(default)s)",
    )
    report.add_argument(
        "--embeddings",
        action="store_true",
        help="also store the network's embedding of each track that is heard",
    )


def add_writing_arguments(tags: argparse._ActionsContainer) -> None:
    """Declare the options of every command that writes genres.

    Parameters
    ----------
    tags : argparse.ArgumentParser or a group of its arguments
    """
    tags.add_argument(
        "--id3-version",
        choices=ID3_VERSIONS,
        default="keep",
        help="ID3 version to write: the file's own (a new tag gets 2.3), or this one "
        "(default: %(default)s)",
    )
    tags.add_argument(
        "--separator",
        type=_separator,
        default="null",
        metavar="TEXT",
        help="text between several genres before ID3v2.4: null, or a text such as '; ' "
        "(default: %(default)s)",
    )
    tags.add_argument(
        "--keep-mtime",
        action="store_true",
        help="keep the modification time of changed files",
    )
    tags.add_argument(
        "--in-place-links",
        action="store_true",
        help="change files with several hard links in place, if the genre fits into their tag",
    )
