"""Classify tracks: the steps of this folder as Beam runs them.

Classification is Beam's `RunInference` with our own `ModelHandler`: Beam's TensorFlow handlers
need tensorflow_hub and do not load Keras 3 models.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.typehints import with_input_types, with_output_types

from genrebeam.model.bundle import Bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.genre.classify import BackboneRun, Classifier, failed
from genrebeam.transforms.genre.evidence import (
    WEIGHTS,
    Counts,
    ModelGenres,
    added,
    decide_with_library,
    is_key_of,
    key_by,
    note_evidence,
)
from genrebeam.transforms.genre.predict import (
    BATCH_TRACKS,
    extract_outputs,
    load_classifier,
    predict,
)
from genrebeam.transforms.genre.taxonomy import Taxonomy
from genrebeam.transforms.genre.together import vote_together
from genrebeam.transforms.genre.vote import VotePolicy, decider
from genrebeam.transforms.in_flight import ElementWindow, never
from genrebeam.transforms.matching import MatchByKey, keyed
from genrebeam.transforms.outcomes import split_outcomes
from genrebeam.transforms.records import Decision, Features, Outcome, Prediction, Track

# A track's part of a batch; of what is stored of one it is 1.
_TRACK_SIZE = 8
# Groups that wait for a track, which may never come: it cannot be decoded.
_MOST_WAITING = 200
# Tracks of a key, and what the files that stay say of it.
_MatchedGenres = tuple[str, dict[str, list[Track | Counts]]]


class GenreModelHandler(ModelHandler[Features, Prediction, Classifier]):
    """Classifies batches of tracks for Beam's `RunInference`.

    Parameters
    ----------
    embeddings : bool
        Whether predictions have embeddings.
    """

    def __init__(self, bundle: Bundle, *, embeddings: bool = False) -> None:
        super().__init__()
        self.bundle = bundle
        self.embeddings = embeddings

    def load_model(self) -> Classifier:
        return load_classifier(self.bundle, embeddings=self.embeddings)

    def run_inference(
        self, batch: Sequence[Features], model: Classifier, inference_args: Any = None
    ) -> Iterable[Prediction]:
        return predict(batch, model)

    def batch_elements_kwargs(self) -> dict[str, Any]:
        # Of what is stored of tracks, as many at a time as there would be segments.
        size = BATCH_TRACKS * _TRACK_SIZE
        return {"min_batch_size": size, "max_batch_size": size, "element_size_fn": _size}

    def get_num_bytes(self, batch: Sequence[Features]) -> int:
        # Beam's own way pickles the whole batch to count its bytes.
        return sum(features.values.nbytes for features in batch)

    def get_metrics_namespace(self) -> str:
        return "genrebeam"


def _size(features: Features) -> int:
    return 1 if features.track.stored else _TRACK_SIZE


class BackboneModelHandler(ModelHandler[Features, Features | Prediction, BackboneRun]):
    """Replaces the windows of tracks by what the backbone puts out: Features -> Features.

    A track on which it fails is a failed `Prediction`.

    Parameters
    ----------
    spec : FeatureSpec
        Of kind ``outputs``.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__()
        self.spec = spec

    def load_model(self) -> BackboneRun:
        return BackboneRun(self.spec.windows)

    def run_inference(
        self, batch: Sequence[Features], model: BackboneRun, inference_args: Any = None
    ) -> Iterable[Features | Prediction]:
        return extract_outputs(batch, model)

    batch_elements_kwargs = GenreModelHandler.batch_elements_kwargs
    get_num_bytes = GenreModelHandler.get_num_bytes
    get_metrics_namespace = GenreModelHandler.get_metrics_namespace


@with_input_types(Prediction)
@with_output_types(Prediction, outcomes=Outcome)
class SplitFailedPredictions(beam.DoFn):
    """Predictions that could not be made become outcomes; the rest goes on."""

    def process(self, prediction: Any) -> Iterator[Any]:
        if isinstance(prediction, Prediction) and prediction.error is not None:
            yield beam.pvalue.TaggedOutput("outcomes", failed(prediction))
        else:
            yield prediction


@with_input_types(Features | Prediction)
@with_output_types(Features, outcomes=Outcome)
class SplitFailedOutputs(SplitFailedPredictions):
    """`SplitFailedPredictions` for the output of `BackboneModelHandler`."""


@with_input_types(Prediction)
@with_output_types(Decision)
class VoteTogether(beam.DoFn):
    """Let the tracks of a group vote together: Prediction -> Decision.

    All tracks of a group come in one bundle, those that can be analysed. A group decides when it is
    complete, at the bundle's end, or when many others wait too.

    Parameters
    ----------
    decide : callable
        Prediction -> Decision.
    stopping : callable
        Whether the run shall end early: a group that is not complete then has no genre.
    families : sequence of str
        Of each class; empty where genres have none.
    embeddings : bool
        Whether decisions keep embeddings.
    """

    def __init__(
        self,
        decide: Callable[[Prediction], Decision],
        stopping: Callable[[], bool],
        *,
        families: Sequence[str] = (),
        embeddings: bool = False,
    ) -> None:
        self.decide = decide
        self.stopping = stopping
        self.families = families
        self.embeddings = embeddings

    def start_bundle(self) -> None:
        self._waiting: dict[tuple[str, Any], list[tuple[Prediction, ElementWindow]]] = {}

    def process(
        self,
        prediction: Prediction,
        time: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        group, place = prediction.track.group, ElementWindow(time, window)
        if group is None:
            yield from self._decided([(prediction, place)])
            return
        key = group.key, window
        waiting = self._waiting.setdefault(key, [])
        waiting.append((prediction, place))
        if len(waiting) == group.n_tracks:
            yield from self._decided(self._waiting.pop(key))
        elif len(self._waiting) > _MOST_WAITING:
            yield from self._decided(self._waiting.pop(next(iter(self._waiting))))

    def finish_bundle(self) -> Iterator[Any]:
        if not self.stopping():
            for waiting in self._waiting.values():
                yield from self._decided(waiting)
        self._waiting = {}

    def _decided(self, waiting: list[tuple[Prediction, ElementWindow]]) -> Iterator[Any]:
        predictions, places = zip(*waiting, strict=True)
        decisions = vote_together(predictions, self.decide, self.families)
        for decision, place in zip(decisions, places, strict=True):
            if not self.embeddings:
                decision = dataclasses.replace(decision, embedding=None, class_logits=None)
            yield place.put(decision)


@with_input_types(Features)
class ClassifyTracks(beam.PTransform):
    """Decide the genres of tracks: Features -> Decision, and Outcome where the network failed.

    Parameters
    ----------
    votes : VotePolicy, optional
        By default the model's own.
    together : bool
        Let tracks of a group vote together; see `VoteTogether`.
    embeddings : bool
        Whether decisions have embeddings.

    Examples
    --------
    Files to decisions, in any pipeline:

    >>> import apache_beam as beam, numpy, os, soundfile, tempfile
    >>> from genrebeam import ClassifyTracks, ExtractFeatures, Track, load_bundle
    >>> song = os.path.join(tempfile.mkdtemp(), "song.flac")
    >>> soundfile.write(song, numpy.sin(numpy.arange(9 * 22050) / 20) / 2, 22050)
    >>> bundle = load_bundle("gtzan")
    >>> with beam.Pipeline("FnApiRunner") as pipeline:
    ...     tracks = pipeline | beam.Create([Track(song, "flac")])
    ...     features, unreadable = tracks | ExtractFeatures(bundle.features, bundle.n_segments)
    ...     decisions, failed = features | ClassifyTracks(bundle)
    ...     _ = decisions | beam.Map(lambda decision: print(len(decision.probabilities), "genres"))
    11 genres

    On Dataflow, ``ClassifyTracks(bundle).with_resource_hints(accelerator=...)`` asks for a GPU for
    this step alone.
    """

    def __init__(
        self,
        bundle: Bundle,
        votes: VotePolicy | None = None,
        taxonomy: Taxonomy | None = None,
        *,
        together: bool = False,
        embeddings: bool = False,
        stopping: Callable[[], bool] = never,
    ) -> None:
        super().__init__()
        self.handler = GenreModelHandler(bundle, embeddings=embeddings or together)
        decide = functools.partial(
            decide_with_library,
            decide=decider(bundle, votes, taxonomy),
            known=ModelGenres.of(bundle),
        )
        self.vote = beam.Map(decide).with_output_types(Decision)
        if together:
            self.vote = beam.ParDo(
                VoteTogether(decide, stopping, families=bundle.families, embeddings=embeddings)
            )

    def expand(self, features: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
        classified = (
            features
            | "classify" >> RunInference(self.handler).with_output_types(Prediction)
            # Prediction
            | "set failures apart" >> split_outcomes(SplitFailedPredictions())
            # Prediction
        )
        return classified.passed | "vote" >> self.vote, classified.outcomes


class NoteEvidence(beam.PTransform):
    """Note in tracks what others of the library say of their genre: Track and (str, dict) -> Track.

    What others say is what `genrebeam.transforms.genre.evidence.counts_of` gives.
    """

    def expand(self, collections: dict[str, beam.PCollection]) -> beam.PCollection:
        tracks = collections["tracks"]
        add = beam.CombineFn.from_callable(added).with_input_types(Counts).with_output_types(Counts)
        counts = collections["counts"] | "count" >> beam.CombinePerKey(add)
        # (str, dict)
        for kind in WEIGHTS:
            tracks = (
                {
                    "tracks": tracks | f"key by {kind}" >> keyed(key_by, kind),
                    "counts": counts
                    | f"of {kind}"
                    >> beam.Filter(is_key_of, kind).with_output_types(tuple[str, Counts]),
                }
                # (str, Track), (str, dict)
                | f"match {kind}" >> MatchByKey(_MatchedGenres)
                # (str, {"tracks": Track, "counts": dict})
                | f"note {kind}" >> beam.FlatMap(note_evidence, kind).with_output_types(Track)
                # Track
            )
        return tracks
