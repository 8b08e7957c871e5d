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
from numpy.typing import NDArray

from lamina.errors import InputError, explain
from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.spatial import DataFormat, spatial_axes

__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "global_average_pool",
    "global_max_pool",
    "max_pool",
]

Padding = Literal["valid", "same"]

_MOST_CONSTANTS = 1 << 20  # the most counts that are a constant of the program
_MOST_POINTS = 1 << 24  # the most points and windows of adaptive pooling


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
    return lax.reduce_window(x, _lowest(x.dtype), lax.max, window, steps, padding.upper())


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
    nothing = np.zeros((), wide.dtype)
    total = lax.reduce_window(wide, nothing, lax.add, window, steps, padding.upper())
    if padding == "valid":
        return cast(total / math.prod(window), dtype)
    axes = spatial_axes(wide.ndim, data_format)
    inside: Any = 1
    made: Any = np if _are_few([total.shape[axis] for axis in axes]) else jnp
    for axis in axes:
        sizes = wide.shape[axis], window[axis], steps[axis], total.shape[axis]
        count = _real_points(*sizes, made)
        inside = inside * _along(count, axis, wide.ndim)
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
    y = lax.reduce(x, _lowest(x.dtype), lax.max, axes)
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
            wide = wide * _along(weight.reshape(-1), axis, wide.ndim).astype(wide.dtype)
        widths.append(index.shape[1])
    return cast(average_pool(wide, widths, data_format=data_format), dtype)


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


def _lowest(dtype: Any) -> Any:
    """The smallest value of the dtype."""
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.asarray(-np.inf, dtype)
    return np.asarray(jnp.iinfo(dtype).min, dtype)


def _are_few(sizes: Sequence[Any]) -> bool:
    """Whether counts of these sizes may be a constant of the program; symbolic sizes may not."""
    return all(isinstance(size, int) for size in sizes) and math.prod(sizes) <= _MOST_CONSTANTS


def _real_points(points: int, span: int, step: int, windows: int, made: Any) -> Any:
    """The number of points in each window of ``"same"`` padding, ``[windows]``, by NumPy (as a
    constant) or JAX."""
    before = made.maximum((windows - 1) * step + span - points, 0) // 2
    starts = made.arange(windows) * step - before
    return made.minimum(starts + span, points) - made.maximum(starts, 0)


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


def _along(values: Any, axis: int, rank: int) -> Any:
    """Reshape values of one axis so that they broadcast against an array of a rank."""
    return values.reshape([-1 if other == axis else 1 for other in range(rank)])


def _side_by_side(x: jax.Array, index: NDArray[Any], axis: int) -> jax.Array:
    # [..., points, ...] -> [..., size width, ...]
    if index.size == x.shape[axis]:  # the windows partition the points
        return x
    return jnp.take(x, index.reshape(-1), axis)
