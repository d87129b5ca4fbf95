"""GenreBeam: a Beam pipeline that writes genres into the tags of a music library.

What others may use is listed in ``__all__``; it is imported when it is first asked for, so that
``import genrebeam`` takes no time. ``model``, ``pipeline`` and ``transforms`` are folders at the
top of the repository: here are links to them, and an installation has them in the links' place.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genrebeam.model.bundle import Bundle, BundleError, load_bundle
    from genrebeam.model.errors import PathError
    from genrebeam.pipeline.graphs.tag import TagLibrary
    from genrebeam.pipeline.inference.session import TrackClassifier
    from genrebeam.pipeline.options.errors import UsageError
    from genrebeam.pipeline.options.job import check_job
    from genrebeam.pipeline.options.tagging import TaggingOptions
    from genrebeam.transforms.audio.ptransforms import ExtractFeatures
    from genrebeam.transforms.genre.ptransforms import ClassifyTracks
    from genrebeam.transforms.genre.taxonomy import TaxonomyError
    from genrebeam.transforms.records import Decision, Outcome, Track, TrackError

__version__ = "0.2.0"

_PLACES = {
    "model.bundle": ("Bundle", "BundleError", "load_bundle"),
    "model.errors": ("PathError",),
    "pipeline.graphs.tag": ("TagLibrary",),
    "pipeline.inference.session": ("TrackClassifier",),
    "pipeline.options.errors": ("UsageError",),
    "pipeline.options.job": ("check_job",),
    "pipeline.options.tagging": ("TaggingOptions",),
    "transforms.audio.ptransforms": ("ExtractFeatures",),
    "transforms.genre.ptransforms": ("ClassifyTracks",),
    "transforms.genre.taxonomy": ("TaxonomyError",),
    "transforms.records": ("Decision", "Outcome", "Track", "TrackError"),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "Bundle",
    "BundleError",
    "ClassifyTracks",
    "Decision",
    "ExtractFeatures",
    "Outcome",
    "PathError",
    "TagLibrary",
    "TaggingOptions",
    "TaxonomyError",
    "Track",
    "TrackClassifier",
    "TrackError",
    "UsageError",
    "check_job",
    "load_bundle",
]


if not TYPE_CHECKING:  # else a checker would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
