"""Classify: features become class probabilities, batched over tracks, by the model's process.

Beam's `RunInference` with our own `ModelHandler`: Beam's TensorFlow handlers need
tensorflow_hub and do not load Keras 3 models.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from model.bundle import Bundle
from model.calibration import probabilities_of
from model.embedding import with_embedding
from model.feature_spec import FeatureSpec
from model.head import Head, embedding_of, inputs_of, sound_of
from model.loading import import_tensorflow, silenced
from transforms.audio.pool import default_processes
from transforms.reasons import explain
from transforms.records import Features, Outcome, Prediction, Track, reason_of

# Segments that the network sees at once: every call has this shape, the last is padded.
BATCH_SEGMENTS = 64
# Tracks whose segments are put together; eight of eight segments fill one batch.
BATCH_TRACKS = 8
# Segments that ears hear at once: what they make of more does not fit into a CPU's cache.
BATCH_SEGMENTS_OF_EARS = 8

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
        batch_segments: int | None = None,
        *,
        embeddings: bool = False,
        threads: int | None = None,
    ) -> None:
        self.bundle = bundle
        usual = BATCH_SEGMENTS_OF_EARS if bundle.features.ears else BATCH_SEGMENTS
        self.batch_segments = batch_segments or usual
        self.embeddings = embeddings
        self.threads = threads
        self._network = None
        self._compiled = None
        self._head: Head | None = None

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
        outputs, _ = self.classify(segments)
        return self.genres_of(outputs[:, None]) if self.has_ears else outputs

    @property
    def has_ears(self) -> bool:
        """Whether pretrained networks hear, and a head tells genres by them."""
        return bool(self.bundle.features.ears)

    def of_tracks(self, tracks: Sequence[np.ndarray]) -> list[Judgement]:
        """What a batch of tracks is.

        Parameters
        ----------
        tracks : sequence of np.ndarray
            Segments of each, see `classify`.

        Returns
        -------
        list of Judgement
        """
        found, seen = self.classify(np.concatenate(tracks))
        by_track = _split(found, tracks)
        if self.has_ears:
            return [self.judged(outputs) for outputs in by_track]
        if seen is None:
            return [Judgement(probabilities) for probabilities in by_track]
        both = zip(by_track, _split(seen, tracks), strict=True)
        return [Judgement(probabilities, seen.mean(axis=0)) for probabilities, seen in both]

    def genres_of(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities of genres from what ears said.

        Parameters
        ----------
        outputs : np.ndarray
            ``(n, n_segments, n_outputs) float32``: n stretches of music.

        Returns
        -------
        np.ndarray
            ``(n, n_classes) float32``, calibrated.
        """
        self._head = self._head or self.bundle.load_head()
        bundle = self.bundle
        logits = self._head.logits(inputs_of(outputs, bundle.features))
        return probabilities_of(
            logits, bundle.temperature, bundle.families, bundle.style_temperature
        )

    def judged(self, outputs: np.ndarray) -> Judgement:
        """What a track is by what ears said of it.

        Parameters
        ----------
        outputs : np.ndarray
            ``(n_segments, n_outputs) float32``.

        Returns
        -------
        Judgement
        """
        sound = sound_of(outputs, self.bundle.features)
        return Judgement(
            probabilities=self.genres_of(outputs[:, None]),
            embedding=embedding_of(outputs, self.bundle.features) if self.embeddings else None,
            overall=self.genres_of(outputs[None])[0],
            not_music=None if sound is None or sound.is_music else sound.name,
        )

    def classify(self, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Probabilities and embeddings of segments, of one call of the network.

        Parameters
        ----------
        segments : np.ndarray
            ``(n, *features.shape) float16`` or float32.

        Returns
        -------
        probabilities : np.ndarray
            ``(n, n_classes) float32``, calibrated; with ears their outputs,
            ``(n, n_outputs)``, instead.
        embeddings : np.ndarray or None
            ``(n, d) float32``, see `model.embedding.with_embedding`; None unless asked for,
            and with ears, where they are among the outputs.
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
        has_ears = self.has_ears
        if self.embeddings and not has_ears:
            network = with_embedding(network)
        # Weights that cannot change any more: TensorFlow folds normalisation and activation
        # into the convolutions then, which takes a fifth of the time off.
        trained = [weight.numpy() for weight in network.trainable_variables]
        observed = [weight.numpy() for weight in network.non_trainable_variables]
        shape = (self.batch_segments, *self.bundle.features.shape)

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
        def classify(batch):
            outputs, _ = network.stateless_call(trained, observed, batch, training=False)
            if has_ears:
                return outputs, None
            logits, embeddings = outputs if self.embeddings else (outputs, None)
            if embeddings is not None:
                embeddings = tf.cast(embeddings, tf.float32)
            return tf.nn.softmax(logits / temperature), embeddings

        return classify


@dataclass(frozen=True)
class Judgement:
    """What the network makes of a track.

    Parameters
    ----------
    probabilities : np.ndarray
        ``(n_segments, n_classes) float32``, calibrated.
    embedding, overall, not_music
        See `Prediction`.
    """

    probabilities: np.ndarray
    embedding: np.ndarray | None = None
    overall: np.ndarray | None = None
    not_music: str | None = None


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
        try:
            return self.tell(batch, model)
        except Exception as error:
            if len(batch) == 1:
                _log.warning("%s: %s", batch[0].track.uri, reason_of(error))
                return [_unclassified(batch[0], error)]
            return [
                prediction
                for features in batch
                for prediction in self.run_inference([features], model)
            ]

    def tell(self, batch: Sequence[Features], model: Classifier) -> list[Any]:
        """What a batch becomes, all of it or nothing."""
        started = time.perf_counter()
        judgements = model.of_tracks([features.log_mel for features in batch])
        n_segments = sum(len(features.log_mel) for features in batch)
        per_segment = (time.perf_counter() - started) / n_segments
        return [
            Prediction(
                track=features.track,
                hear_seconds=features.hear_seconds,
                classify_seconds=per_segment * len(features.log_mel),
                **vars(judgement),
            )
            for features, judgement in zip(batch, judgements, strict=True)
        ]

    def batch_elements_kwargs(self) -> dict[str, int]:
        return {"min_batch_size": BATCH_TRACKS, "max_batch_size": BATCH_TRACKS}

    def get_num_bytes(self, batch: Sequence[Features]) -> int:
        # Beam's own way pickles the whole batch to count its bytes.
        return sum(features.log_mel.nbytes for features in batch)

    def get_metrics_namespace(self) -> str:
        return "genrebeam"


class EarsModelHandler(GenreModelHandler):
    """Tells batches of tracks by what the ears say of them: Features -> Features.

    A track that they could not hear is a failed `Prediction`.

    Parameters
    ----------
    spec : FeatureSpec
        Of kind ``outputs``.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        super().__init__(Bundle("", "ears", "", (), (), spec.patches))

    def tell(self, batch: Sequence[Features], model: Classifier) -> list[Any]:
        tracks = [features.log_mel for features in batch]
        outputs, _ = model.classify(np.concatenate(tracks))
        return [
            dataclasses.replace(features, log_mel=said[:, :, None])
            for features, said in zip(batch, _split(outputs, tracks), strict=True)
        ]


def _split(rows: np.ndarray, tracks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rows of all tracks' segments, track by track."""
    return np.split(rows, np.cumsum([len(segments) for segments in tracks])[:-1])


def _unclassified(features: Features, error: Exception) -> Prediction:
    return Prediction(
        track=features.track,
        probabilities=np.zeros((0, 0), np.float32),
        hear_seconds=features.hear_seconds,
        classify_seconds=0.0,
        error=(type(error).__name__, reason_of(error)),
    )


class SetFailuresApart(beam.DoFn):
    """Predictions that could not be made become outcomes; the rest goes on."""

    def process(self, prediction: Any) -> Iterator[Any]:
        if isinstance(prediction, Prediction) and prediction.error is not None:
            yield beam.pvalue.TaggedOutput("outcomes", failed(prediction))
        else:
            yield prediction


def failed(prediction: Prediction) -> Outcome:
    """The row of a track that the network could not be run on.

    Parameters
    ----------
    prediction : Prediction
        With an error.

    Returns
    -------
    Outcome
    """
    error_type, reason = prediction.error
    track = prediction.track
    return Outcome(
        track=track,
        status="failed",
        stage="classify",
        reason=explain((error_type,), reason, stage="classify", format=track.format),
        error_type=error_type,
        error_message=reason,
        genres_after=track.tags.genres,
    )
