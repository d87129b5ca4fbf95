"""EfficientAT mn04: a MobileNetV3 of width 0.4 that knows the 527 sounds of AudioSet.

Schmid, Koutini, Widmer, "Efficient Large-Scale Audio Tagging via Transformer-to-CNN Knowledge
Distillation" (2023); Howard et al., "Searching for MobileNetV3" (2019); Gemmeke et al., "Audio
Set" (2017). Weights by Schmid (MIT licence), their batch normalisation folded into the
convolutions.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from genrebeam.model.feature_spec import FeatureSpec

if TYPE_CHECKING:
    import keras

# Log-mel frames of 25 ms every 10 ms, as the network was trained on.
FRAMES = FeatureSpec(
    kind="window",
    sample_rate_hz=32000,
    n_fft=1024,
    window_length=800,
    hop_length=320,
    n_mels=128,
    mel_scale="kaldi",
    fmax_hz=15000.0,
    pre_emphasis=0.97,
    log_offset=1e-5,
    log_centre=-4.5,
    log_spread=5.0,
    segment_frames=1000,
)
N_LAST, N_HIDDEN, N_CLASSES = 384, 512, 527
# AudioSet's classes that are music, or voices that make it.
MUSICAL = (*range(27, 38), *range(137, 283))
_LABELS = Path(__file__).parent / "weights" / "audioset_labels.csv"


class Block(NamedTuple):
    """An inverted residual block: expand, convolve each channel, gate, project.

    Parameters
    ----------
    kernel, expanded, out : int
        Width of the kernel; channels inside, and behind the projection.
    squeezed : int
        Units of the bottleneck of squeeze and excitation; 0 for no gate.
    activation : {"relu", "hard_swish"}
    """

    kernel: int
    expanded: int
    out: int
    squeezed: int
    activation: str
    stride: int


STEM = 8
BLOCKS = (
    Block(3, 8, 8, 0, "relu", 1),
    Block(3, 24, 16, 0, "relu", 2),
    Block(3, 32, 16, 0, "relu", 1),
    Block(5, 32, 16, 8, "relu", 2),
    Block(5, 48, 16, 16, "relu", 1),
    Block(5, 48, 16, 16, "relu", 1),
    Block(3, 96, 32, 0, "hard_swish", 2),
    Block(3, 80, 32, 0, "hard_swish", 1),
    Block(3, 72, 32, 0, "hard_swish", 1),
    Block(3, 72, 32, 0, "hard_swish", 1),
    Block(3, 192, 48, 48, "hard_swish", 1),
    Block(3, 272, 48, 72, "hard_swish", 1),
    Block(5, 272, 64, 72, "hard_swish", 2),
    Block(5, 384, 64, 96, "hard_swish", 1),
    Block(5, 384, 64, 96, "hard_swish", 1),
)
# The first block whose map counts among the outputs.
FIRST_OUT = 4
# Mean and deviation of each map.
N_MAPS = 2 * (sum(block.out for block in BLOCKS[FIRST_OUT - 1 :]) + N_LAST)
# Blocks of whose maps each frequency counts too, and how many frequencies there are.
BANDS_OF = {6: 16, 10: 8, 12: 8, 15: 4}
N_BANDS = 2 * sum(BLOCKS[number - 1].out * n for number, n in BANDS_OF.items())


def build() -> keras.Model:
    """Build the network, without its weights.

    Returns
    -------
    keras.Model
        From ``(n, 128, n_frames)`` log-mel windows to logits of sounds, ``(n, 527)``; to the mean
        and the deviation over frequency and time of the maps behind the fourth block, ..., the last
        block and the last convolution, ``(n, 1696)``; and to those over time, frequency by
        frequency, of the maps behind `BANDS_OF`, ``(n, 2304)``.
    """
    from keras import Input, Model, layers

    maps, bands = [], []

    windows = Input((FRAMES.n_mels, None), name="windows")
    x = layers.Reshape((FRAMES.n_mels, -1, 1))(windows)
    x = _convolved(x, STEM, 3, 2, "hard_swish", "stem")
    n_channels = STEM
    for number, block in enumerate(BLOCKS, start=1):
        before, name = x, f"block{number}"
        if block.expanded != n_channels:
            x = _convolved(x, block.expanded, 1, 1, block.activation, f"{name}_expand")
        # Zeros on all sides, whatever the stride: Keras' own padding differs there.
        x = layers.ZeroPadding2D((block.kernel - 1) // 2)(x)
        x = layers.DepthwiseConv2D(
            block.kernel, block.stride, activation=block.activation, name=f"{name}_depthwise"
        )(x)
        if block.squeezed:
            gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
            gate = layers.Dense(block.squeezed, "relu", name=f"{name}_squeeze")(gate)
            gate = layers.Dense(block.expanded, "sigmoid", name=f"{name}_excite")(gate)
            x = layers.Multiply()([x, gate])
        x = _convolved(x, block.out, 1, 1, None, f"{name}_project")
        if block.stride == 1 and block.out == n_channels:
            x = layers.Add()([x, before])
        n_channels = block.out
        if number >= FIRST_OUT:
            maps += _mean_and_deviation(x, (1, 2))
        if number in BANDS_OF:
            bands += _mean_and_deviation(x, (2,))
    x = _convolved(x, N_LAST, 1, 1, "hard_swish", "last")
    maps += _mean_and_deviation(x, (1, 2))
    hidden = layers.Dense(N_HIDDEN, "hard_swish", name="hidden")(maps[-2])
    logits = layers.Dense(N_CLASSES, name="logits")(hidden)
    joined = [layers.Concatenate(name=n)(of) for n, of in (("maps", maps), ("bands", bands))]
    return Model(windows, [logits, *joined], name="mn04")


def _mean_and_deviation(x: Any, axes: tuple[int, ...]) -> list[Any]:
    """Over axes of ``(n, frequency, time, channel)``, channel by channel."""
    from keras import layers, ops

    mean = ops.mean(x, axes)
    deviation = ops.sqrt(ops.maximum(ops.mean(x * x, axes) - mean * mean, 0.0))
    if len(axes) == 2:
        return [mean, deviation]
    return [layers.Flatten()(layers.Permute((2, 1))(one)) for one in (mean, deviation)]


def _convolved(
    x: Any, filters: int, kernel: int, stride: int, activation: str | None, name: str
) -> Any:
    from keras import layers

    if kernel > 1:
        x = layers.ZeroPadding2D((kernel - 1) // 2)(x)
    return layers.Conv2D(filters, kernel, stride, activation=activation, name=name)(x)


@functools.cache
def read_labels() -> tuple[str, ...]:
    """Names of the sounds, in the order of the logits."""
    with open(_LABELS, encoding="utf-8", newline="") as stream:
        return tuple(row["display_name"] for row in csv.DictReader(stream))
