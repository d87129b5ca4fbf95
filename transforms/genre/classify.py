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
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from genrebeam.model.backbones.backbone import BackboneError, backbone_of
from genrebeam.model.backbones.projection import Projection
from genrebeam.model.backbones.subjects import instruments, moods
from genrebeam.model.bundle import Bundle, BundleError
from genrebeam.model.calibration import probabilities_of
from genrebeam.model.embedding import with_embedding
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.head import Head, inputs_of, over_time, scores_of, sound_of, sounds_of
from genrebeam.model.loading import import_tensorflow, silenced
from genrebeam.transforms.audio.pool import default_processes
from genrebeam.transforms.reasons import explain
from genrebeam.transforms.records import Outcome, Prediction, Stage, Status, Track

if TYPE_CHECKING:
    import keras

# Segments that TensorFlow sees at once: every call has this shape, the last is padded.
BATCH_SEGMENTS = 64
# Windows on each side that smooth what is shown over time, and sounds that are named.
_AROUND, _MOST_SOUNDS = 1, 20

_log = logging.getLogger("genrebeam")
_loading: threading.Thread | None = None


def begin_loading(track: Track, bundle: Bundle) -> Track:
    """Let the first track of a process start the import of TensorFlow, in a thread.

    The import takes about as long as the decoders need to start and to decode some tracks.
    """
    global _loading
    if _loading is None and needs_tensorflow(bundle) and "tensorflow" not in sys.modules:
        _loading = threading.Thread(target=import_tensorflow, name="load TensorFlow")
        _loading.start()
    return track


def needs_tensorflow(bundle: Bundle) -> bool:
    """Whether a bundle's network runs in TensorFlow: always, but for a backbone on a CPU."""
    return not bundle.features.backbone or has_gpu()


@functools.cache
def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU, and TensorFlow to use it, as far as a look at files tells."""
    if importlib.util.find_spec("tensorflow") is None:
        return False
    return any(glob.glob("/dev/nvidia[0-9]*")) or os.path.exists("/dev/dxg")


def end_loading() -> None:
    """Wait for what `begin_loading` began, which silences stderr until it is done."""
    if _loading is not None:
        _loading.join()


@dataclass(frozen=True)
class ModelOutput:
    """What a model makes of a track.

    Parameters
    ----------
    probabilities : np.ndarray
        ``(n_segments, n_classes) float32``, calibrated.
    embedding, overall, not_music, moods, instruments, class_logits
        See `Prediction`.
    """

    probabilities: np.ndarray
    embedding: np.ndarray | None = None
    overall: np.ndarray | None = None
    not_music: str | None = None
    moods: dict[str, float] | None = None
    instruments: dict[str, float] | None = None
    class_logits: np.ndarray | None = None


@dataclass(frozen=True)
class Details:
    """What a model makes of a track, for people to look at.

    Parameters
    ----------
    over_time : np.ndarray
        ``(n_segments, n_classes) float32``: probabilities, of a backbone's windows with their
        neighbours.
    sounds : tuple of (str, float)
        The likeliest of the backbone's own classes, with their scores.
    """

    judgement: ModelOutput
    over_time: np.ndarray
    sounds: tuple[tuple[str, float], ...] = ()


class Classifier(Protocol):
    """A bundle's model. It is opened by the first call, or by `load`."""

    bundle: Bundle

    @property
    def trained(self) -> Head | keras.Model:
        """What was trained: the head, or the network."""
        ...

    def load(self) -> None:
        """Open the model now."""
        ...

    def of_tracks(self, tracks: Sequence[np.ndarray]) -> list[ModelOutput]:
        """Judge a batch of tracks.

        Parameters
        ----------
        tracks : sequence of np.ndarray
            Segments of each, ``(n, *features.shape) float16`` or float32.
        """
        ...

    def of_stored(self, tracks: Sequence[np.ndarray]) -> list[ModelOutput]:
        """Judge a batch of tracks by what reports have stored of them.

        Parameters
        ----------
        tracks : sequence of np.ndarray
            ``(1, n_inputs)`` of each, see `Stored`.

        Returns
        -------
        list of ModelOutput

        Raises
        ------
        ValueError
            If nothing is stored that this model reads.
        """
        ...

    def details(self, segments: np.ndarray) -> Details:
        """Judge one track, for people to look at."""
        ...


def open_classifier(
    bundle: Bundle, *, embeddings: bool = False, threads: int | None = None
) -> Classifier:
    """The classifier of a bundle.

    Parameters
    ----------
    embeddings : bool
        Whether judgements have embeddings.
    threads : int, optional
        CPUs that it may use, by default all. In TensorFlow, the first network that runs in a
        process decides for all.
    """
    kind = BackboneClassifier if bundle.features.backbone else NetworkClassifier
    return kind(bundle, embeddings=embeddings, threads=threads)


class NetworkClassifier:
    """A bundle's own Keras network, which judges segments; tracks are the mean of them.

    Parameters
    ----------
    bundle, embeddings, threads
        See `open_classifier`.
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
        self.embeddings = embeddings
        self.network = InTensorFlow(self._load, bundle.features.shape, batch_segments, threads)

    def _load(self) -> keras.Model:
        network = self.bundle.load_network()
        return with_embedding(network) if self.embeddings else network

    @property
    def trained(self) -> keras.Model:
        """The network, loaded once."""
        return self.network.network

    def load(self) -> None:
        self.network.load()

    def __call__(self, segments: np.ndarray) -> np.ndarray:
        """Probabilities of segments: ``(n, n_classes) float32``, calibrated."""
        return self._probabilities(self.network(segments)[0])

    def of_tracks(self, tracks: Sequence[np.ndarray]) -> list[ModelOutput]:
        logits, *embeddings = self.network(np.concatenate(tracks))
        by_track = split_by_track(self._probabilities(logits), tracks)
        if not embeddings:
            return [ModelOutput(probabilities) for probabilities in by_track]
        both = zip(by_track, split_by_track(embeddings[0], tracks), strict=True)
        return [ModelOutput(one, embedded.mean(axis=0)) for one, embedded in both]

    def of_stored(self, tracks: Sequence[np.ndarray]) -> list[ModelOutput]:
        raise ValueError("this model reads segments")

    def details(self, segments: np.ndarray) -> Details:
        (judgement,) = self.of_tracks([segments])
        return Details(judgement, judgement.probabilities)

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        return probabilities_of(logits, self.bundle.temperature)


class BackboneClassifier:
    """A pretrained backbone, and a bundle's head on what it puts out for all of a track.

    On a CPU the backbone runs in ONNX Runtime, which starts sooner than TensorFlow.

    Parameters
    ----------
    bundle, embeddings, threads
        See `open_classifier`.
    """

    def __init__(
        self, bundle: Bundle, *, embeddings: bool = False, threads: int | None = None
    ) -> None:
        self.bundle = bundle
        self.embeddings = embeddings
        self.outputs = BackboneRun(bundle.features, threads)
        self._head: Head | None = None

    @property
    def trained(self) -> Head:
        """The head, loaded once."""
        self._head = self._head or self.bundle.load_head()
        return self._head

    def load(self) -> None:
        _ = self.trained
        try:
            self.outputs.load()
        except BackboneError as error:
            raise BundleError(self.bundle.path, f"cannot be used: {error}") from error

    def of_tracks(self, tracks: Sequence[np.ndarray]) -> list[ModelOutput]:
        self.load()
        outputs = self.outputs(np.concatenate(tracks))
        return self.judged(split_by_track(outputs, tracks))

    def details(self, segments: np.ndarray) -> Details:
        self.load()
        outputs = self.outputs(segments)
        sounds = sounds_of(outputs, self.bundle.features, _MOST_SOUNDS)
        smoothed = over_time(outputs, _AROUND)
        (judgement,) = self.judged([outputs])
        return Details(judgement, self.genres_of(smoothed[:, None]), tuple(sounds))

    def judged(self, tracks: Sequence[np.ndarray]) -> list[ModelOutput]:
        """Judge tracks by the backbone's outputs: ``(n_segments, n_outputs) float32`` of each."""
        segments = np.concatenate([*tracks, *(outputs.mean(axis=0)[None] for outputs in tracks)])
        inputs = inputs_of(segments[:, None], self.bundle.features)
        probabilities = self._probabilities(inputs)
        n_segments = len(segments) - len(tracks)
        return [
            self._judgement(*of_track)
            for of_track in zip(
                *(tracks, split_by_track(probabilities[:n_segments], tracks)),
                *(probabilities[n_segments:], inputs[n_segments:]),
                strict=True,
            )
        ]

    def _judgement(
        self,
        outputs: np.ndarray,
        probabilities: np.ndarray,
        overall: np.ndarray,
        inputs: np.ndarray,
    ) -> ModelOutput:
        scores = scores_of(outputs, self.bundle.features)
        sound = sound_of(scores, self.bundle.features)
        kept, embedding = self._projection.split(inputs)
        return ModelOutput(
            probabilities=probabilities,
            embedding=embedding if self.embeddings else None,
            class_logits=kept if self.embeddings else None,
            overall=overall,
            not_music=None if sound.is_music else sound.name,
            moods=moods(scores),
            instruments=instruments(scores),
        )

    def genres_of(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities of genres by the backbone's outputs.

        Parameters
        ----------
        outputs : np.ndarray
            ``(n, n_segments, n_outputs) float32``: n stretches of music.

        Returns
        -------
        np.ndarray
            ``(n, n_classes) float32``, calibrated.
        """
        return self._probabilities(inputs_of(outputs, self.bundle.features))

    def of_stored(self, tracks: Sequence[np.ndarray]) -> list[ModelOutput]:
        inputs = np.concatenate(tracks)
        logits, embeddings = self._projection.split(inputs)
        return [
            ModelOutput(overall[None], embedding, overall, class_logits=kept)
            for overall, kept, embedding in zip(
                self._probabilities(inputs), logits, embeddings, strict=True
            )
        ]

    @property
    def _projection(self) -> Projection:
        return backbone_of(self.bundle.features).projection

    def _probabilities(self, inputs: np.ndarray) -> np.ndarray:
        bundle = self.bundle
        return probabilities_of(
            *(self.trained.logits(inputs), bundle.temperature),
            *(bundle.families, bundle.style_temperature),
        )


class BackboneRun:
    """The backbone of a spec, opened by the first call: in TensorFlow on a GPU, else ONNX Runtime.

    Parameters
    ----------
    spec : FeatureSpec
        Of kind ``window``.
    """

    def __init__(self, spec: FeatureSpec, threads: int | None = None) -> None:
        self.spec = spec
        self.threads = threads
        self._run: Callable[[np.ndarray], np.ndarray] | None = None

    def load(self) -> None:
        """Open the network.

        Raises
        ------
        BackboneError
            If its weights are not those that the spec was made with.
        """
        if self._run is not None:
            return
        backbone = backbone_of(self.spec)
        if has_gpu():
            in_tensorflow = InTensorFlow(
                backbone.load, self.spec.shape, BATCH_SEGMENTS, self.threads
            )
            self._run = lambda segments: in_tensorflow(segments)[0]
        else:
            self._run = backbone.open(self.threads or default_processes())

    def __call__(self, segments: np.ndarray) -> np.ndarray:
        """Outputs of segments: ``(n, *spec.shape)`` to ``(n, n_outputs) float32``."""
        self.load()
        assert self._run is not None
        return self._run(segments)


class InTensorFlow:
    """A Keras network in TensorFlow, compiled for one batch shape.

    Parameters
    ----------
    load : callable
        Loads the network.
    shape : tuple of int
        Of a segment.
    batch_segments : int
        Halved where the memory is not enough.
    """

    def __init__(
        self,
        load: Callable[[], keras.Model],
        shape: tuple[int, ...],
        batch_segments: int,
        threads: int | None,
    ) -> None:
        self.batch_segments = batch_segments
        self._load = load
        self._shape = shape
        self._threads = threads
        self._network: keras.Model | None = None
        self._compiled: Any = None

    @property
    def network(self) -> keras.Model:
        """The network, loaded once."""
        self._network = self._network or self._load()
        return self._network

    def load(self) -> None:
        """Load and compile the network."""
        self._compiled = self._compiled or self._compile()

    def __call__(self, segments: np.ndarray) -> list[np.ndarray]:
        """The network's outputs of segments, each ``(n, d) float32``."""
        while True:
            try:
                return self._in_batches(segments)
            except Exception as error:
                # By its name, because TensorFlow may not be imported.
                if type(error).__name__ != "ResourceExhaustedError" or self.batch_segments == 1:
                    raise
                self.batch_segments //= 2
                self._compiled = None
                _log.warning("out of memory: batches of %d segments now", self.batch_segments)

    def _in_batches(self, segments: np.ndarray) -> list[np.ndarray]:
        self.load()
        batches = []
        for first in range(0, len(segments), self.batch_segments):
            batch = segments[first : first + self.batch_segments]
            padding = np.zeros((self.batch_segments - len(batch), *self._shape), np.float32)
            outputs = self._compiled(np.concatenate([batch, padding], dtype=np.float32))
            batches.append([output.numpy()[: len(batch)] for output in outputs])
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]

    def _compile(self) -> Any:
        tf = import_tensorflow()
        with silenced():
            if self._threads is not None:
                with contextlib.suppress(RuntimeError):  # it is running already
                    tf.config.threading.set_intra_op_parallelism_threads(self._threads)
            network = self.network
        for gpu in tf.config.list_physical_devices("GPU"):
            try:
                tf.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:  # TensorFlow is already running on it
                break
        # As constants: TensorFlow then folds normalisation and activation into the convolutions,
        # which saves a fifth of the time.
        trained = [weight.numpy() for weight in network.trainable_variables]
        observed = [weight.numpy() for weight in network.non_trainable_variables]

        @tf.function(
            input_signature=[tf.TensorSpec((self.batch_segments, *self._shape), tf.float32)]
        )
        def run(batch: Any) -> Any:
            outputs, _ = network.stateless_call(trained, observed, batch, training=False)
            several = outputs if isinstance(outputs, list | tuple) else [outputs]
            return [tf.cast(output, tf.float32) for output in several]

        return run


def split_by_track(rows: np.ndarray, tracks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rows of all tracks' segments, track by track."""
    return np.split(rows, np.cumsum([len(segments) for segments in tracks])[:-1])


def failed(prediction: Prediction) -> Outcome:
    """The row of a track that the network could not be run on.

    Parameters
    ----------
    prediction : Prediction
        With an error.
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
