"""Layers that only move elements."""

from __future__ import annotations

import math
from typing import Any, Literal

import jax
from jax import lax

from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.checks import check_rank

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
        if data_format not in (None, "channels_first", "channels_last"):
            raise InputError(
                explain(
                    "Flatten cannot be made with this data_format.",
                    expected="'channels_first', 'channels_last' or None",
                    received=f"data_format={data_format!r}",
                    remedy="Leave it out unless axis 1 holds channels.",
                )
            )
        self.data_format = data_format

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch")

    def call(self, inputs: jax.Array) -> jax.Array:
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = lax.transpose(inputs, (0, *range(2, inputs.ndim), 1))
        return lax.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None
