"""Classify: features become class probabilities, batched over tracks, by the model's process."""

from __future__ import annotations

import contextlib
import functools
import glob
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genrebeam.model.bundle import Bundle
from genrebeam.model.calibration import probabilities_of
from genrebeam.model.embedding import with_embedding
from genrebeam.model.head import Head, embedding_of, inputs_of, sound_of
from genrebeam.model.loading import import_tensorflow, silenced
from genrebeam.transforms.audio.pool import default_processes
from genrebeam.transforms.reasons import explain
from genrebeam.transforms.records import Outcome, Prediction, Stage, Status, Track

if TYPE_CHECKING:
    import keras

# Segments that TensorFlow sees at once: every call has this shape, the last is padded.
BATCH_SEGMENTS = 64
# The same with ears, which hear three segments of each of the eight tracks that come together.
BATCH_SEGMENTS_OF_EARS = 24

_log = logging.getLogger("genrebeam")
_loading: threading.Thread | None = None
# From a batch of segments to probabilities, or what ears say, and embeddings.
_Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]


def begin_loading(track: Track, bundle: Bundle) -> Track:
    """Let the first track of a process start the import of TensorFlow, in a thread.

    The import takes about as long as the decoders need to start and to hear some tracks.
    """
    global _loading
    if _loading is None and needs_tensorflow(bundle) and "tensorflow" not in sys.modules:
        _loading = threading.Thread(target=import_tensorflow, name="load TensorFlow")
        _loading.start()
    return track


def needs_tensorflow(bundle: Bundle) -> bool:
    """Whether a bundle's network runs in TensorFlow: on a GPU always, on a CPU without ears."""
    if not bundle.features.ears:
        return True
    return has_gpu() and importlib.util.find_spec("tensorflow") is not None


@functools.cache
def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, as far as can be told without TensorFlow."""
    return any(glob.glob("/dev/nvidia[0-9]*")) or os.path.exists("/dev/dxg")


def end_loading() -> None:
    """Wait for what `begin_loading` began, which silences stderr until it is done."""
    if _loading is not None:
        _loading.join()


class Classifier:
    """A bundle's network, opened by the first call.

    TensorFlow compiles it for one batch shape. Ears on a CPU run in ONNX Runtime, which starts
    sooner and has no batches (see ``model/pretrained/sessions.py``).

    Parameters
    ----------
    bundle : Bundle
    batch_segments : int
    embeddings : bool
        Whether `classify` gives embeddings too.
    threads : int, optional
        CPUs that it may use, by default all. In TensorFlow, the first network that runs in a
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
        self._network: keras.Model | None = None
        self._run: _Run | None = None
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
        by_track = split_by_track(found, tracks)
        if self.has_ears:
            return [self.judged(outputs) for outputs in by_track]
        if seen is None:
            return [Judgement(probabilities) for probabilities in by_track]
        both = zip(by_track, split_by_track(seen, tracks), strict=True)
        return [Judgement(probabilities, seen.mean(axis=0)) for probabilities, seen in both]

    @property
    def network(self) -> keras.Model | Head:
        """What gives the logits, loaded once: the head of the ears, or the network."""
        if self.has_ears:
            return self.head
        self._network = self._network or self.bundle.load_network()
        return self._network

    @property
    def head(self) -> Head:
        """The head of the ears, loaded once."""
        self._head = self._head or self.bundle.load_head()
        return self._head

    def genres_of(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities of genres from the ears' outputs.

        Parameters
        ----------
        outputs : np.ndarray
            ``(n, n_segments, n_outputs) float32``: n stretches of music.

        Returns
        -------
        np.ndarray
            ``(n, n_classes) float32``, calibrated.
        """
        bundle = self.bundle
        logits = self.head.logits(inputs_of(outputs, bundle.features))
        return probabilities_of(
            logits, bundle.temperature, bundle.families, bundle.style_temperature
        )

    def judged(self, outputs: np.ndarray) -> Judgement:
        """What a track is, from the ears' outputs.

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
                # By its name, because TensorFlow may not be imported.
                if type(error).__name__ != "ResourceExhaustedError" or self.batch_segments == 1:
                    raise
                self.batch_segments //= 2
                self._run = None
                _log.warning("out of memory: batches of %d segments now", self.batch_segments)

    def _classify(self, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        self._run = self._run or self._open()
        size = self.batch_segments if needs_tensorflow(self.bundle) else len(segments)
        found, seen = [], []
        for first in range(0, len(segments), size):
            probabilities, embeddings = self._run(segments[first : first + size])
            found.append(probabilities)
            if embeddings is not None:
                seen.append(embeddings)
        return np.concatenate(found), np.concatenate(seen) if seen else None

    def _open(self) -> _Run:
        if not needs_tensorflow(self.bundle):
            from genrebeam.model.pretrained.sessions import open_ears

            hear = open_ears(self.bundle.features, self.threads or default_processes())
            return lambda batch: (hear(batch), None)
        compiled = self._compile()

        def run(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
            n = len(batch)
            padding = np.zeros((self.batch_segments - n, *batch.shape[1:]), np.float32)
            found, seen = compiled(np.concatenate([batch, padding], dtype=np.float32))
            return found.numpy()[:n], None if seen is None else seen.numpy()[:n]

        return run

    def _compile(self) -> Any:
        tf = import_tensorflow()
        with silenced():
            if self.threads is not None:
                with contextlib.suppress(RuntimeError):  # it is running already
                    tf.config.threading.set_intra_op_parallelism_threads(self.threads)
            self._network = self._network or self.bundle.load_network()
            network = self._network
        for gpu in tf.config.list_physical_devices("GPU"):
            try:
                tf.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:  # TensorFlow is already running on it
                break
        temperature = self.bundle.temperature
        has_ears = self.has_ears
        if self.embeddings and not has_ears:
            network = with_embedding(network)
        # As constants: TensorFlow then folds normalisation and activation into the convolutions,
        # which saves a fifth of the time.
        trained = [weight.numpy() for weight in network.trainable_variables]
        observed = [weight.numpy() for weight in network.non_trainable_variables]
        shape = (self.batch_segments, *self.bundle.features.shape)

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
        def classify(batch: Any) -> Any:
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


def split_by_track(rows: np.ndarray, tracks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rows of all tracks' segments, track by track."""
    return np.split(rows, np.cumsum([len(segments) for segments in tracks])[:-1])


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
    assert prediction.error is not None
    error_type, reason = prediction.error
    track = prediction.track
    return Outcome(
        track=track,
        status=Status.FAILED,
        stage=Stage.CLASSIFY,
        reason=explain((error_type,), reason, stage=Stage.CLASSIFY, format=track.format),
        error_type=error_type,
        error_message=reason,
        genres_after=track.tags.genres,
    )
