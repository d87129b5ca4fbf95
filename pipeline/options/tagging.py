"""The options of the tagging job. Nothing here imports Beam, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from genrebeam.pipeline.options.option import (
    COUNT,
    FOLDER,
    PROBABILITY,
    SECONDS,
    Group,
    Kind,
    count,
    names,
    option,
)
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.records import (
    CATCH_ALL,
    CONSISTENT,
    EXISTING,
    ID3_VERSIONS,
    LEARN_FROM,
    LEVELS,
    MOOD,
    STYLES,
    VOTE_RULES,
)

if TYPE_CHECKING:
    from genrebeam.transforms.tags.formats.format import TagForm
    from genrebeam.transforms.tags.rewrite import WritePolicy


def _segments(text: str) -> int | str:
    return text if text == "all" else count(text)


def _missing(text: str) -> tuple[str, ...]:
    return tuple(n for name in names(text) for n in (CATCH_ALL if name == "default" else (name,)))


def _separator(text: str) -> str:
    if not text or "/" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not null or a text without a slash")
    return text


def _patterns(text: str) -> tuple[str, ...]:
    from pathspec import GitIgnoreSpec

    patterns = names(text)
    try:
        GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of patterns ({error})") from error
    return tuple(patterns)


def _formats(text: str) -> tuple[str, ...]:
    wanted = tuple(name.lower().lstrip(".") for name in names(text))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        known = ", ".join(sorted(FORMATS))
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown) or text!r}: unknown format; known are {known}"
        )
    return wanted


_FORMAT = f"({'|'.join(sorted(FORMATS))})"


@dataclass(frozen=True)
class WritingOptions:
    """The options of every command that writes genres."""

    id3_version: str = option(
        "ID3 version to write: the file's own (a new tag gets 2.3), or this one "
        "(default: %(default)s)",
        "keep",
        Group.TAGS,
        choices=ID3_VERSIONS,
        decides=True,
        settable_by_library=True,
    )
    separator: str = option(
        "text between several genres before ID3v2.4: null, or a text such as '; ' "
        "(default: %(default)s)",
        "null",
        Group.TAGS,
        kind=Kind("TEXT", "[^/]+", _separator),
        decides=True,
        settable_by_library=True,
    )
    keep_mtime: bool = option(
        "keep the modification time of changed files", False, Group.TAGS, settable_by_library=True
    )
    in_place_links: bool = option(
        "change files with several hard links in place, if the genre fits into their tag",
        False,
        Group.TAGS,
    )

    @property
    def form(self) -> TagForm:
        """How a genre is written into a tag."""
        from genrebeam.transforms.tags.formats.format import TagForm

        return TagForm(self.id3_version, "\0" if self.separator == "null" else self.separator)

    @property
    def write(self) -> WritePolicy:
        """How a file is replaced."""
        from genrebeam.transforms.tags.rewrite import WritePolicy

        return WritePolicy(self.keep_mtime, self.in_place_links)


@dataclass(frozen=True)
class TaggingOptions(WritingOptions):
    """The options of ``genrebeam tag``.

    Those that each model has its own default of are None until `check_job` has loaded the model;
    the annotated type is that of a checked job.
    """

    existing: str = option(
        "what to do with existing genres: keep them (no analysis), merge ours with them, replace "
        "them, or clean: only apply the taxonomy to them, no analysis (default: %(default)s)",
        "keep",
        Group.GENRES,
        choices=EXISTING,
        decides=True,
        plan={
            "keep": "existing genres stay",
            "merge": "new genres are added to existing ones",
            "replace": "new genres replace existing ones",
            "clean": "nothing is analysed; the taxonomy is applied to existing genres",
        }.get,
    )
    dry_run: bool = option(
        "write nothing into the library; the report says what would be written",
        False,
        Group.GENRES,
        short="n",
        plan=lambda on: "dry run: nothing is written into the library" if on else "",
    )
    top_k: int = option(
        "write up to N genres; a second one must be likely too (default: %(default)s)",
        1,
        Group.GENRES,
        kind=COUNT,
        decides=True,
        settable_by_library=True,
        plan=lambda most: f"up to {most} genres for each file" if most > 1 else "",
    )
    level: str = option(
        "write a style such as Punk where the model is sure enough, or always its family, "
        "Rock, or both as two genres; for models that know both (default: the model's own)",
        None,
        Group.GENRES,
        choices=LEVELS,
        decides=True,
        settable_by_library=True,
        bundle_attribute="level",
    )
    styles: str = option(
        "styles that may be written: those whose accuracy is known, see the model card, or all "
        "(default: %(default)s)",
        "checked",
        Group.GENRES,
        choices=STYLES,
        decides=True,
        settable_by_library=True,
    )
    min_confidence: float = option(
        "leave a track without a genre, as unsure, if its likeliest genre is less probable than P, "
        "from 0 to 1 (default: the model's own)",
        None,
        Group.GENRES,
        kind=PROBABILITY,
        decides=True,
        settable_by_library=True,
        bundle_attribute="min_confidence",
        plan=lambda least: f"unsure below a confidence of {least:.2f}" if least else "",
    )
    max_genres: int | None = option(
        "add no genre to a file beyond N; existing ones stay (default: no limit)",
        None,
        Group.GENRES,
        kind=COUNT,
        decides=True,
        settable_by_library=True,
    )
    treat_as_missing: tuple[str, ...] = option(
        "existing genres that count as missing, such as 'Other,Misc'; with '' none does "
        f"(default: default, which stands for {', '.join(CATCH_ALL)})",
        CATCH_ALL,
        Group.GENRES,
        kind=Kind("LIST", "[^,]+(,[^,]+)*", _missing),
        decides=True,
    )
    taxonomy: str | None = option(
        "TOML file that renames, merges, drops or lists genres (default: none)",
        None,
        Group.GENRES,
        kind=Kind("FILE", r"/.+\.toml"),
        decides=True,
    )
    write_confidence: bool = option(
        "also write GENREBEAM_CONFIDENCE and GENREBEAM_MODEL into the tags",
        False,
        Group.TAGS,
        decides=True,
        settable_by_library=True,
    )
    segments: int | Literal["all"] = option(
        "number of segments to analyse of each track, spread evenly (default: the model's own)",
        None,
        Group.ANALYSIS,
        kind=Kind("N|all", f"(all|{COUNT.regex})", _segments),
        decides=True,
        settable_by_library=True,
        bundle_attribute="n_segments",
    )
    vote: str = option(
        "how a track's segments decide: mean probability, or a majority of the votes "
        "(default: the model's own)",
        None,
        Group.ANALYSIS,
        choices=VOTE_RULES,
        decides=True,
        settable_by_library=True,
        bundle_attribute="vote",
    )
    learn_from: str = option(
        "library: genres of other files of the artist, the album and the folder count as evidence, "
        "with --existing keep; off: the sound alone (default: %(default)s)",
        "library",
        Group.ANALYSIS,
        choices=LEARN_FROM,
        decides=True,
        settable_by_library=True,
    )
    consistent: str = option(
        "let the tracks of an album, or of an artist, vote together; a track that sounds "
        "unlike the others votes alone (default: album, for models with a pretrained backbone)",
        None,
        Group.ANALYSIS,
        choices=CONSISTENT,
        decides=True,
        settable_by_library=True,
    )
    mood: str = option(
        "report: add moods and instruments of analysed tracks to the report; write: also write "
        "a mood into files that get a genre (default: %(default)s)",
        "off",
        Group.ANALYSIS,
        choices=MOOD,
        decides=True,
        settable_by_library=True,
        plan={"write": "files that get a genre get a mood too, where one is likely"}.get,
    )
    formats: tuple[str, ...] = option(
        "only these file types, such as mp3,flac (default: all that can be decoded)",
        None,
        Group.ANALYSIS,
        kind=Kind("LIST", f"{_FORMAT}(,{_FORMAT})*", _formats),
        settable_by_library=True,
    )
    exclude: tuple[str, ...] = option(
        "leave out files and folders that these patterns match, such as 'Demos/,*.wav'; as in a "
        ".gitignore file in the library (default: none, but never the folders of a NAS or a "
        "system, such as @eaDir)",
        (),
        Group.FILES,
        kind=Kind("LIST", "[^,]+(,[^,]+)*", _patterns),
        settable_by_library=True,
    )
    bundle: str = option(
        "the model: a folder, or one that comes with genrebeam, default or gtzan "
        "(default: default)",
        None,
        Group.ANALYSIS,
        kind=FOLDER,
    )
    processes: int = option(
        "number of decoding processes (default: one per CPU)", None, Group.ANALYSIS, kind=COUNT
    )
    incremental: bool = option(
        "skip files that are unchanged since an earlier run with the same model and options "
        "(the default; --no-incremental takes every file again)",
        True,
        Group.FILES,
        plan=lambda on: "" if on else "earlier runs are ignored",
    )
    keep_decisions: bool = option(
        "leave files alone that an earlier run has decided about, even with another model or with "
        "other options",
        False,
        Group.FILES,
        plan=lambda on: "earlier decisions stay" if on else "",
    )
    retry_failed: bool = option(
        "only files that failed in their last run; files in a folder that could not be "
        "read are left to the next full run",
        False,
        Group.FILES,
        plan=lambda on: "only files that failed" if on else "",
    )
    min_age: int | None = option(
        "skip files that changed less than SECONDS ago, as they may still be being copied "
        "(default: none)",
        None,
        Group.FILES,
        kind=SECONDS,
    )
    report: str = option(
        "folder of all reports on this library; each run adds to it (default: one for each "
        "library, in your state folder)",
        None,
        Group.REPORT,
        kind=FOLDER,
    )
    embeddings: bool = option(
        "store the network's embedding of each track that is analysed, for similar, map, playlist "
        "and duplicates (the default; --no-embeddings stores none)",
        True,
        Group.REPORT,
    )

    def recorded(self) -> dict[str, Any]:
        """What ``run.json`` holds: enough to repeat the run."""
        values = vars(self).items()
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values}
