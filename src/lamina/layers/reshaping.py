"""Layers that only move elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

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

__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape"]


class Rearranging(Layer):
    """The base of layers after which a mask of the steps no longer fits."""

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


class Flatten(Rearranging):
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


class Reshape(Rearranging):
    """Give each example another shape, in the order of its elements.

    Shapes: ``[batch, a, b, ...] -> [batch, target_shape...]``, with as many elements.

    Args:
        target_shape: the sizes; one of them may be -1 for what is left.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``target_shape`` is not made of sizes, or an input's elements do not fill it.

    >>> import jax.numpy as jnp
    >>> Reshape((3, -1))(jnp.arange(6).reshape(1, 6)).tolist()
    [[[0, 1], [2, 3], [4, 5]]]
    """

    def __init__(self, target_shape: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        sizes = () if target_shape == () else check_integers(self, "target_shape", target_shape)
        if min(sizes, default=0) < -1 or sizes.count(-1) > 1:
            raise InputError(
                explain(
                    "Reshape got a target_shape that is none.",
                    where=f"made at {self._lamina.made_at}",
                    expected="sizes from 0 up, one of them perhaps -1 for what is left",
                    received=f"target_shape={target_shape!r}",
                    remedy="Give the sizes of an example, without the batch's.",
                )
            )
        self.target_shape = sizes

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch")
        check_filled(self, "target_shape", self.target_shape, tuple(input_shape[1:]))

    def call(self, inputs: jax.Array) -> jax.Array:
        batch, *sizes = inputs.shape
        target = check_filled(self, "target_shape", self.target_shape, tuple(sizes))
        if math.prod(target) != math.prod(sizes):  # a plan's sizes for dims that are not known
            return lax.full((batch, *target), 0, inputs.dtype)
        return lax.reshape(inputs, (batch, *target))


class Permute(Rearranging):
    """Put the axes of each example into another order.

    Shapes: ``[batch, axis 1, axis 2, ...] -> [batch, axis dims[0], axis dims[1], ...]``.

    Args:
        dims: the axes in their new order, counted from 1; the batch stays in front.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``dims`` is not an order of 1, 2, ..., or the input has another number of axes.

    >>> import jax.numpy as jnp
    >>> Permute((2, 1))(jnp.ones((3, 10, 64))).shape
    (3, 64, 10)
    """

    def __init__(self, dims: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.dims = check_integers(self, "dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise InputError(
                explain(
                    "Permute got dims that are no order of axes.",
                    where=f"made at {self._lamina.made_at}",
                    expected="each of 1, 2, ... once",
                    received=f"dims={dims!r}",
                    remedy="Count the axes from 1; the batch, axis 0, stays in front.",
                )
            )

    def build(self, input_shape: Any) -> None:
        axes = ", ".join(f"axis {axis}" for axis in sorted(self.dims))
        check_rank(self, input_shape, f"batch, {axes}", exactly=True)

    def call(self, inputs: jax.Array) -> jax.Array:
        return lax.transpose(inputs, (0, *self.dims))


class RepeatVector(Rearranging):
    """Say each vector n times.

    Shapes: ``[batch, features] -> [batch, n, features]``.

    Args:
        n: how often.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``n`` is not a whole number above 0, or the input is not one of vectors.

    >>> import jax.numpy as jnp
    >>> RepeatVector(2)(jnp.array([[1, 5]])).tolist()
    [[[1, 5], [1, 5]]]
    """

    def __init__(self, n: int, **options: Any) -> None:
        super().__init__(**options)
        self.n = check_count(self, "n", n)

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, features", exactly=True)

    def call(self, inputs: jax.Array) -> jax.Array:
        batch, features = inputs.shape
        return lax.broadcast_in_dim(inputs, (batch, self.n, features), (0, 2))
