"""Maxima and means over spatial windows."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.spatial import DataFormat, spatial_axes
from lamina.ops.windows import lowest, window_max, window_sum

__all__ = [
    "along_axis",
    "average_pool",
    "global_average_pool",
    "global_max_pool",
    "max_pool",
]

Padding = Literal["valid", "same"]

_MOST_CONSTANTS = 1 << 20  # the most counts that are a constant of the program


def max_pool(
    x: jax.Array,
    pool_size: Sequence[int],
    strides: Sequence[int] | None = None,
    *,
    padding: Padding = "valid",
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Compute the maximum of each window: ``y[p, c] = max_k x[s p + k, c]``.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        pool_size: the size of the window in points, one per spatial axis.
        strides: s, in points, one per spatial axis; ``pool_size`` by default.
        padding: ``"valid"`` (default) for whole windows only, ``"same"`` for ``ceil(size / s)``
            windows.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, space'..., channels]`` in x's order and dtype; empty if a window is larger than
        the input without padding.

    >>> max_pool(jnp.array([1.0, 3.0, 2.0]).reshape(1, 3, 1), [2], padding="same")[0, :, 0].tolist()
    [3.0, 2.0]
    """
    window, steps = _windows(x, pool_size, strides, data_format)
    return window_max(x, window, steps, padding)


def average_pool(
    x: Operand,
    pool_size: Sequence[int],
    strides: Sequence[int] | None = None,
    *,
    padding: Padding = "valid",
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Compute the mean of each window: ``y[p, c] = mean_k x[s p + k, c]``, in at least float32.

    Padding does not count.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        pool_size: the size of the window in points, one per spatial axis.
        strides: s, in points, one per spatial axis; ``pool_size`` by default.
        padding: ``"valid"`` (default) for whole windows only, ``"same"`` for ``ceil(size / s)``
            windows.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, space'..., channels]`` in x's order, in x's dtype if floating.

    >>> x = jnp.array([1.0, 3.0, 2.0]).reshape(1, 3, 1)
    >>> average_pool(x, [2], padding="same")[0, :, 0].tolist()
    [2.0, 2.0]
    """
    dtype = float_dtype(x)
    wide = cast(x, jnp.promote_types(dtype, jnp.float32))
    window, steps = _windows(wide, pool_size, strides, data_format)
    if window == steps and not any(map(operator.mod, wide.shape, window)):
        return cast(_parted_sum(wide, window) / math.prod(window), dtype)
    total = window_sum(wide, window, steps, padding)
    if padding == "valid":
        return cast(total / math.prod(window), dtype)
    axes = spatial_axes(wide.ndim, data_format)
    inside: Any = 1
    made: Any = np if _are_few([total.shape[axis] for axis in axes]) else jnp
    for axis in axes:
        sizes = wide.shape[axis], window[axis], steps[axis], total.shape[axis]
        count = _real_points(*sizes, made)
        inside = inside * along_axis(count, axis, wide.ndim)
    return cast(total / inside.astype(total.dtype), dtype)


def global_max_pool(
    x: jax.Array, *, keepdims: bool = False, data_format: DataFormat = "channels_last"
) -> jax.Array:
    """Compute the maximum of each channel: ``y[c] = max_p x[p, c]``.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        keepdims: whether the spatial axes are kept with size 1; False by default.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, channels]``, or x's rank with ``keepdims``.

    >>> global_max_pool(jnp.arange(6).reshape(1, 3, 2)).tolist()
    [[4, 5]]
    """
    axes = spatial_axes(x.ndim, data_format)
    y = lax.reduce(x, lowest(x.dtype), lax.max, axes)
    return lax.expand_dims(y, axes) if keepdims else y


def global_average_pool(
    x: Operand,
    mask: Operand | None = None,
    *,
    keepdims: bool = False,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Compute the mean of each channel: ``y[c] = mean_p x[p, c]``, in at least float32.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        mask: bool, ``[batch, space...]``: only points where it is True count; None (default)
            counts all. The mean of no points is 0.
        keepdims: whether the spatial axes are kept with size 1; False by default.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, channels]``, or x's rank with ``keepdims``.

    >>> global_average_pool(jnp.arange(6.0).reshape(1, 3, 2)).tolist()
    [[2.0, 3.0]]
    """
    dtype = float_dtype(x)
    wide = cast(x, jnp.promote_types(dtype, jnp.float32))
    axes = spatial_axes(wide.ndim, data_format)
    if mask is None:
        return cast(jnp.mean(wide, axes, keepdims=keepdims), dtype)
    (channels,) = set(range(1, wide.ndim)) - set(axes)
    counted = lax.expand_dims(cast(mask, bool), (channels,))
    total = jnp.sum(jnp.where(counted, wide, 0), axes, keepdims=keepdims)
    count = jnp.sum(counted, axes, wide.dtype, keepdims=keepdims)
    return cast(total / jnp.maximum(count, 1), dtype)


def _windows(
    x: jax.Array, pool_size: Sequence[int], strides: Sequence[int] | None, data_format: DataFormat
) -> tuple[list[int], list[int]]:
    """Sizes and strides of the windows on every axis of x."""
    window, steps = [1] * x.ndim, [1] * x.ndim
    axes = spatial_axes(x.ndim, data_format)
    for axis, size, step in zip(axes, pool_size, strides or pool_size, strict=True):
        window[axis], steps[axis] = size, step
    return window, steps


def _parted_sum(x: jax.Array, window: Sequence[int]) -> jax.Array:
    """Sums over windows that partition x; the gradient is a broadcast."""
    shape: list[int] = []
    inner: list[int] = []
    for size, width in zip(x.shape, window, strict=True):
        shape.append(size // width)
        if width > 1:
            inner.append(len(shape))
            shape.append(width)
    return jnp.sum(lax.reshape(x, shape), inner)


def _are_few(sizes: Sequence[Any]) -> bool:
    """Whether counts of these sizes may be a constant of the program; symbolic sizes may not."""
    return all(isinstance(size, int) for size in sizes) and math.prod(sizes) <= _MOST_CONSTANTS


def _real_points(points: int, span: int, step: int, windows: int, made: Any) -> Any:
    """The number of points in each window of ``"same"`` padding, ``[windows]``, by NumPy (as a
    constant) or JAX."""
    before = made.maximum((windows - 1) * step + span - points, 0) // 2
    starts = made.arange(windows) * step - before
    return made.minimum(starts + span, points) - made.maximum(starts, 0)


def along_axis(values: Any, axis: int, rank: int) -> Any:
    """Reshape values of one axis so that they broadcast against an array.

    Args:
        values: ``[size]``.
        axis: the axis, non-negative.
        rank: the number of axes of the array.

    Returns:
        The values, with size 1 on all other axes.
    """
    return values.reshape([-1 if other == axis else 1 for other in range(rank)])
