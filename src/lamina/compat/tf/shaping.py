"""Reshaping, concatenation, splitting and indexing of arrays.

`concat` and `stack` of static sizes return NumPy arrays, which are valid shapes during tracing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.compat.tf.tensors import Dims, Shape, Value, dims, is_static, tensor
from lamina.narrowing import array_of

__all__ = [
    "boolean_mask",
    "broadcast_to",
    "concat",
    "expand_dims",
    "gather",
    "gather_nd",
    "meshgrid",
    "pad",
    "rank",
    "repeat",
    "reshape",
    "reverse",
    "roll",
    "shape",
    "size",
    "split",
    "squeeze",
    "stack",
    "tile",
    "transpose",
    "unstack",
    "where",
]

Axes = int | Sequence[int]


def shape(input: Value, out_type: Any = np.int32) -> Shape:
    """The shape as a NumPy array with int items."""
    return Shape.of(np.shape(tensor(input)), out_type)


def rank(input: Value) -> int:
    """The number of axes."""
    return tensor(input).ndim


def size(input: Value) -> int:
    """The number of elements."""
    return tensor(input).size


def reshape(tensor: Value, shape: Dims) -> jax.Array:
    """Reshape; one size may be -1."""
    return jnp.reshape(array_of(tensor), dims(shape))


def expand_dims(input: Value, axis: int) -> jax.Array:
    """Insert an axis of size 1."""
    return jnp.expand_dims(tensor(input), axis)


def squeeze(input: Value, axis: Axes | None = None) -> jax.Array:
    """Remove axes of size 1: all of them, or the given ones."""
    return jnp.squeeze(tensor(input), _axes(axis))


def transpose(a: Value, perm: Sequence[int] | None = None) -> jax.Array:
    """Permute the axes; without `perm`, reverse them."""
    return jnp.transpose(tensor(a), perm)


def broadcast_to(input: Value, shape: Dims) -> jax.Array:
    """Broadcast to a shape."""
    return jnp.broadcast_to(tensor(input), dims(shape))


def tile(input: Value, multiples: Dims) -> jax.Array:
    """Repeat the array `multiples[i]` times along axis i."""
    return jnp.tile(tensor(input), dims(multiples))


def repeat(input: Value, repeats: Any, axis: int | None = None) -> jax.Array:
    """Repeat each element."""
    return jnp.repeat(tensor(input), repeats, axis=axis)


def reverse(tensor: Value, axis: Axes) -> jax.Array:
    """Reverse the order along axes."""
    return jnp.flip(array_of(tensor), _axes(axis))


def roll(input: Value, shift: Any, axis: Axes) -> jax.Array:
    """Shift cyclically along axes."""
    return jnp.roll(tensor(input), shift, _axes(axis))


def pad(
    tensor: Value, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0
) -> jax.Array:
    """Pad axis i by `paddings[i] = (before, after)`."""
    array, widths = array_of(tensor), np.asarray(paddings).tolist()
    if mode.upper() == "CONSTANT":
        return jnp.pad(array, widths, constant_values=constant_values)
    return jnp.pad(array, widths, mode=mode.lower())


def concat(values: Sequence[Any], axis: int) -> Any:
    """Concatenate along an axis."""
    if is_static(values):
        return Shape.of(np.concatenate([np.asarray(value) for value in values], axis))
    return jnp.concatenate([tensor(value) for value in values], axis)


def stack(values: Sequence[Any], axis: int = 0) -> Any:
    """Stack along a new axis."""
    if is_static(values):
        return Shape.of(np.stack([np.asarray(value) for value in values], axis))
    return jnp.stack([tensor(value) for value in values], axis)


def unstack(value: Value, num: int | None = None, axis: int = 0) -> list[Any]:
    """Split along an axis and remove the axis."""
    if isinstance(value, Shape):
        return list(value)
    array = jnp.moveaxis(tensor(value), axis, 0)
    if num is not None and num != array.shape[0]:
        raise ValueError(f"cannot unstack an axis of size {array.shape[0]} into {num} arrays")
    return [array[index] for index in range(array.shape[0])]


def split(value: Value, num_or_size_splits: Any, axis: int = 0) -> list[jax.Array]:
    """Split along an axis into a number of equal parts, or into parts of the given sizes."""
    array = tensor(value)
    if np.ndim(num_or_size_splits) == 0:
        return jnp.split(array, int(num_or_size_splits), axis)
    sizes = list(dims(num_or_size_splits))
    if -1 in sizes:
        sizes[sizes.index(-1)] = array.shape[axis] - sum(sizes) - 1
    if sum(sizes) != array.shape[axis]:
        raise ValueError(f"cannot split an axis of size {array.shape[axis]} into sizes {sizes}")
    return jnp.split(array, np.cumsum(sizes)[:-1].tolist(), axis)


def where(condition: Value, x: Value | None = None, y: Value | None = None) -> jax.Array:
    """`x` where the condition is True, otherwise `y`. Without `x` and `y`, the indices of True."""
    if x is None or y is None:
        return jnp.argwhere(tensor(condition))
    return jnp.where(tensor(condition), tensor(x), tensor(y))


def boolean_mask(tensor: Value, mask: Value) -> jax.Array:
    """Select the elements where a concrete mask is True."""
    return array_of(tensor)[np.asarray(mask)]


def meshgrid(*args: Value, indexing: str = "xy") -> list[jax.Array]:
    """Coordinate arrays of a grid."""
    return list(jnp.meshgrid(*map(tensor, args), indexing=indexing))


def gather(
    params: Value, indices: Value, axis: int | None = None, batch_dims: int = 0
) -> jax.Array:
    """Slices by index along an axis. An index out of range gives NaN, or the minimum of
    integers."""
    array, positions = tensor(params), tensor(indices)
    along = batch_dims if axis is None else axis % array.ndim
    positions = jnp.where(
        positions < 0, array.shape[along], positions
    )  # negative indices are out of range
    take = partial(jnp.take, axis=along - batch_dims, mode="fill")
    for _ in range(batch_dims):
        take = jax.vmap(take)
    return take(array, positions)


def gather_nd(params: Value, indices: Value) -> jax.Array:
    """Slices by the index vectors in the last axis of `indices`."""
    array, positions = tensor(params), tensor(indices)
    positions = jnp.where(positions < 0, max(array.shape, default=0), positions)
    return array.at[tuple(jnp.moveaxis(positions, -1, 0))].get(mode="fill")


def _axes(axis: Axes | None) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int | np.integer) else tuple(axis)
