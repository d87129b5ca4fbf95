"""All ears by name, and the network that joins those of a model."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrebeam.model.ear_sizes import EAR_SIZES
from genrebeam.model.errors import PathError
from genrebeam.model.feature_spec import EarSpec, FeatureSpec
from genrebeam.model.pretrained import musicnn, yamnet

if TYPE_CHECKING:
    import keras

WEIGHTS = Path(__file__).parent / "weights"


class EarError(PathError):
    """A pretrained network that is damaged or of another version."""


@dataclass(frozen=True)
class Ear:
    """A pretrained network.

    Parameters
    ----------
    name : str
    frames : FeatureSpec
        Its log-mel; a patch is a segment of it.
    read_words : callable
        Returns the words that its scores stand for, in their order.
    build : callable
        Makes the network, without its weights.
    about : str
        Who made it and what it learned from, for people to read.
    """

    name: str
    frames: FeatureSpec
    read_words: Callable[[], tuple[str, ...]]
    build: Callable[[], keras.Model]
    about: str

    @property
    def n_words(self) -> int:
        """Number of its scores."""
        return EAR_SIZES[self.name].n_words

    @property
    def n_embedding(self) -> int:
        """Length of its embedding."""
        return EAR_SIZES[self.name].n_embedding

    @property
    def words(self) -> tuple[str, ...]:
        """The words that its scores stand for, in their order."""
        return self.read_words()

    @property
    def weights(self) -> Path:
        """File of its weights."""
        return WEIGHTS / f"{self.name}.npz"

    @property
    def graph(self) -> Path:
        """File of its graph, for ONNX Runtime (see ``sessions.py``)."""
        return WEIGHTS / f"{self.name}.onnx"

    @property
    def version(self) -> str:
        """Hash of its weights."""
        return _digest(self.weights)

    def hears(self, patches: tuple[int, ...] = (0,)) -> EarSpec:
        """What it is given of a segment: patches that begin at these samples of it."""
        return EarSpec(self.name, self.frames, patches, self.version)

    def check(self, version: str) -> None:
        """Check that the weights are those of a version.

        Raises
        ------
        EarError
        """
        if version != self.version:
            raise EarError(self.weights, f"is version {self.version}, the model needs {version}")

    def read_weights(self) -> dict[str, np.ndarray]:
        """Values of its weights as float32, by layer and name."""
        with np.load(self.weights, allow_pickle=False) as stored:
            names = [key for key in stored if not key.endswith("_scale")]
            return {key: np.ascontiguousarray(_stored(stored, key), np.float32) for key in names}

    def load(self) -> keras.Model:
        """Load the network with its weights.

        Returns
        -------
        keras.Model
            From ``(n, n_mels, segment_frames)`` to scores ``(n, n_words)`` in 0..1 and
            embeddings ``(n, n_embedding)``.
        """
        network, weights = self.build(), self.read_weights()
        for layer in network.layers:
            for variable in layer.variables:
                variable.assign(weights[f"{layer.name}/{variable.name}"])
        return network


EARS = {
    ear.name: ear
    for ear in (
        Ear(
            "yamnet",
            yamnet.FRAMES,
            yamnet.read_words,
            yamnet.build,
            "YAMNet (Plakal and Ellis, Google, Apache 2.0), which learned 521 kinds of sound "
            "from the two million clips of AudioSet",
        ),
        Ear(
            "musicnn_msd",
            musicnn.FRAMES,
            lambda: musicnn.MSD_TAGS,
            functools.partial(musicnn.build, "musicnn_msd"),
            "musicnn (Pons, Universitat Pompeu Fabra, ISC), which learned 50 tags of Last.fm's "
            "listeners from the Million Song Dataset",
        ),
        Ear(
            "musicnn_mtt",
            musicnn.FRAMES,
            lambda: musicnn.MTT_TAGS,
            functools.partial(musicnn.build, "musicnn_mtt"),
            "musicnn (Pons, Universitat Pompeu Fabra, ISC), which learned 50 tags from "
            "MagnaTagATune",
        ),
    )
}


@functools.cache
def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise EarError(path, f"cannot be read: {error.strerror}") from error


def _stored(stored: Mapping[str, Any], key: str) -> np.ndarray:
    """Values of a weight, times their scale where they are stored in 8 bits."""
    scale = f"{key}_scale"
    return stored[key] * stored[scale] if scale in stored else stored[key]


@dataclass(frozen=True)
class Outputs:
    """Where an ear's outputs are among those of all ears.

    Parameters
    ----------
    ear : Ear
    scores, embedding : slice
    """

    ear: Ear
    scores: slice
    embedding: slice


def outputs_of(spec: FeatureSpec) -> Iterator[Outputs]:
    """The outputs of a segment, ear by ear: its scores, then its embedding.

    Parameters
    ----------
    spec : FeatureSpec
        Of kind ``ears`` or ``outputs``.

    Yields
    ------
    Outputs
    """
    first = 0
    for one in spec.ears:
        ear = EARS[one.name]
        middle, end = first + ear.n_words, first + ear.n_words + ear.n_embedding
        yield Outputs(ear, slice(first, middle), slice(middle, end))
        first = end


def load_ears(spec: FeatureSpec) -> keras.Model:
    """Join all ears of a spec in one network.

    Parameters
    ----------
    spec : FeatureSpec
        Of kind ``ears``.

    Returns
    -------
    keras.Model
        From ``(n, *spec.shape)`` segments to ``(n, n_outputs)``: of each ear the scores and
        the embedding, both averaged over the segment's patches (see `outputs_of`).

    Raises
    ------
    EarError
        If the weights are not those that the spec was made with.
    """
    import keras
    from keras import layers, ops

    segments = keras.Input(spec.shape, name="patches")
    parts, first = [], 0
    for one in spec.ears:
        ear, n_patches = EARS[one.name], len(one.patches)
        ear.check(one.version)
        values = segments[:, first : first + one.n_values, 0]
        first += one.n_values
        for found in ear.load()(ops.reshape(values, (-1, *one.frames.shape))):
            by_patch = ops.reshape(found, (-1, n_patches, found.shape[-1]))
            parts.append(ops.mean(by_patch, axis=1))
    return keras.Model(segments, layers.Concatenate(name="outputs")(parts), name="ears")
