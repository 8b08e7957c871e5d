"""A layer applied to every step of a sequence."""

from __future__ import annotations

from typing import Any, Unpack, cast

import jax
import jax.numpy as jnp

from lamina.core.specs.signature import method_of
from lamina.core.tree.walk import walk
from lamina.layer import Layer
from lamina.layers.bases.checks import check_rank, check_shape
from lamina.layers.bases.inner_layers import check_layer
from lamina.layers.recurrent.step_keys import step_keys
from lamina.options import LayerOptions

__all__ = ["TimeDistributed"]


class TimeDistributed(Layer):
    """Apply the same layer to every step of a sequence: ``y[:, t] = layer(x[:, t])``.

    All steps are computed at once, each with its own random key. A layer with non-trainable
    variables, such as `BatchNormalization`, processes the steps one after the other.

    Shapes: ``[batch, time, ...] -> [batch, time, ...]``, where the layer maps ``[batch, ...]`` to
    ``[batch, ...]``.

    Args:
        layer: the layer to apply.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: ``[batch, time, ...]``.
        mask: bool ``[batch, time, ...]``; a layer whose `call` takes a mask receives that of each
            step. None by default.

    Returns:
        The layer's outputs, stacked on axis 1.

    Raises:
        InputError: ``layer`` is not a layer, the input has fewer than three axes, or the mask
            does not fit.

    >>> import jax.numpy as jnp
    >>> from lamina.layers import Dense
    >>> TimeDistributed(Dense(4))(jnp.ones((2, 7, 3))).shape
    (2, 7, 4)
    """

    supports_masking = True

    def __init__(self, layer: Layer, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.layer = check_layer(self, "layer", layer)

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, time, features...")
        self.layer.build((input_shape[0], *input_shape[2:]))
        variables = walk(self.layer).variables.values()
        self._has_state = any(not variable.is_parameter for _, variable in variables)

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> Any:
        if mask is not None:
            check_shape(
                self, "a mask", mask, (*inputs.shape[:2], *mask.shape[2:]), "batch, time, ..."
            )
            if "mask" not in method_of(type(self.layer), "call").signature.parameters:
                mask = None

        def step(x: jax.Array, valid: jax.Array | None, key: jax.Array | None) -> Any:
            options = {} if valid is None else {"mask": valid}
            return self.layer(x, **options) if key is None else self.layer(x, **options, rng=key)

        steps = inputs.shape[1]
        if self._has_state:
            outputs = [
                step(inputs[:, t], None if mask is None else mask[:, t], None) for t in range(steps)
            ]
            return cast(Any, jax.tree).map(_stacked, *outputs)
        all_steps = cast(Any, jax.vmap)(step, in_axes=(1, 1, 0), out_axes=1)
        return all_steps(inputs, mask, step_keys(self, steps))


def _stacked(*steps: jax.Array) -> jax.Array:
    return jnp.stack(steps, 1)
