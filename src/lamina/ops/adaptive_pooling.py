"""Maxima and means over a given number of spatial windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, explain
from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.pooling import along_axis, average_pool, max_pool
from lamina.ops.spatial import DataFormat, spatial_axes

__all__ = ["adaptive_average_pool", "adaptive_max_pool"]

_MOST_POINTS = 1 << 24  # the most points and windows


def adaptive_max_pool(
    x: jax.Array, output_size: Sequence[int], *, data_format: DataFormat = "channels_last"
) -> jax.Array:
    """Compute the maximum of each of m windows that cover an axis evenly.

    The p-th of m windows over n points covers [``floor(p n / m)``, ``ceil((p + 1) n / m)``); the
    maximum of no points is 0.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        output_size: m, one per spatial axis.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, output_size..., channels]`` in x's order.

    >>> adaptive_max_pool(jnp.arange(5).reshape(1, 5, 1), [3])[0, :, 0].tolist()
    [1, 3, 4]
    """
    widths: list[int] = []
    for axis, size in zip(spatial_axes(x.ndim, data_format), output_size, strict=True):
        x = _some_point(x, axis)
        index, _ = _even_windows(x.shape[axis], size)
        x = _side_by_side(x, index, axis)
        widths.append(index.shape[1])
    return max_pool(x, widths, data_format=data_format)


def adaptive_average_pool(
    x: Operand, output_size: Sequence[int], *, data_format: DataFormat = "channels_last"
) -> jax.Array:
    """Compute the mean of each of m windows that cover an axis evenly, in at least float32.

    The p-th of m windows over n points covers [``floor(p n / m)``, ``ceil((p + 1) n / m)``).

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        output_size: m, one per spatial axis.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, output_size..., channels]`` in x's order, in x's dtype if floating.

    >>> adaptive_average_pool(jnp.arange(5.0).reshape(1, 5, 1), [3])[0, :, 0].tolist()
    [0.5, 2.0, 3.5]
    """
    dtype = float_dtype(x)
    wide = cast(x, jnp.promote_types(dtype, jnp.float32))
    widths: list[int] = []
    for axis, size in zip(spatial_axes(wide.ndim, data_format), output_size, strict=True):
        wide = _some_point(wide, axis)
        index, inside = _even_windows(wide.shape[axis], size)
        wide = _side_by_side(wide, index, axis)
        if not inside.all():  # repeated points have weight 0, the others a larger one
            weight = inside * index.shape[1] / inside.sum(1, keepdims=True)
            wide = wide * along_axis(weight.reshape(-1), axis, wide.ndim).astype(wide.dtype)
        widths.append(index.shape[1])
    return cast(average_pool(wide, widths, data_format=data_format), dtype)


def _some_point(x: jax.Array, axis: int) -> jax.Array:
    """x, or one point of zeros on an axis of size 0."""
    return (
        x if x.shape[axis] else jnp.zeros_like(x, shape=(*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    )


def _even_windows(points: int, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The points of each window, ``[size, width]``, and which of them are valid; narrower
    windows repeat their last point.

    Raises:
        InputError: there are too many points or windows.
    """
    if points + size > _MOST_POINTS:
        raise InputError(
            explain(
                "Adaptive pooling has too many points or windows.",
                expected=f"at most {_MOST_POINTS:,} of both on an axis",
                received=f"{size:,} windows of {points:,} points",
                remedy="Use fewer windows, or pool the input with a fixed window size first.",
            )
        )
    order: NDArray[Any] = np.arange(size)
    starts, ends = order * points // size, -(-(order + 1) * points // size)
    index = starts[:, None] + np.arange(int((ends - starts).max()))
    return np.minimum(index, ends[:, None] - 1), index < ends[:, None]


def _side_by_side(x: jax.Array, index: NDArray[Any], axis: int) -> jax.Array:
    # [..., points, ...] -> [..., size width, ...]
    if index.size == x.shape[axis]:  # the windows partition the points
        return x
    return jnp.take(x, index.reshape(-1), axis)
