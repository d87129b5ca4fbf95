"""Recipe: an architecture, its features and its training settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.feature_spec import FeatureSpec

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class Recipe:
    """An architecture with its features and training settings.

    Parameters
    ----------
    name : str
        What ``--recipe`` takes.
    build : callable, optional
        ``build(features, n_classes)`` returns an uncompiled Keras model from
        ``(n, n_mels, segment_frames)`` to ``(n, n_classes)`` logits. None where a backbone is
        the network, and only a head is trained.
    epochs, patience : int
        Most epochs, and epochs without a better validation loss before stopping.
    learning_rate, weight_decay : float
        Of AdamW, with a cosine decay over all epochs.
    mixup : float
        Parameter of the Beta distribution that mixes pairs of segments; 0 is off.
    mask_bands, mask_frames : int
        Widest stripe that SpecAugment blanks, in mel bands and in frames; 0 is off.
    tilt_db : float
        Largest random spectral tilt, in dB from the lowest to the highest band.
    equalise_db : float
        Standard deviation, in dB, of the slowest ripple of a smooth random equaliser; 0 is off.
    shift_bands : int
        Most mel bands that a segment is moved up or down, as another key would; 0 is off.
    stretch : float
        Largest change of tempo, as the natural logarithm of its factor; 0 is off.
    companions : tuple of callable
        Builders like `build` of more networks. Each is trained on its own, with its own
        seed; what is saved is one network whose logits are the mean of them all.
    initialise : callable, optional
        ``initialise(network, segments, seed)`` sets weights of a network that are not
        trained, from the training segments without their labels.
    precision : str
        Keras' policy for the data type of layers while training; what is saved computes
        in ``float32``.
    n_segments : int
        Segments analysed of each track when tagging.
    """

    name: str
    features: FeatureSpec
    build: Callable[[FeatureSpec, int], keras.Model] | None
    epochs: int = 80
    patience: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    mixup: float = 0.0
    mask_bands: int = 0
    mask_frames: int = 0
    tilt_db: float = 0.0
    equalise_db: float = 0.0
    shift_bands: int = 0
    stretch: float = 0.0
    label_smoothing: float = 0.0
    companions: tuple[Callable[[FeatureSpec, int], keras.Model], ...] = ()
    initialise: Callable[[keras.Model, np.ndarray, int], None] | None = None
    precision: str = "float32"
    n_segments: int = 8

    def features_on(self, frames: FeatureSpec) -> FeatureSpec:
        """The features on which this recipe trains with given data.

        Parameters
        ----------
        frames : FeatureSpec
            The frames that the data is made of.

        Returns
        -------
        FeatureSpec
            The recipe's own where the data has its frames, else segments of about the
            same length made of the frames that there are.

        Raises
        ------
        DatasetError
            If no such segments can be made of them.
        """
        own = self.features
        if own.backbone and frames != own:
            raise DatasetError(self.name, "needs audio, and cannot be trained on pictures of it")
        if frames.kind != own.kind and frames.kind != "log_mel":
            there = "descriptors" if frames.kind == "descriptors" else "the outputs of a backbone"
            raise DatasetError(self.name, f"cannot be trained on {there}")
        return own if own.same_frames(frames) else own.on_frames_of(frames)
