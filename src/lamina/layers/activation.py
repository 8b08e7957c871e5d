"""An activation as a layer of its own."""

from __future__ import annotations

from typing import Any

import jax

from lamina import activations
from lamina.layer import Layer

__all__ = ["Activation"]


class Activation(Layer):
    """A function of each element: ``y = act(x)``.

    Shapes: any, unchanged.

    Args:
        activation: a name or a function of one array.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        UnknownNameError: there is no activation of that name.

    >>> import jax.numpy as jnp
    >>> Activation("relu")(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, activation: activations.ActivationLike, **options: Any) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)

    def call(self, inputs: jax.Array) -> jax.Array:
        return self.activation(inputs)
