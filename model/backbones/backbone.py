"""Backbones: networks that others trained, by name, in Keras and in ONNX Runtime.

On a CPU they run in ONNX Runtime: it is imported in 0.05 s of CPU, TensorFlow in 2.5 s. Both read
the same file of weights; the graph beside it names what each weight is for.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genrebeam.model.backbones import mn04
from genrebeam.model.backbones.projection import Projection, load_projection
from genrebeam.model.errors import PathError
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.loading import import_onnxruntime

if TYPE_CHECKING:
    import keras

WEIGHTS = Path(__file__).parent / "weights"


class BackboneError(PathError):
    """A backbone that is damaged or of another version."""


@dataclass(frozen=True)
class Backbone:
    """A pretrained network.

    Parameters
    ----------
    windows : FeatureSpec
        What it is given.
    build : callable
        Makes the network, without its weights; its outputs are joined in their order.
    outputs : dict
        Length of each output by name.
    kept : tuple of int
        Classes whose logits heads read.
    read_labels : callable
        Returns the names of its classes, in the order of its logits.
    about : str
        Who made it and what it learned from, for people to read.
    """

    name: str
    windows: FeatureSpec
    build: Callable[[], keras.Model]
    outputs: dict[str, int]
    kept: tuple[int, ...]
    read_labels: Callable[[], tuple[str, ...]]
    about: str

    @property
    def places(self) -> dict[str, slice]:
        """Where each output is among all of them."""
        ends = np.cumsum([0, *self.outputs.values()]).tolist()
        return {
            name: slice(first, last)
            for name, first, last in zip(self.outputs, ends, ends[1:], strict=False)
        }

    def given(self, seconds: float) -> FeatureSpec:
        """The features of segments of some seconds, with what names this network."""
        frames = round(seconds * self.windows.sample_rate_hz / self.windows.hop_length)
        return dataclasses.replace(
            self.windows,
            segment_frames=frames,
            backbone=self.name,
            backbone_version=self.version,
            n_outputs=sum(self.outputs.values()),
        )

    @property
    def weights(self) -> Path:
        """File of its weights."""
        return WEIGHTS / f"{self.name}.npz"

    @property
    def graph(self) -> Path:
        """File of its graph for ONNX Runtime."""
        return WEIGHTS / f"{self.name}.onnx"

    @property
    def projection_file(self) -> Path:
        """File of its projection."""
        return WEIGHTS / f"{self.name}_projection.npz"

    @property
    def version(self) -> str:
        """Hash of its weights and of its projection."""
        return _digest(self.weights, self.projection_file)

    @property
    def projection(self) -> Projection:
        """What is kept of its outputs for a track.

        Raises
        ------
        BackboneError
            If it is damaged.
        """
        return _projection(self.projection_file)

    def read_weights(self) -> dict[str, np.ndarray]:
        """Values of its weights as float32, by layer and name."""
        with np.load(self.weights, allow_pickle=False) as stored:
            return {key: np.ascontiguousarray(stored[key], np.float32) for key in stored}

    def load(self) -> keras.Model:
        """Load the network with its weights.

        Returns
        -------
        keras.Model
            From ``(n, *windows.shape)`` to all outputs, ``(n, n_outputs)``.
        """
        import keras

        network, weights = self.build(), self.read_weights()
        for layer in network.layers:
            for variable in layer.variables:
                variable.assign(weights[f"{layer.name}/{variable.name}"])
        joined = keras.layers.Concatenate(name="outputs")(network.outputs)
        return keras.Model(network.input, joined, name=self.name)

    def open(self, threads: int) -> Callable[[np.ndarray], np.ndarray]:
        """Open the network in ONNX Runtime on a CPU.

        Parameters
        ----------
        threads : int
            Windows that are computed at a time, each in one thread.

        Returns
        -------
        callable
            As that of `load`, for float16 or float32. The outputs of a window do not depend on
            the others.

        Raises
        ------
        BackboneError
            If the graph is damaged.
        """
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        # Threads that share an operation wait for each other in a busy loop, which takes the CPUs
        # from the decoders. Threads with a window each wait for nothing.
        options.intra_op_num_threads = 1
        weights = self.read_weights()
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
        options.add_external_initializers(list(weights), values)
        try:
            session = onnxruntime.InferenceSession(
                str(self.graph), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has classes of its own for each way to fail
            raise BackboneError(self.graph, f"cannot be opened: {error}") from error

        def run(window: np.ndarray) -> np.ndarray:
            found = session.run(list(self.outputs), {"windows": window[None].astype(np.float32)})
            return np.concatenate(found, axis=1)[0]

        at_a_time = ThreadPoolExecutor(threads, self.name)
        return lambda windows: np.stack(list(at_a_time.map(run, windows)))


@functools.cache
def _digest(*paths: Path) -> str:
    found = hashlib.sha256()
    for path in paths:
        try:
            found.update(path.read_bytes())
        except OSError as error:
            raise BackboneError(path, f"cannot be read: {error.strerror}") from error
    return found.hexdigest()[:12]


@functools.cache
def _projection(path: Path) -> Projection:
    try:
        return load_projection(path)
    except (OSError, ValueError, KeyError) as error:
        raise BackboneError(path, f"cannot be read: {error}") from error


BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone(
            "mn04",
            mn04.FRAMES,
            mn04.build,
            {"logits": mn04.N_CLASSES, "maps": mn04.N_MAPS, "bands": mn04.N_BANDS},
            mn04.MUSICAL,
            mn04.read_labels,
            "EfficientAT mn04 (Schmid, Koutini and Widmer, Johannes Kepler University Linz, MIT), "
            "which learned 527 kinds of sound from the two million clips of AudioSet",
        ),
    )
}


def backbone_of(spec: FeatureSpec) -> Backbone:
    """The backbone of a spec.

    Raises
    ------
    BackboneError
        If there is none of that name, or its weights are others.
    """
    backbone = BACKBONES.get(spec.backbone)
    if backbone is None:
        raise BackboneError(WEIGHTS, f"has no backbone {spec.backbone!r}")
    if spec.backbone_version != backbone.version:
        reason = f"is version {backbone.version}, the model needs {spec.backbone_version}"
        raise BackboneError(backbone.weights, reason)
    return backbone
