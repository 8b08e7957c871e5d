"""Reductions, sorting and cumulative sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from lamina.compat.tf.tensors import Shape, Value, tensor

__all__ = [
    "Reduction",
    "add_n",
    "argmax",
    "argmin",
    "argsort",
    "cumprod",
    "cumsum",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_std",
    "reduce_sum",
    "reduce_variance",
    "sort",
    "top_k",
]

Axes = int | Sequence[int] | None


class Reduction(Protocol):
    """A reduction over the given axes, by default over all."""

    def __call__(
        self,
        input_tensor: Value,
        axis: Axes = None,
        keepdims: bool = False,
        name: str | None = None,
    ) -> jax.Array: ...


def _reduction(function: Callable[..., jax.Array]) -> Reduction:
    """A reduction that keeps the dtype, as in TensorFlow, including means of integers."""

    def reduce(
        input_tensor: Value, axis: Axes = None, keepdims: bool = False, name: str | None = None
    ) -> jax.Array:
        array = tensor(input_tensor)
        axes = axis if axis is None or isinstance(axis, int | np.integer) else tuple(axis)
        return function(array, axis=axes, keepdims=keepdims).astype(array.dtype)

    return reduce


reduce_sum = _reduction(jnp.sum)
reduce_mean = _reduction(jnp.mean)
reduce_max = _reduction(jnp.max)
reduce_min = _reduction(jnp.min)
reduce_all = _reduction(jnp.all)
reduce_any = _reduction(jnp.any)
reduce_std = _reduction(jnp.std)
reduce_variance = _reduction(jnp.var)
reduce_logsumexp = _reduction(jax.nn.logsumexp)
_product = _reduction(jnp.prod)


def reduce_prod(
    input_tensor: Value, axis: Axes = None, keepdims: bool = False, name: str | None = None
) -> Any:
    """Product over axes. The product of a static shape is an int."""
    if isinstance(input_tensor, Shape) and axis in (None, 0, -1) and not keepdims:
        return int(np.prod(input_tensor))
    return _product(input_tensor, axis, keepdims)


def add_n(inputs: Sequence[Value]) -> jax.Array:
    """The elementwise sum of several arrays."""
    return sum(map(tensor, inputs[1:]), tensor(inputs[0]))


def argmax(input: Value, axis: int | None = None, output_type: Any = jnp.int32) -> jax.Array:
    """Index of the maximum along an axis, by default axis 0."""
    return jnp.argmax(tensor(input), 0 if axis is None else axis).astype(output_type)


def argmin(input: Value, axis: int | None = None, output_type: Any = jnp.int32) -> jax.Array:
    """Index of the minimum along an axis, by default axis 0."""
    return jnp.argmin(tensor(input), 0 if axis is None else axis).astype(output_type)


def sort(values: Value, axis: int = -1, direction: str = "ASCENDING") -> jax.Array:
    """Sort along an axis, `"ASCENDING"` or `"DESCENDING"`."""
    return jnp.sort(tensor(values), axis, descending=_descending(direction))


def argsort(values: Value, axis: int = -1, direction: str = "ASCENDING") -> jax.Array:
    """The indices that sort an axis. The sort is stable."""
    return jnp.argsort(tensor(values), axis, descending=_descending(direction))


def _descending(direction: str) -> bool:
    return {"ASCENDING": False, "DESCENDING": True}[direction]


def top_k(input: Value, k: int = 1) -> tuple[jax.Array, jax.Array]:
    """Values and indices of the k largest elements along the last axis."""
    values, indices = jax.lax.top_k(tensor(input), k)
    return values, indices


def cumsum(x: Value, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> jax.Array:
    """Cumulative sum along an axis, without the element itself if `exclusive`."""
    array = tensor(x)
    sums = jax.lax.cumsum(array, axis % array.ndim, reverse=reverse)
    return sums - array if exclusive else sums


def cumprod(x: Value, axis: int = 0, reverse: bool = False) -> jax.Array:
    """Cumulative product along an axis."""
    array = tensor(x)
    return jax.lax.cumprod(array, axis % array.ndim, reverse=reverse)
