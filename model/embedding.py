"""Embeddings: the numbers that a network's logits are computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_LAYER = "embedding"
_MEMBER = "member_"


def with_embedding(network: keras.Model) -> keras.Model:
    """The same network with a second output, so that one call gives both.

    The embedding is the output of the layer named ``embedding``, or the input of the last layer
    where none has that name. A network of members (``member_1``, ``member_2``, ...) has the joined
    embeddings of those members that have such a layer, or of all where none has. Each is scaled to
    length 1, so that none outweighs the others.

    Parameters
    ----------
    network : keras.Model
        From segments to logits; its layers are shared, not copied.

    Returns
    -------
    keras.Model
        From segments to logits and ``(n, d)`` embeddings; d depends on the network only.
    """
    import keras

    members = [
        layer
        for layer in network.layers
        if isinstance(layer, keras.Model) and layer.name.startswith(_MEMBER)
    ]
    members = [member for member in members if _names_embedding(member)] or members
    parts = []

    def call(layer: keras.layers.Layer, *inputs: Any, **arguments: Any) -> Any:
        if layer not in members:
            return layer(*inputs, **arguments)
        member = keras.Model(layer.input, [layer.output, _embedding_of(layer)], name=layer.name)
        logits, embedding = member(*inputs, **arguments)
        parts.append(keras.layers.UnitNormalization(name=f"unit_{layer.name}")(embedding))
        return logits

    whole = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )
    if not parts:
        return keras.Model(network.input, [network.output, _embedding_of(network)])
    return keras.Model(whole.input, [whole.output, _joined(parts)])


def _names_embedding(network: keras.Model) -> bool:
    return any(layer.name == _LAYER for layer in network.layers)


def _embedding_of(network: keras.Model) -> Any:
    import keras

    named = [layer.output for layer in network.layers if layer.name == _LAYER]
    inputs = named or keras.tree.flatten(network.layers[-1].input)
    return _joined([_flat(x) for x in inputs])


def _flat(x: Any) -> Any:
    # Named, because a loaded network may have layers of Keras' default names.
    import keras

    return x if len(x.shape) == 2 else keras.layers.Flatten(name=f"flat_{x.name}")(x)


def _joined(parts: list[Any]) -> Any:
    import keras

    return keras.layers.Concatenate(name="embeddings")(parts) if len(parts) > 1 else parts[0]
