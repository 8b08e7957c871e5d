"""A layer at every step of a sequence."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.core.specs.signature import method_of
from lamina.core.tree.walk import walk
from lamina.layer import Layer
from lamina.layers.bases.checks import check_rank, check_shape
from lamina.layers.bases.inner_layers import check_layer
from lamina.layers.recurrent.step_keys import step_keys

__all__ = ["TimeDistributed"]


class TimeDistributed(Layer):
    """The same layer on every step of a sequence: ``y[:, t] = layer(x[:, t])``.

    All steps are computed at once. A layer that keeps a state, such as `BatchNormalization`, sees
    one step after the other instead. Random numbers are drawn for each step.

    Shapes: ``[batch, time, ...] -> [batch, time, ...]``, what the layer makes of ``[batch, ...]``.

    Args:
        layer: the layer.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, time, ...]``; a layer that takes masks gets each step's.

    Raises:
        InputError: what is wrapped is not a layer, the input has fewer than three axes, or the
            mask does not fit.

    >>> import jax.numpy as jnp
    >>> from lamina.layers import Dense
    >>> TimeDistributed(Dense(4))(jnp.ones((2, 7, 3))).shape
    (2, 7, 4)
    """

    def __init__(self, layer: Layer, **options: Any) -> None:
        super().__init__(**options)
        self.layer = check_layer(self, "layer", layer)

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, time, features...")
        self.layer.build((input_shape[0], *input_shape[2:]))
        variables = walk(self.layer).variables.values()
        self._keeps_state = any(not variable.trainable for _, variable in variables)

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> Any:
        if mask is not None:
            check_shape(
                self, "a mask", mask, (*inputs.shape[:2], *mask.shape[2:]), "batch, time, ..."
            )
            if "mask" not in method_of(type(self.layer), "call").signature.parameters:
                mask = None

        def step(x: jax.Array, alive: jax.Array | None, key: jax.Array | None) -> Any:
            options = {} if alive is None else {"mask": alive}
            return self.layer(x, **options) if key is None else self.layer(x, **options, rng=key)

        steps = inputs.shape[1]
        if self._keeps_state:
            every = [
                step(inputs[:, at], None if mask is None else mask[:, at], None)
                for at in range(steps)
            ]
            return cast(Any, jax.tree).map(_stacked, *every)
        together = cast(Any, jax.vmap)(step, in_axes=(1, 1, 0), out_axes=1)
        return together(inputs, mask, step_keys(self, steps))


def _stacked(*steps: jax.Array) -> jax.Array:
    return jnp.stack(steps, 1)
