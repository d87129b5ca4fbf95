#!/usr/bin/env python3
"""Make the graphs of the ears for ONNX Runtime from their Keras networks.

    pip install tf2onnx
    .venv/bin/python benchmarks/ear_graphs.py

A graph names the weights that its nodes need; their values stay in the files beside it, which
Keras reads too. A test compares what both say.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import tf2onnx  # noqa: E402
from onnx import TensorProto  # noqa: E402

from genrebeam.model.loading import import_tensorflow  # noqa: E402
from genrebeam.model.pretrained.ears import EARS, Ear  # noqa: E402


def graph_of(ear: Ear) -> bytes:
    """An ear's graph for ONNX Runtime, whose weights are filled in when it is opened.

    Parameters
    ----------
    ear : Ear

    Returns
    -------
    bytes
        An ONNX model: ``patches`` as in `Ear.load`, then scores and embeddings. Its initializers
        have the names of the weights and no values.
    """
    tf = import_tensorflow()
    network = ear.load()
    variables = [*network.trainable_variables, *network.non_trainable_variables]
    names = {id(v): f"{layer.name}/{v.name}" for layer in network.layers for v in layer.variables}
    # TensorFlow takes no slash in the name of an input.
    inputs = {f"weight_{i}": names[id(v)] for i, v in enumerate(variables)}
    n_trained = len(network.trainable_variables)

    @tf.function
    def hear(patches: Any, *weights: Any) -> Any:
        trained, observed = list(weights[:n_trained]), list(weights[n_trained:])
        return network.stateless_call(trained, observed, patches, training=False)[0]

    signature = [tf.TensorSpec((None, *ear.frames.shape), tf.float32, "patches")]
    signature += [
        tf.TensorSpec(v.shape, tf.float32, name) for v, name in zip(variables, inputs, strict=True)
    ]
    model, _ = tf2onnx.convert.from_function(hear, input_signature=signature, opset=17)
    graph = model.graph
    for node in graph.node:
        node.input[:] = [inputs.get(name, name) for name in node.input]
    for given in [given for given in graph.input if given.name in inputs]:
        kind = given.type.tensor_type
        weight = TensorProto(
            name=inputs[given.name],
            data_type=kind.elem_type,
            dims=[size.dim_value for size in kind.shape.dim],
            data_location=TensorProto.EXTERNAL,
        )
        weight.external_data.add(key="location", value=ear.weights.name)
        graph.initializer.append(weight)
        graph.input.remove(given)
    return model.SerializeToString(deterministic=True)


def main() -> None:
    for ear in EARS.values():
        ear.graph.write_bytes(graph_of(ear))
        print(f"{ear.graph}: {ear.graph.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
