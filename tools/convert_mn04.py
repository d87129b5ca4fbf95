#!/usr/bin/env python3
"""Convert the published weights of EfficientAT mn04 to the files that this package ships.

    pip install onnx
    .venv/bin/python tools/convert_mn04.py efficientat_mn04_as.pt

The checkpoint is known by its digest; the same input gives the same files: ``mn04.npz`` with the
weights in Keras' layout, and ``mn04.onnx``, the network's graph for ONNX Runtime, which names the
weights and holds none.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import io
import math
import pickle
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from genrebeam.model.backbones.mn04 import (  # noqa: E402
    BANDS_OF,
    BLOCKS,
    FIRST_OUT,
    FRAMES,
    N_BANDS,
    N_CLASSES,
    N_MAPS,
    STEM,
)

SHA256 = "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"
WEIGHTS = REPOSITORY / "model" / "backbones" / "weights"
_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_EPSILON = 1e-3  # of every batch normalisation


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("checkpoint", type=Path, help="efficientat_mn04_as.pt, by Schmid")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="default: %(default)s")
    arguments = parser.parse_args()
    content = arguments.checkpoint.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        sys.exit(f"{arguments.checkpoint}: is another file (SHA-256 {found}, not {SHA256})")
    weights = keras_weights(read_checkpoint(content))
    arrays: dict[str, Any] = dict(weights)
    np.savez_compressed(arguments.out / "mn04.npz", **arrays)
    (arguments.out / "mn04.onnx").write_bytes(graph_of(weights))
    for name in ("mn04.npz", "mn04.onnx"):
        print(f"{arguments.out / name}: {(arguments.out / name).stat().st_size / 1000:.0f} kB")


class _Unpickler(pickle.Unpickler):
    """Reads a dictionary of tensors, and constructs nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # A tensor as it is stored: key and type of its values, offset, shape, strides.
            return lambda storage, offset, shape, strides, *rest: (storage, offset, shape, strides)
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")

    def persistent_load(self, found: Any) -> tuple[str, np.dtype]:
        kind, dtype, key = found[:3]
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"{kind} is no storage of a tensor")
        return str(key), dtype


def read_checkpoint(content: bytes) -> dict[str, np.ndarray]:
    """Tensors of a PyTorch checkpoint by name.

    Raises
    ------
    pickle.UnpicklingError, ValueError
        If it holds anything but contiguous tensors.
    """
    tensors = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (place,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        found = _Unpickler(io.BytesIO(archive.read(place))).load()
        folder = place.removesuffix("data.pkl")
        for name, ((key, dtype), offset, shape, strides) in found.items():
            steps = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
            if any(
                n > 1 and step != own for n, step, own in zip(shape, strides, steps, strict=True)
            ):
                raise ValueError(f"{name} is not stored in one piece")
            values = np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)
            tensors[name] = values[offset : offset + math.prod(shape)].reshape(shape)
    return tensors


def keras_weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of `mn04.build` by layer and name, batch normalisation folded in.

    Parameters
    ----------
    tensors : dict
        Of `read_checkpoint`.
    """
    weights: dict[str, np.ndarray] = {}

    def fold(layer: str, place: str) -> None:
        kernel = tensors[f"{place}.0.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            tensors[f"{place}.1.{name}"].astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gamma / np.sqrt(variance + _EPSILON)
        # Channels come first there and last in Keras; a depthwise kernel has one of them inside.
        kernel = (kernel * gain[:, None, None, None]).transpose(2, 3, 1, 0)
        if layer.endswith("_depthwise"):
            kernel = kernel.transpose(0, 1, 3, 2)
        weights[f"{layer}/kernel"] = np.ascontiguousarray(kernel, np.float32)
        weights[f"{layer}/bias"] = (beta - mean * gain).astype(np.float32)

    def dense(layer: str, place: str) -> None:
        weights[f"{layer}/kernel"] = np.ascontiguousarray(tensors[f"{place}.weight"].T)
        weights[f"{layer}/bias"] = tensors[f"{place}.bias"]

    fold("stem", "features.0")
    n_channels = STEM
    for number, block in enumerate(BLOCKS, start=1):
        parts = (f"features.{number}.block.{i}" for i in range(4))
        if block.expanded != n_channels:
            fold(f"block{number}_expand", next(parts))
        fold(f"block{number}_depthwise", next(parts))
        if block.squeezed:
            gate = f"{next(parts)}.conc_se_layers.0"
            dense(f"block{number}_squeeze", f"{gate}.fc1")
            dense(f"block{number}_excite", f"{gate}.fc2")
        fold(f"block{number}_project", next(parts))
        n_channels = block.out
    fold("last", "features.16")
    dense("hidden", "classifier.2")
    dense("logits", "classifier.5")
    return weights


@dataclass
class _Graph:
    """An ONNX graph under construction, channels first, whose weights are named only."""

    shapes: dict[str, tuple[int, ...]]
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    used: list[str] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = to or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, *values: int) -> str:
        from onnx import numpy_helper

        name = f"axes_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def weight(self, name: str, *order: int) -> str:
        """A weight with its axes in another order; ONNX Runtime does that once."""
        self.used.append(name)
        return self.add("Transpose", name, perm=list(order)) if order else name

    def activated(self, x: str, activation: str | None) -> str:
        kinds = {"relu": "Relu", "hard_swish": "HardSwish", "sigmoid": "Sigmoid"}
        return self.add(kinds[activation], x) if activation else x

    def convolved(self, x: str, layer: str, activation: str | None, stride: int = 1) -> str:
        height, width, *_ = self.shapes[f"{layer}/kernel"]
        depthwise = layer.endswith("_depthwise")
        order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        groups = self.shapes[f"{layer}/kernel"][2] if depthwise else 1
        x = self.add(
            "Conv",
            x,
            self.weight(f"{layer}/kernel", *order),
            self.weight(f"{layer}/bias"),
            group=groups,
            kernel_shape=[height, width],
            pads=2 * [(height - 1) // 2, (width - 1) // 2],
            strides=[stride, stride],
        )
        return self.activated(x, activation)

    def mean_and_deviation(self, x: str, *axes: int) -> list[str]:
        def mean_of(values: str) -> str:
            return self.add("Flatten", self.add("ReduceMean", values, axes=axes, keepdims=1))

        mean = mean_of(x)
        variance = self.add("Sub", mean_of(self.add("Mul", x, x)), self.add("Mul", mean, mean))
        return [mean, self.add("Sqrt", self.add("Relu", variance))]

    def dense(self, x: str, layer: str, activation: str | None = None) -> str:
        x = self.add("Gemm", x, self.weight(f"{layer}/kernel"), self.weight(f"{layer}/bias"))
        return self.activated(x, activation)


def graph_of(weights: dict[str, np.ndarray]) -> bytes:
    """The network of `mn04.build` as an ONNX model.

    Parameters
    ----------
    weights : dict
        Of `keras_weights`.

    Returns
    -------
    bytes
        ``windows`` to ``logits``, ``maps`` and ``bands``. Its initializers have the names of
        the weights and no values.
    """
    from onnx import TensorProto, helper

    graph = _Graph({name: value.shape for name, value in weights.items()})
    maps: list[str] = []
    bands: list[str] = []
    x = graph.add("Unsqueeze", "windows", graph.constant(1))
    x = graph.convolved(x, "stem", "hard_swish", 2)
    n_channels = STEM
    for number, block in enumerate(BLOCKS, start=1):
        before, name = x, f"block{number}"
        if block.expanded != n_channels:
            x = graph.convolved(x, f"{name}_expand", block.activation)
        x = graph.convolved(x, f"{name}_depthwise", block.activation, block.stride)
        if block.squeezed:
            gate = graph.add("Flatten", graph.add("GlobalAveragePool", x))
            gate = graph.dense(gate, f"{name}_squeeze", "relu")
            gate = graph.dense(gate, f"{name}_excite", "sigmoid")
            gate = graph.add("Unsqueeze", gate, graph.constant(2, 3))
            x = graph.add("Mul", x, gate)
        x = graph.convolved(x, f"{name}_project", None)
        if block.stride == 1 and block.out == n_channels:
            x = graph.add("Add", x, before)
        n_channels = block.out
        if number >= FIRST_OUT:
            maps += graph.mean_and_deviation(x, 2, 3)
        if number in BANDS_OF:
            bands += graph.mean_and_deviation(x, 3)
    x = graph.convolved(x, "last", "hard_swish")
    maps += graph.mean_and_deviation(x, 2, 3)
    hidden = graph.dense(maps[-2], "hidden", "hard_swish")
    graph.add("Identity", graph.dense(hidden, "logits"), to="logits")
    graph.add("Concat", *maps, to="maps", axis=1)
    graph.add("Concat", *bands, to="bands", axis=1)
    initializers = [*graph.constants]
    for name in graph.used:
        weight = TensorProto(
            name=name,
            data_type=TensorProto.FLOAT,
            dims=graph.shapes[name],
            data_location=TensorProto.EXTERNAL,
        )
        weight.external_data.add(key="location", value="mn04.npz")
        initializers.append(weight)
    windows = helper.make_tensor_value_info(
        "windows", TensorProto.FLOAT, ["n", FRAMES.n_mels, "n_frames"]
    )
    infos = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("logits", N_CLASSES), ("maps", N_MAPS), ("bands", N_BANDS))
    ]
    made = helper.make_graph(graph.nodes, "mn04", [windows], infos, initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString(deterministic=True)


if __name__ == "__main__":
    main()
