"""Mean and variance over axes, standard scores, and moving averages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any
from typing import cast as typed

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype

__all__ = ["batch_moments", "moments", "moving_average", "standardize"]


def moments(
    x: jax.Array, axes: Sequence[int], mask: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Compute mean and variance over axes: ``variance = mean((x - mean(x))^2)``.

    The mean is subtracted before squaring, so that a large mean costs no precision.

    Args:
        x: ``[...]``, floating.
        axes: the axes to average over.
        mask: bool, broadcasts against x: only elements where it is True count; None (default)
            counts all. Mean and variance of no elements are 0.

    Returns:
        ``(mean, variance)``, in x's dtype, with size 1 on ``axes``.

    >>> mean, variance = moments(jnp.array([[1.0, 3.0]]), (1,))
    >>> mean.tolist(), variance.tolist()
    ([[2.0]], [[1.0]])
    """
    if mask is None:
        mean = jnp.mean(x, axes, keepdims=True)
        return mean, jnp.mean(lax.square(x - mean), axes, keepdims=True)
    counted = jnp.broadcast_to(mask, x.shape)
    count = lax.max(jnp.sum(counted, axes, x.dtype, keepdims=True), jnp.ones((), x.dtype))
    kept = jnp.where(counted, x, 0)  # first, so that masked elements cannot reach a gradient
    mean = jnp.sum(kept, axes, keepdims=True) / count
    deviation = jnp.where(counted, lax.square(kept - mean), 0)
    return mean, jnp.sum(deviation, axes, keepdims=True) / count


def standardize(x: jax.Array, axes: Sequence[int], epsilon: float) -> jax.Array:
    """Compute standard scores over axes: ``(x - mean) / sqrt(variance + epsilon)``.

    The first element on the axes is subtracted before the mean is taken, so that a large mean
    costs no precision.

    Args:
        x: ``[...]``, floating, at least float32.
        axes: non-negative axes to average over.
        epsilon: a small non-negative float added to the variance.

    Returns:
        The shape of x.

    >>> standardize(jnp.array([[1.0, 3.0]]) + 1e6, (1,), 0.0).tolist()
    [[-1.0, 1.0]]
    """
    return _compiled(tuple(axes), epsilon, x)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _standardize(axes: tuple[int, ...], epsilon: float, x: jax.Array) -> jax.Array:
    return _scores(axes, epsilon, x)[0]


@_standardize.defjvp
def _standardize_jvp(
    axes: tuple[int, ...], epsilon: float, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """``dy = (dx - mean(dx) - y mean(y dx)) / sqrt(variance + epsilon)``: its transpose needs two
    sums, where that of the formula needs four."""
    y, scale = _scores(axes, epsilon, primals[0])
    (dx,) = tangents
    along = jnp.mean(y * dx, axes, keepdims=True)
    return y, scale * (dx - jnp.mean(dx, axes, keepdims=True) - y * along)


# One program in calls outside of traces, where each operation would be one.
_compiled: Callable[..., jax.Array] = jax.jit(
    typed(Any, _standardize), static_argnums=(0, 1), inline=True
)


def _scores(axes: tuple[int, ...], epsilon: float, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the standard scores and the reciprocal of the standard deviation."""
    ends = [min(n, 1) if axis in axes else n for axis, n in enumerate(x.shape)]
    shifted = x - lax.stop_gradient(lax.slice(x, [0] * x.ndim, ends))
    centered = shifted - jnp.mean(shifted, axes, keepdims=True)
    scale = lax.rsqrt(jnp.mean(lax.square(centered), axes, keepdims=True) + epsilon)
    return centered * scale, scale


def batch_moments(
    x: Operand, *, axis: int = -1, mask: Operand | None = None
) -> tuple[jax.Array, jax.Array]:
    """Compute mean and variance of each channel over all other axes, in at least float32.

    Args:
        x: ``[..., channels, ...]``, the channels on ``axis``.
        axis: the axis of the channels; -1 by default.
        mask: bool, ``x.shape[:-1]``: only elements where it is True count; None (default) for all.

    Returns:
        ``(mean, variance)``, each ``[channels]``.

    >>> batch_moments(jnp.array([[1.0, 5.0], [3.0, 5.0]]))[0].tolist()
    [2.0, 5.0]
    """
    wide = cast(x, jnp.promote_types(float_dtype(x), jnp.float32))
    kept = axis % wide.ndim
    axes = tuple(a for a in range(wide.ndim) if a != kept)
    counted = None if mask is None else lax.expand_dims(cast(mask, bool), (wide.ndim - 1,))
    mean, variance = moments(wide, axes, counted)
    return lax.squeeze(mean, axes), lax.squeeze(variance, axes)


def moving_average(old: Operand, new: jax.Array, momentum: float) -> jax.Array:
    """Update an exponential moving average: ``old momentum + new (1 - momentum)``.

    Args:
        old, new: arrays of the same shape.
        momentum: the decay rate of the average, in [0, 1].

    Returns:
        The shape and dtype of ``new``.

    >>> moving_average(jnp.zeros(1), jnp.ones(1), 0.75).tolist()
    [0.25]
    """
    return cast(old, new.dtype) * momentum + new * (1 - momentum)
