"""Every option of the tagging job, once, with its default, its help and its check.

Nothing here imports Beam, so that ``--help`` answers at once; ``tagging.TaggingOptions``
hands the same options to Beam.
"""

from __future__ import annotations

import argparse

from transforms.records import CATCH_ALL, EXISTING, ID3_VERSIONS, LEVELS, VOTE_RULES

DEFAULT_REPORT = "genre-report"


class UsageError(Exception):
    """Something that the user asked for and that cannot be; told in one line."""


def count(text: str) -> int:
    """A whole number from 1 up, as the type of an argument."""
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
    from transforms.library.formats import FORMATS

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
    genres = parser.add_argument_group("which genres are written")
    genres.add_argument(
        "--existing",
        choices=EXISTING,
        default="keep",
        help="a genre that a file has already: keep it and do not listen, add ours to it, "
        "or replace it (default: %(default)s)",
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
        help="most genres a track gets; a second one has to be likely too (default: %(default)s)",
    )
    genres.add_argument(
        "--level",
        choices=LEVELS,
        default=None,
        help="how finely genres are told, by models that know both: a style such as Punk where "
        "it is sure enough, or always its family, Rock (default: the model's own)",
    )
    genres.add_argument(
        "--min-confidence",
        type=_probability,
        default=None,
        metavar="P",
        help="refuse a track whose best genre is less probable than this, from 0 to 1 "
        "(default: the model's own)",
    )
    genres.add_argument(
        "--max-genres",
        type=count,
        default=None,
        metavar="N",
        help="most genres a file has after merging (default: no limit)",
    )
    genres.add_argument(
        "--treat-as-missing",
        type=_names,
        default=(),
        metavar="LIST",
        help="genres that count as none, such as 'Other,Misc'; 'default' stands for "
        f"{', '.join(CATCH_ALL)} (default: none)",
    )
    genres.add_argument(
        "--taxonomy",
        metavar="FILE",
        default=None,
        help="TOML file that renames genres, drops them, or maps them to parents (default: none)",
    )
    tags = parser.add_argument_group("how they are written")
    tags.add_argument(
        "--write-confidence",
        action="store_true",
        help="also write GENREBEAM_CONFIDENCE and GENREBEAM_MODEL into the tags",
    )
    tags.add_argument(
        "--id3-version",
        choices=ID3_VERSIONS,
        default="keep",
        help="version of ID3 tags: the file's own (a new tag gets 2.3), or this one "
        "(default: %(default)s)",
    )
    tags.add_argument(
        "--separator",
        type=_separator,
        default="null",
        metavar="TEXT",
        help="between several genres before ID3v2.4: null, or a text such as '; ' "
        "(default: %(default)s)",
    )
    tags.add_argument(
        "--keep-mtime",
        action="store_true",
        help="give changed files their old time back",
    )
    tags.add_argument(
        "--in-place-links",
        action="store_true",
        help="change files with several hard links in place, where their tags have room",
    )
    hearing = parser.add_argument_group("how files are heard")
    hearing.add_argument(
        "--segments",
        type=_segments,
        default=-1,
        metavar="N|all",
        help="segments of each track to listen to, spread evenly (default: the model's own)",
    )
    hearing.add_argument(
        "--vote",
        choices=VOTE_RULES,
        default=None,
        help="how a track's segments decide: mean probability, or more than half of the votes "
        "(default: the model's own)",
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
        help="folder of the model to use, or the name of one that comes with genrebeam: default "
        "or gtzan (default: default)",
    )
    hearing.add_argument(
        "--processes",
        type=count,
        default=None,
        metavar="N",
        help="processes that decode (default: one per CPU)",
    )
    which = parser.add_argument_group("which files are looked at")
    which.add_argument(
        "--incremental",
        action="store_true",
        default=True,
        help="leave out what an earlier run settled (the default; --no-incremental looks at "
        "every file again)",
    )
    which.add_argument(
        "--retry-failed",
        action="store_true",
        help="only files that failed when they were last looked at; what is in a folder that "
        "could not be read is taken by the next full run",
    )
    report = parser.add_argument_group("report")
    report.add_argument(
        "--report",
        metavar="DIR",
        default=DEFAULT_REPORT,
        help="home of all reports over this library; each run adds to it (default: %(default)s)",
    )
    report.add_argument(
        "--embeddings",
        action="store_true",
        help="the report also has the network's embedding of each track that is heard",
    )
