"""Layers that only move elements."""

from __future__ import annotations

import math
from typing import Any, Literal

import jax
from jax import lax

from lamina.layer import Layer
from lamina.layers.checks import check_choice, check_rank

__all__ = ["Flatten"]


class Flatten(Layer):
    """Fold all axes but the first into one.

    Shapes: ``[batch, a, b, ...] -> [batch, a b ...]``, and ``[batch] -> [batch, 1]``.

    Args:
        data_format: ``"channels_first"`` moves axis 1 to the end before folding;
            ``"channels_last"``, the default, leaves the axes as they are.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``data_format`` is neither, or the input is a scalar.

    >>> import jax.numpy as jnp
    >>> Flatten()(jnp.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(
        self,
        data_format: Literal["channels_first", "channels_last"] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        choices = (None, "channels_first", "channels_last")
        self.data_format = check_choice(self, "data_format", data_format, choices)

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch")

    def call(self, inputs: jax.Array) -> jax.Array:
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = lax.transpose(inputs, (0, *range(2, inputs.ndim), 1))
        return lax.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None
