"""`keras.layers.Wrapper`: the base class of layers around one other layer."""

from __future__ import annotations

from typing import Any

import lamina
from lamina.compat.tf.keras.layers import Layer
from lamina.errors import InputError, explain
from lamina.layers import Bidirectional, TimeDistributed

__all__ = ["Wrapper"]


class Wrapper(Layer):
    """The base class of layers around one other layer, the attribute `layer`.

    Args:
        layer: the inner layer.
        **options: those of a layer, such as ``name``.

    Raises:
        InputError: `layer` is not a layer.

    >>> import jax.numpy as jnp
    >>> class Twice(Wrapper):
    ...     def call(self, inputs):
    ...         return 2 * self.layer(inputs)
    >>> Twice(lamina.layers.Activation("relu"))(jnp.array([-1.0, 3.0])).tolist()
    [0.0, 6.0]
    """

    def __init__(self, layer: lamina.Layer, **options: Any) -> None:
        if not isinstance(layer, lamina.Layer):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(
                explain(
                    f"{type(self).__name__} has no inner layer.",
                    expected="a layer",
                    received=repr(layer)[:200],
                    remedy="Pass a layer as the first argument.",
                )
            )
        super().__init__(**options)
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        self.layer.build(input_shape)

    @classmethod
    def __subclasshook__(cls, kind: type) -> Any:
        if cls is not Wrapper:
            return NotImplemented
        return issubclass(kind, Bidirectional | TimeDistributed) or NotImplemented
