"""Models made again with weights of their own."""

from __future__ import annotations

from typing import Any

from lamina.layer import Layer

__all__ = ["clone_model"]


def clone_model(model: Layer) -> Any:
    """A model of the same class and arguments; if the model is built, so is the clone, anew.

    >>> from lamina import Input, Sequential, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2)])
    >>> clone_model(model).layers[0].kernel is model.layers[0].kernel
    False
    """
    kind: Any = model.__class__
    twin = kind.from_config(model.get_config())
    built = model._lamina.built
    if built is not None and twin._lamina.built is None:
        twin.build(*built.inputs.args, method=built.method, **built.inputs.kwargs)
    return twin
