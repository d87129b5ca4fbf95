"""The tagging job: its options, checked before any work."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genrebeam.model.extras import require
from genrebeam.pipeline.settings.options import UsageError
from genrebeam.transforms.genre.taxonomy import Taxonomy, TaxonomyError, load_taxonomy

if TYPE_CHECKING:
    from genrebeam.model.bundle import Bundle

# Plain `DirectRunner` would first try to download another runner.
LOCAL_RUNNER = "FnApiRunner"


@dataclass(frozen=True)
class TaggingJob:
    """A checked tagging job: everything that the graph needs to know.

    Parameters
    ----------
    library : str
        Absolute path of a folder or a file, perhaps in a bucket.
    report : str
        Absolute path of the report folder, perhaps in a bucket.
    bundle : Bundle
    formats : tuple of str
    existing : {"keep", "merge", "replace"}
    dry_run : bool
    top_k : int
    min_confidence : float
    vote : {"mean", "majority"}
    n_segments : int or None
        None hears all segments.
    processes : int
    level : {"style", "family"}
    consistent : {"off", "album", "artist"}
        Which tracks vote together.
    max_genres : int or None
    treat_as_missing : tuple of str
    taxonomy : Taxonomy
    write_confidence : bool
    id3_version : {"keep", "2.3", "2.4"}
    separator : str
    keep_mtime, in_place_links : bool
    embeddings : bool
    incremental : bool
        Skip files that an earlier run has settled.
    retry_failed : bool
        Take only files that failed in their last run.
    """

    library: str
    report: str
    bundle: Bundle
    formats: tuple[str, ...]
    existing: str
    dry_run: bool
    top_k: int
    min_confidence: float
    vote: str
    n_segments: int | None
    processes: int
    level: str = "style"
    consistent: str = "off"
    max_genres: int | None = None
    treat_as_missing: tuple[str, ...] = ()
    taxonomy: Taxonomy = field(default_factory=lambda: Taxonomy())
    write_confidence: bool = False
    id3_version: str = "keep"
    separator: str = "\0"
    keep_mtime: bool = False
    in_place_links: bool = False
    embeddings: bool = False
    incremental: bool = True
    retry_failed: bool = False

    @property
    def settings(self) -> str:
        """Fingerprint of everything that affects a file's genre and its row."""
        deciding = [
            self.bundle.version,
            self.existing,
            self.top_k,
            self.min_confidence,
            self.vote,
            self.n_segments,
            self.max_genres,
            sorted(self.treat_as_missing),
            dataclasses.asdict(self.taxonomy),
            self.write_confidence,
            self.id3_version,
            self.separator,
        ]
        if self.bundle.families:
            deciding.append(self.level)
        # Only if set: files that were reported without embeddings stay unchanged.
        if self.embeddings:
            deciding.append("embeddings")
        if self.consistent != "off":
            deciding.append(f"consistent {self.consistent}")
        return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:12]


def check_job(library: str, arguments: argparse.Namespace) -> TaggingJob:
    """Check everything before any work is done.

    Parameters
    ----------
    library : str
    arguments : argparse.Namespace
        With the options of `add_tagging_arguments`.

    Returns
    -------
    TaggingJob

    Raises
    ------
    UsageError
        Its message is one line for the user.
    """
    from genrebeam.transforms.audio.pool import default_processes
    from genrebeam.transforms.library.formats import FORMATS

    formats = arguments.formats or tuple(sorted(FORMATS))
    library = _checked_library(library, formats)
    report = _absolute(arguments.report)
    if arguments.dry_run and _lies_in(report, library):
        raise UsageError(
            f"{report}: is inside the library, where a dry run writes nothing; "
            "choose another folder with --report"
        )
    if arguments.retry_failed and not arguments.incremental:
        raise UsageError("--retry-failed needs earlier runs, but --no-incremental ignores them")
    if os.path.exists(report) and not os.path.isdir(report):
        raise UsageError(f"{report}: not a folder")
    bundle = bundle_named(arguments.bundle)
    if arguments.consistent != "off" and not bundle.features.ears:
        raise UsageError(
            f"--consistent {arguments.consistent} needs a model with pretrained networks, which "
            f"tell what sounds alike; {bundle.name} has none"
        )
    try:
        taxonomy = Taxonomy() if arguments.taxonomy is None else load_taxonomy(arguments.taxonomy)
        taxonomy.check(bundle.genres, bundle.families)
    except TaxonomyError as error:
        raise UsageError(str(error)) from error
    minimum, vote, segments = arguments.min_confidence, arguments.vote, arguments.segments
    return TaggingJob(
        library=library,
        report=report,
        bundle=bundle,
        formats=formats,
        existing=arguments.existing,
        dry_run=arguments.dry_run,
        top_k=arguments.top_k,
        min_confidence=bundle.min_confidence if minimum is None else minimum,
        vote=vote or bundle.vote,
        n_segments=bundle.n_segments if segments == -1 else segments,
        processes=arguments.processes or default_processes(),
        level=arguments.level or bundle.level,
        consistent=arguments.consistent,
        max_genres=arguments.max_genres,
        treat_as_missing=arguments.treat_as_missing,
        taxonomy=taxonomy,
        write_confidence=arguments.write_confidence,
        id3_version=arguments.id3_version,
        separator=arguments.separator,
        keep_mtime=arguments.keep_mtime,
        in_place_links=arguments.in_place_links,
        embeddings=arguments.embeddings,
        incremental=arguments.incremental,
        retry_failed=arguments.retry_failed,
    )


def _absolute(path: str) -> str:
    """An absolute path, or the name of something in a known kind of bucket.

    Raises
    ------
    UsageError
    """
    from genrebeam.transforms.storage import SCHEMES, storage_of

    scheme, separator, place = path.partition("://")
    if separator and (scheme not in SCHEMES or not place.partition("/")[0]):
        known = " or ".join(f"{scheme}://BUCKET/..." for scheme in SCHEMES)
        raise UsageError(f"{path}: neither a local path nor {known}")
    return storage_of(path).absolute(path)


def _lies_in(path: str, folder: str) -> bool:
    if "://" in path or "://" in folder:
        return f"{path}/".startswith(f"{folder}/")
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath([path, folder]) == folder


def bundle_named(name: str | None) -> Bundle:
    """Load a bundle by its folder, or by its name if it comes with genrebeam.

    Parameters
    ----------
    name : str, optional
        By default the default one.

    Returns
    -------
    Bundle

    Raises
    ------
    UsageError
        If there is none.
    MissingExtraError
        If it needs one that is not installed.
    """
    from genrebeam.model.bundle import BUNDLES, DEFAULT_BUNDLE, BundleError, load_bundle
    from genrebeam.transforms.storage import storage_of

    try:
        if name is None:
            return load_bundle(DEFAULT_BUNDLE)
        if reader := storage_of(name).reader:
            bundle = load_bundle(_absolute(name), reader)
        else:
            is_shipped = os.sep not in name and (BUNDLES / name).is_dir()
            path = BUNDLES / name if is_shipped and not os.path.isdir(name) else name
            bundle = load_bundle(path)
    except BundleError as error:
        raise UsageError(str(error)) from error
    if not bundle.features.ears:
        require("train", f"the bundle {name}")
    return bundle


def _checked_library(library: str, formats: Sequence[str]) -> str:
    from genrebeam.transforms.library.formats import format_of

    library = _absolute(library)
    if "://" in library:
        _check_bucket(library)
        return library
    if not os.path.exists(library):
        raise UsageError(f"{library}: no such file or folder")
    if os.path.isdir(library):
        if not os.access(library, os.R_OK | os.X_OK):
            raise UsageError(f"{library}: no permission to read this folder")
    elif format_of(library) not in formats:
        raise UsageError(f"{library}: not one of the formats {', '.join(formats)}")
    return library


def _check_bucket(library: str) -> None:
    from genrebeam.transforms.library.walk import list_library

    try:
        found = next(list_library(library), None)
    except OSError as error:
        raise UsageError(f"{library}: cannot be listed ({error.strerror})") from error
    if found is None:
        raise UsageError(f"{library}: has no music")


def check_runner_arguments(arguments: Sequence[str], job: TaggingJob | None = None) -> None:
    """Refuse options that neither we nor Beam know; Beam would ignore them.

    Parameters
    ----------
    arguments : sequence of str
        Arguments that our own parser did not know.
    job : TaggingJob, optional
        Its library and report must be in a place that the runner's workers reach.

    Raises
    ------
    UsageError
    """
    if not arguments:
        return
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        if options.__module__.startswith("apache_beam.") and "_add_argparse_args" in vars(options):
            options._add_argparse_args(parser)  # type: ignore[arg-type]  # any parser will do
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        raise UsageError(f"unknown option or argument: {' '.join(unknown)}")
    runner = PipelineOptions(list(arguments)).view_as(StandardOptions).runner
    if job is not None and runner == "DataflowRunner":
        for path in (job.library, job.report):
            if "://" not in path:
                raise UsageError(
                    f"{path}: Dataflow's workers cannot see local folders; use gs://BUCKET/..."
                )
