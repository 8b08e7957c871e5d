"""Layers that reshape, permute and repeat their inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import jax
from jax import lax

from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import (
    check_choice,
    check_count,
    check_filled,
    check_integers,
    check_rank,
)
from lamina.layers.bases.text import rearranged_text
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape"]


class Rearranging(Layer):
    """The base of layers whose output has no mask: that of the input no longer fits."""

    _lamina_text_outputs = rearranged_text

    supports_masking = False

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


class Flatten(Rearranging):
    """Flattens all axes but the batch into one.

    Shapes: ``[batch, a, b, ...] -> [batch, a * b * ...]``, and ``[batch] -> [batch, 1]``.

    Args:
        data_format: ``"channels_first"`` to move axis 1 to the end before flattening;
            ``"channels_last"`` or None (default) to keep the order of axes.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``data_format`` is unknown, or the input is a scalar.

    >>> import jax.numpy as jnp
    >>> Flatten()(jnp.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(
        self,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
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


class Reshape(Rearranging):
    """Reshapes each example, in row-major order.

    Shapes: ``[batch, a, b, ...] -> [batch, target_shape...]``, with the same number of elements.

    Args:
        target_shape: sequence of int, shape of an example without the batch axis; one size may be
            -1 and is inferred.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``target_shape`` is no shape, or has another number of elements than an example.

    >>> import jax.numpy as jnp
    >>> Reshape((3, -1))(jnp.arange(6).reshape(1, 6)).tolist()
    [[[0, 1], [2, 3], [4, 5]]]
    """

    def __init__(self, target_shape: Sequence[int], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        empty = isinstance(target_shape, list | tuple) and not target_shape
        sizes = () if empty else check_integers(self, "target_shape", target_shape)
        if min(sizes, default=0) < -1 or sizes.count(-1) > 1:
            raise InputError(
                explain(
                    "Reshape got an invalid target_shape.",
                    where=f"made at {self._lamina.made_at}",
                    expected="integers >= 0, and at most one -1",
                    received=f"target_shape={target_shape!r}",
                    remedy="Use the shape of one example, without the batch axis.",
                )
            )
        self.target_shape = sizes

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch")
        check_filled(self, "target_shape", self.target_shape, tuple(input_shape[1:]))

    def call(self, inputs: jax.Array) -> jax.Array:
        batch, *sizes = inputs.shape
        target = check_filled(self, "target_shape", self.target_shape, tuple(sizes))
        if math.prod(target) != math.prod(sizes):  # a plan's trial sizes for unknown dims
            return lax.full((batch, *target), 0, inputs.dtype)
        return lax.reshape(inputs, (batch, *target))


class Permute(Rearranging):
    """Permutes the axes of each example.

    Shapes: ``[batch, axis 1, axis 2, ...] -> [batch, axis dims[0], axis dims[1], ...]``.

    Args:
        dims: sequence of int, a permutation of 1, 2, ...: the axes in their new order. The batch
            axis, 0, stays first.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``dims`` is no permutation, or the input has another number of axes.

    >>> import jax.numpy as jnp
    >>> Permute((2, 1))(jnp.ones((3, 10, 64))).shape
    (3, 64, 10)
    """

    def __init__(self, dims: Sequence[int], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.dims = check_integers(self, "dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise InputError(
                explain(
                    "Permute got dims that are not a permutation.",
                    where=f"made at {self._lamina.made_at}",
                    expected="each of 1, 2, ... once",
                    received=f"dims={dims!r}",
                    remedy="Count the axes from 1; the batch axis, 0, is left out.",
                )
            )

    def build(self, input_shape: Any) -> None:
        axes = ", ".join(f"axis {axis}" for axis in sorted(self.dims))
        check_rank(self, input_shape, f"batch, {axes}", exactly=True)

    def call(self, inputs: jax.Array) -> jax.Array:
        return lax.transpose(inputs, (0, *self.dims))


class RepeatVector(Rearranging):
    """Repeats each vector n times along a new axis.

    Shapes: ``[batch, features] -> [batch, n, features]``.

    Args:
        n: positive integer, number of repetitions.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``n`` is not a positive integer, or the input does not have two axes.

    >>> import jax.numpy as jnp
    >>> RepeatVector(2)(jnp.array([[1, 5]])).tolist()
    [[[1, 5], [1, 5]]]
    """

    def __init__(self, n: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.n = check_count(self, "n", n)

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, features", exactly=True)

    def call(self, inputs: jax.Array) -> jax.Array:
        batch, features = inputs.shape
        return lax.broadcast_in_dim(inputs, (batch, self.n, features), (0, 2))
