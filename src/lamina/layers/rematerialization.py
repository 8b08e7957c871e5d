"""Rematerialization: a layer whose activations are computed again in the backward pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, Unpack

from lamina.core.running.masks import masks_by_inner_layers
from lamina.core.running.rematerialization import CHOSEN, rematerialized
from lamina.core.running.scope import set_masks
from lamina.layer import Layer
from lamina.layers.bases.inner_layers import check_layer
from lamina.options import LayerOptions

__all__ = ["Remat", "checkpoint", "remat", "rematerialized_layers"]


class Remat(Layer):
    """A layer whose activations are computed again in the backward pass, instead of being kept.

    Outputs, gradients, random numbers, assigned state and added losses are those of the layer
    itself; only memory and time differ.

    Shapes: those of the layer.

    Args:
        layer: the layer.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        *inputs: those of the layer.
        mask: its padding mask, if it takes one; None by default.
        **named: its inputs by name.

    Returns:
        The outputs of the layer.

    Raises:
        InputError: what is given is not a layer.

    Source: Griewank and Walther, ACM TOMS 26 (2000), doi 10.1145/347837.347846; here each layer
    is one segment, by `jax.checkpoint`.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> Remat(layers.Dense(4))(jnp.ones((2, 3))).shape
    (2, 4)
    """

    def __init__(self, layer: Layer, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.layer = check_layer(self, "layer", layer)

    def call(self, *inputs: Any, mask: Any = None, **named: Any) -> Any:
        set_masks(inputs, mask)
        return rematerialized(self.layer, self.layer, inputs, named)

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(inputs, mask)


def checkpoint(layer: Layer) -> Remat:
    """A layer that keeps no activations: they are computed again in the backward pass.

    Args:
        layer: the layer. The result may be kept in its place, as an attribute, in a list or in a
            `Sequential`, or made in `call`, around a layer that is an attribute.

    Returns:
        A :class:`lamina.layers.Remat`.

    Raises:
        InputError: what is given is not a layer.

    >>> from lamina import Sequential, layers
    >>> model = Sequential([checkpoint(layers.Dense(4)), layers.Dense(1)])
    >>> model.build((None, 3))
    >>> list(model.values())[0]
    'layers.0.layer.kernel'
    """
    return Remat(layer)


remat = checkpoint
"""`checkpoint` by JAX's other name for it."""


@contextlib.contextmanager
def rematerialized_layers(chosen: Callable[[Layer], bool]) -> Generator[None]:
    """In a `with` block, choose layers whose activations are computed again in the backward pass.

    It holds for the layers that are made in the block, in all their calls.

    Args:
        chosen: function of a new layer; whether its activations are computed again.

    >>> from lamina import layers
    >>> with rematerialized_layers(lambda layer: layer.name == "wide"):
    ...     model = layers.Dense(4, name="wide")
    """
    token = CHOSEN.set(chosen)
    try:
        yield
    finally:
        CHOSEN.reset(token)
