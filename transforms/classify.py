"""Classify: features become class probabilities, batched over tracks, by the model's process.

Beam's `RunInference` with our own `ModelHandler`: Beam's TensorFlow handlers need
tensorflow_hub and do not load Keras 3 models.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from model.bundle import Bundle
from model.embedding import with_embedding
from model.loading import import_tensorflow, silenced
from transforms.pool import default_processes
from transforms.reasons import explain
from transforms.records import Features, Outcome, Prediction, Track, reason_of

# Segments that the network sees at once: every call has this shape, the last is padded.
BATCH_SEGMENTS = 64
# Tracks whose segments are put together; eight of eight segments fill one batch.
BATCH_TRACKS = 8

_log = logging.getLogger("genrebeam")


_loading: threading.Thread | None = None


def begin_loading(track: Track) -> Track:
    """Let the first track of a process start the import of TensorFlow, in a thread.

    It takes as long as the decoders need to start and to hear some tracks.
    """
    global _loading
    if _loading is None and "tensorflow" not in sys.modules:
        _loading = threading.Thread(target=import_tensorflow, name="load TensorFlow")
        _loading.start()
    return track


def end_loading() -> None:
    """Wait for what `begin_loading` began: until then nothing can be said on stderr."""
    if _loading is not None:
        _loading.join()


class Classifier:
    """A bundle's network, compiled for one batch shape.

    The network is loaded by the first call, so that a run with nothing to hear never
    imports TensorFlow.

    Parameters
    ----------
    bundle : Bundle
    batch_segments : int
    embeddings : bool
        Whether `classify` gives embeddings too.
    threads : int, optional
        That an operation may use; by default all CPUs. The first network that runs in a
        process decides for all.
    """

    def __init__(
        self,
        bundle: Bundle,
        batch_segments: int = BATCH_SEGMENTS,
        *,
        embeddings: bool = False,
        threads: int | None = None,
    ) -> None:
        self.bundle = bundle
        self.batch_segments = batch_segments
        self.embeddings = embeddings
        self.threads = threads
        self._network = None
        self._compiled = None

    def __call__(self, segments: np.ndarray) -> np.ndarray:
        """Probabilities of segments.

        Parameters
        ----------
        segments : np.ndarray
            ``(n, *features.shape) float16`` or float32.

        Returns
        -------
        np.ndarray
            ``(n, n_classes) float32``, calibrated.
        """
        return self.classify(segments)[0]

    def classify(self, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Probabilities and embeddings of segments, of one call of the network.

        Parameters
        ----------
        segments : np.ndarray
            ``(n, *features.shape) float16`` or float32.

        Returns
        -------
        probabilities : np.ndarray
            ``(n, n_classes) float32``, calibrated.
        embeddings : np.ndarray or None
            ``(n, d) float32``, see `model.embedding.with_embedding`; None unless asked for.
        """
        while True:
            try:
                return self._classify(segments)
            except Exception as error:
                # Named, not imported: TensorFlow is loaded inside.
                if type(error).__name__ != "ResourceExhaustedError" or self.batch_segments == 1:
                    raise
                self.batch_segments //= 2
                self._compiled = None
                _log.warning("out of memory: batches of %d segments now", self.batch_segments)

    def _classify(self, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        if self._compiled is None:
            self._compiled = self._compile()
        size = self.batch_segments
        found, seen = [], []
        for first in range(0, len(segments), size):
            batch = segments[first : first + size].astype(np.float32)
            padding = size - len(batch)
            if padding:
                batch = np.concatenate([batch, np.zeros((padding, *batch.shape[1:]), np.float32)])
            probabilities, embeddings = self._compiled(batch)
            found.append(probabilities.numpy()[: size - padding])
            if embeddings is not None:
                seen.append(embeddings.numpy()[: size - padding])
        return np.concatenate(found), np.concatenate(seen) if seen else None

    def _compile(self) -> Any:
        tf = import_tensorflow()
        with silenced():
            if self.threads is not None:
                with contextlib.suppress(RuntimeError):  # it is running already
                    tf.config.threading.set_intra_op_parallelism_threads(self.threads)
            self._network = self._network or self.bundle.load_network()
        for gpu in tf.config.list_physical_devices("GPU"):
            try:
                tf.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:  # TensorFlow is already running on it
                break
        network, temperature = self._network, self.bundle.temperature
        if self.embeddings:
            network = with_embedding(network)
        # Weights that cannot change any more: TensorFlow folds normalisation and activation
        # into the convolutions then, which takes a fifth of the time off.
        trained = [weight.numpy() for weight in network.trainable_variables]
        observed = [weight.numpy() for weight in network.non_trainable_variables]
        shape = (self.batch_segments, *self.bundle.features.shape)

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
        def classify(batch):
            outputs, _ = network.stateless_call(trained, observed, batch, training=False)
            logits, embeddings = outputs if self.embeddings else (outputs, None)
            if embeddings is not None:
                embeddings = tf.cast(embeddings, tf.float32)
            return tf.nn.softmax(logits / temperature), embeddings

        return classify


class GenreModelHandler(ModelHandler[Features, Prediction, Classifier]):
    """Classifies batches of tracks for Beam's `RunInference`.

    Parameters
    ----------
    bundle : Bundle
    embeddings : bool
        Whether predictions have embeddings.
    """

    def __init__(self, bundle: Bundle, *, embeddings: bool = False) -> None:
        super().__init__()
        self.bundle = bundle
        self.embeddings = embeddings

    def load_model(self) -> Classifier:
        # The CPUs are at work decoding, which takes four times as long.
        threads = max(1, default_processes() // 4)
        return Classifier(self.bundle, embeddings=self.embeddings, threads=threads)

    def run_inference(
        self, batch: Sequence[Features], model: Classifier, inference_args: Any = None
    ) -> Iterable[Prediction]:
        """Classify several tracks at once, and one by one where that fails."""
        started = time.perf_counter()
        try:
            found, seen = model.classify(np.concatenate([features.log_mel for features in batch]))
        except Exception as error:
            if len(batch) == 1:
                _log.warning("%s: %s", batch[0].track.uri, reason_of(error))
                return [_unclassified(batch[0], error)]
            return [
                prediction
                for features in batch
                for prediction in self.run_inference([features], model)
            ]
        per_segment = (time.perf_counter() - started) / len(found)
        ends = np.cumsum([len(features.log_mel) for features in batch])
        tracks = [slice(*ends) for ends in itertools.pairwise((0, *ends))]
        return [
            Prediction(
                track=features.track,
                probabilities=found[segments],
                hear_seconds=features.hear_seconds,
                classify_seconds=per_segment * len(features.log_mel),
                embedding=None if seen is None else seen[segments].mean(axis=0),
            )
            for features, segments in zip(batch, tracks, strict=True)
        ]

    def batch_elements_kwargs(self) -> dict[str, int]:
        return {"min_batch_size": BATCH_TRACKS, "max_batch_size": BATCH_TRACKS}

    def get_num_bytes(self, batch: Sequence[Features]) -> int:
        # Beam's own way pickles the whole batch to count its bytes.
        return sum(features.log_mel.nbytes for features in batch)

    def get_metrics_namespace(self) -> str:
        return "genrebeam"


def _unclassified(features: Features, error: Exception) -> Prediction:
    return Prediction(
        track=features.track,
        probabilities=np.zeros((0, 0), np.float32),
        hear_seconds=features.hear_seconds,
        classify_seconds=0.0,
        error=(type(error).__name__, reason_of(error)),
    )


class SetFailuresApart(beam.DoFn):
    """Predictions that could not be made become outcomes: Prediction -> Prediction."""

    def process(self, prediction: Prediction) -> Iterator[Prediction | beam.pvalue.TaggedOutput]:
        if prediction.error is None:
            yield prediction
            return
        error_type, reason = prediction.error
        outcome = Outcome(
            track=prediction.track,
            status="failed",
            stage="classify",
            reason=explain((error_type,), reason, stage="classify", format=prediction.track.format),
            error_type=error_type,
            error_message=reason,
            genres_after=prediction.track.tags.genres,
        )
        yield beam.pvalue.TaggedOutput("outcomes", outcome)
