"""The tagging job: its options, checked before any work."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genrebeam.model.extras import require
from genrebeam.pipeline.options.errors import UnknownArgumentError, UsageError
from genrebeam.pipeline.options.home import is_home, report_of
from genrebeam.pipeline.options.option import declared_in, with_checked_values
from genrebeam.pipeline.options.tagging import TaggingOptions
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.genre.taxonomy import Taxonomy, TaxonomyError, load_taxonomy

if TYPE_CHECKING:
    from genrebeam.model.bundle import Bundle
    from genrebeam.transforms.genre.evidence import ModelGenres
    from genrebeam.transforms.genre.vote import VotePolicy
    from genrebeam.transforms.reports.write import RunFacts
    from genrebeam.transforms.tags.tag import TagPolicy

# What a job server may take to answer, in s.
_ANSWERS_WITHIN_S = 5.0
# Plain `DirectRunner` would first try to download another runner.
LOCAL_RUNNER = "FnApiRunner"


@dataclass(frozen=True)
class TaggingJob:
    """A checked tagging job: everything that the graph needs to know.

    Parameters
    ----------
    library : str
        Absolute path of a folder or a file, perhaps in a bucket.
    options : TaggingOptions
        All have values: the user's, the model's or the declared ones. Paths are absolute.
    paths : tuple of str
        Files and folders in the library, if the job takes only these.
    """

    library: str
    bundle: Bundle
    options: TaggingOptions
    taxonomy: Taxonomy = field(default_factory=lambda: Taxonomy())
    paths: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[str, ...]:
        """What is listed."""
        return self.paths or (self.library,)

    @property
    def report(self) -> str:
        """Absolute path of the report folder, perhaps in a bucket."""
        return self.options.report

    @property
    def n_segments(self) -> int | None:
        """Number of segments to analyse of each track; None analyses all."""
        return None if self.options.segments == "all" else self.options.segments

    @property
    def decision_digest(self) -> str:
        """Hash of everything that affects a file's genre and its row.

        Options with the model's value, or with their declared one, are no part of it: earlier
        decisions stay in force when an option is added.
        """
        values = vars(self.options)
        defaults = {one.name: one.default for one in declared_in(TaggingOptions) if one.decides}
        defaults |= _values_of(self.bundle)
        deciding = {name: values[name] for name in defaults if values[name] != defaults[name]}
        if "treat_as_missing" in deciding:
            deciding["treat_as_missing"] = sorted(deciding["treat_as_missing"])
        if "taxonomy" in deciding:  # what it says, wherever it is
            deciding["taxonomy"] = {**dataclasses.asdict(self.taxonomy), "path": ""}
        facts = [self.bundle.version, deciding]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def analysis_digest(self) -> str | None:
        """What affects the numbers that reports store of a track: a hash, ``-``, the segments.

        None where the model has no backbone, so that they are of use to no other.
        """
        if not self.bundle.features.backbone:
            return None
        facts = json.dumps(dataclasses.asdict(self.bundle.features), sort_keys=True)
        return f"{hashlib.sha256(facts.encode()).hexdigest()[:12]}-{self.n_segments or 'all'}"

    @property
    def decides_by_stored(self) -> bool:
        """Whether that is all it needs: no segment has a vote, no mood is wanted."""
        return self.options.vote == "mean" and self.options.mood == "off"

    @property
    def settled_by(self) -> str | None:
        """The digest of decisions that stay; None for any."""
        return None if self.options.keep_decisions else self.decision_digest

    @property
    def tag_policy(self) -> TagPolicy:
        """What becomes of a file's genres."""
        from genrebeam.transforms.tags.tag import TagPolicy

        return TagPolicy(
            existing=self.options.existing,
            dry_run=self.options.dry_run,
            max_genres=self.options.max_genres,
            treat_as_missing=self.options.treat_as_missing,
            write_confidence=self.options.write_confidence,
            model=f"{self.bundle.name} {self.bundle.version}",
            write_mood=self.options.mood == "write",
            form=self.options.form,
            write=dataclasses.replace(self.options.write, library=self.library),
            min_age_s=self.options.min_age or 0,
        )

    @property
    def run_facts(self) -> RunFacts:
        """What all rows of a run have in common."""
        from genrebeam.transforms.reports.write import RunFacts

        return RunFacts(
            *(self.bundle, self.decision_digest, self.library),
            dry_run=self.options.dry_run,
            mood=self.options.mood != "off",
        )

    @property
    def learns_from_library(self) -> bool:
        """Whether genres of other files are evidence; those that shall be replaced are none."""
        return self.options.learn_from == "library" and self.options.existing == "keep"

    @property
    def votes_together(self) -> str:
        """Whose tracks vote together: those of an ``album`` or ``artist``; else ``off``."""
        return self.options.consistent or ("album" if self.bundle.features.backbone else "off")

    @property
    def model_genres(self) -> ModelGenres:
        """The genres that the model can tell."""
        from genrebeam.transforms.genre.evidence import ModelGenres

        return ModelGenres.of(self.bundle)

    @property
    def vote_policy(self) -> VotePolicy:
        """How segments become a decision."""
        from genrebeam.transforms.genre.vote import VotePolicy

        names = ("top_k", "min_confidence", "level")
        chosen = {name: getattr(self.options, name) for name in names}
        if self.options.styles == "all":
            chosen["unchecked"] = ()
        return VotePolicy.of(self.bundle, rule=self.options.vote, **chosen)


def _values_of(bundle: Bundle) -> dict[str, Any]:
    """The model's own values of options."""
    found = {
        one.name: one.bundle_attribute
        for one in declared_in(TaggingOptions)
        if one.bundle_attribute
    }
    return {name: getattr(bundle, attribute) for name, attribute in found.items()}


def check_job(
    library: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], options: TaggingOptions
) -> TaggingJob:
    """Check everything before any work is done.

    Parameters
    ----------
    library : str, os.PathLike or sequence of these
        A folder or a file. Several are taken for parts of a library, the folder that they are in.

    Raises
    ------
    UsageError
        Its message is one line for the user.
    """
    from genrebeam.transforms.audio.pool import default_processes

    options = with_checked_values(options)
    formats = options.formats or tuple(sorted(FORMATS))
    named = [library] if isinstance(library, str | os.PathLike) else list(library)
    if not named:
        raise UsageError("no library is named")
    library, paths = _checked_libraries([os.fspath(path) for path in named], formats)
    report = _absolute(options.report) if options.report else report_of(library)
    is_listed = any(_lies_in(report, root) for root in paths or (library,))
    if options.dry_run and is_listed and not is_home(report):
        raise UsageError(
            f"{report}: is inside the library, where a dry run writes nothing; "
            "choose another folder with --report"
        )
    if options.keep_decisions and not options.incremental:
        raise UsageError("--keep-decisions needs earlier runs, but --no-incremental ignores them")
    if options.retry_failed and not options.incremental:
        raise UsageError("--retry-failed needs earlier runs, but --no-incremental ignores them")
    if options.existing == "clean" and options.taxonomy is None:
        raise UsageError("--existing clean needs --taxonomy FILE, which names the genres")
    if os.path.exists(report) and not os.path.isdir(report):
        raise UsageError(f"{report}: not a folder")
    bundle = bundle_named(options.bundle)
    if options.bundle and bundle.features.backbone:
        _check_head(bundle)
    if options.consistent not in (None, "off") and not bundle.features.backbone:
        raise UsageError(
            f"--consistent {options.consistent} needs a model with a pretrained backbone, whose "
            f"embeddings show which tracks sound alike; {bundle.name} has none"
        )
    if options.mood != "off" and not bundle.features.backbone:
        raise UsageError(
            f"--mood {options.mood} needs a model with a pretrained backbone, which scores moods; "
            f"{bundle.name} has none"
        )
    path = None if options.taxonomy is None else os.path.abspath(options.taxonomy)
    try:
        taxonomy = Taxonomy() if path is None else load_taxonomy(path)
        if options.existing == "clean":
            taxonomy.check_itself()  # files may have any genre
        else:
            taxonomy.check(bundle.genres, bundle.families)
    except TaxonomyError as error:
        raise UsageError(str(error)) from error
    unset = {name for name, value in vars(options).items() if value is None}
    checked = dataclasses.replace(
        options,
        **{name: value for name, value in _values_of(bundle).items() if name in unset},
        report=report,
        formats=formats,
        bundle=_name_of(bundle),
        taxonomy=path,
        processes=options.processes or default_processes(),
    )
    return TaggingJob(library, bundle, checked, taxonomy, paths)


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


def _name_of(bundle: Bundle) -> str:
    """What `bundle_named` finds it by, from any folder."""
    from genrebeam.model.bundle import BUNDLES

    folder, name = os.path.split(bundle.path)
    return name if folder == str(BUNDLES) else _absolute(bundle.path)


def _check_head(bundle: Bundle) -> None:
    """Say before a run what is wrong with a head, not of each of its files."""
    from genrebeam.model.bundle import BundleError

    try:
        bundle.load_head()
    except BundleError as error:
        raise UsageError(str(error)) from error


def bundle_named(name: str | None) -> Bundle:
    """Load a bundle by its folder, or by its name if it comes with genrebeam.

    Parameters
    ----------
    name : str, optional
        By default the default one.

    Raises
    ------
    UsageError
        If there is none.
    MissingExtraError
        If it needs one that is not installed.
    """
    from genrebeam.model.bundle import BundleError, load_bundle
    from genrebeam.transforms.storage import storage_of

    try:
        if name is not None and (reader := storage_of(name).reader):
            bundle = load_bundle(_absolute(name), reader)
        else:
            bundle = load_bundle(name) if name else load_bundle()
    except BundleError as error:
        raise UsageError(str(error)) from error
    if not bundle.features.backbone:
        require("train", f"the bundle {name}")
    return bundle


def with_a_folder_in_common(named: Sequence[str]) -> list[list[str]]:
    """Paths as libraries: those on different disks, as ``/mnt`` and ``/srv``, are several."""
    found: dict[str, list[str]] = {}
    for path in named:
        top = "://" if "://" in path else os.path.realpath(path).split(os.path.sep)[1]
        found.setdefault(top, []).append(path)
    return list(found.values())


def _checked_libraries(named: Sequence[str], formats: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The folder that several paths are in, and those that are in no other of them.

    One path is the library itself.
    """
    by_place = {os.path.realpath(path): path for path in named if "://" not in path}
    checked = [_checked_library(path, formats) for path in named if path in by_place.values()]
    checked += [_checked_library(path, formats) for path in named if "://" in path]
    outer = [path for path in checked if not any(_is_below(path, other) for other in checked)]
    outer = sorted(dict.fromkeys(outer))
    if len(outer) == 1:
        return outer[0], ()
    if any("://" in path for path in outer):
        raise UsageError(f"{outer[0]}: what is in a bucket must be tagged by itself")
    library = os.path.commonpath(outer)
    if library == os.path.sep:
        raise UsageError(f"{outer[0]} and {outer[1]} have no folder in common; tag each by itself")
    return library, tuple(outer)


def _is_below(path: str, folder: str) -> bool:
    return path != folder and _lies_in(path, folder)


def _checked_library(library: str, formats: Sequence[str]) -> str:
    from genrebeam.transforms.formats import format_of

    library = _absolute(library)
    if "://" in library:
        _check_bucket(library)
        return library
    if not os.path.exists(library):
        raise UsageError(f"{library}: no such file or folder")
    library = _without_links(library)
    if os.path.isdir(library):
        if not os.access(library, os.R_OK | os.X_OK):
            raise UsageError(f"{library}: no permission to read this folder")
    elif format_of(library) not in formats:
        raise UsageError(f"{library}: not one of the formats {', '.join(formats)}")
    return library


def _without_links(path: str) -> str:
    """The one name of a folder, or of a file in it, by which all reports know it."""
    if os.path.isdir(path):
        return os.path.realpath(path)
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


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
    from apache_beam.options.pipeline_options import (
        FlinkRunnerOptions,
        PipelineOptions,
        PortableOptions,
        StandardOptions,
    )

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for options in PipelineOptions.__subclasses__():
        if options.__module__.startswith("apache_beam.") and "_add_argparse_args" in vars(options):
            options._add_argparse_args(parser)  # type: ignore[arg-type]  # any parser will do
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        raise UnknownArgumentError(unknown)
    given = PipelineOptions(list(arguments))
    runner = given.view_as(StandardOptions).runner
    if runner:
        _check_runner(runner)
    if endpoint := given.view_as(PortableOptions).job_endpoint:
        _check_answers(endpoint)
    jar = given.view_as(FlinkRunnerOptions).flink_job_server_jar
    if jar and "://" not in jar and not os.path.isfile(jar):
        raise UsageError(f"{jar}: no such file")
    if job is not None and runner == "DataflowRunner":
        for path in (job.library, job.report):
            if "://" not in path:
                raise UsageError(
                    f"{path}: Dataflow's workers cannot see local folders; use gs://BUCKET/..."
                )


def _check_runner(name: str) -> None:
    from apache_beam.runners import create_runner

    try:
        create_runner(name)
    except (ValueError, AttributeError) as error:
        raise UsageError(f"--runner {name}: no runner of Apache Beam") from error


def _check_answers(endpoint: str) -> None:
    """Refuse a job server that is not there: Beam would wait for it for minutes."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isdigit():  # "embed"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWERS_WITHIN_S).close()
    except OSError as error:
        raise UsageError(f"{endpoint}: no job server answers ({error})") from error
