"""Normalization by mean and variance."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.moments import moments, standardize

__all__ = [
    "batch_norm",
    "group_norm",
    "layer_norm",
    "normalize",
    "renormalized",
    "spread",
]


def normalize(
    x: jax.Array,
    mean: jax.Array | None,
    variance: jax.Array,
    epsilon: float,
    gamma: jax.Array | None = None,
    beta: jax.Array | None = None,
) -> jax.Array:
    """Shift and scale: ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``.

    Scale and offset are combined first, so that x is read once, for one product and one sum.

    Args:
        x: ``[...]``.
        mean, variance, gamma, beta: arrays that broadcast against x; None for 0, or 1 for gamma.
        epsilon: a small positive float added to the variance.

    Returns:
        The shape of x.

    >>> normalize(jnp.array([1.0, 3.0]), jnp.array(2.0), jnp.array(1.0), 0.0).tolist()
    [-1.0, 1.0]
    """
    return _normalized(x, mean, variance, gamma, beta, epsilon)


def _shift_and_scale(
    x: jax.Array,
    mean: jax.Array | None,
    variance: jax.Array,
    gamma: jax.Array | None,
    beta: jax.Array | None,
    epsilon: float,
) -> jax.Array:
    scale = lax.rsqrt(lax.add(variance, lax.full_like(variance, epsilon)))
    if gamma is not None:
        scale = lax.mul(*_alike(scale, gamma))
    offset = beta
    if mean is not None:
        shift = lax.mul(*_alike(mean, scale))
        offset = lax.neg(shift) if beta is None else lax.sub(*_alike(beta, shift))
    y = lax.mul(*_alike(x, scale))
    return y if offset is None else lax.add(*_alike(y, offset))


def _alike(left: jax.Array, right: jax.Array) -> list[jax.Array]:
    """Broadcast two arrays against each other; `jnp` would trace a program for each pair."""
    shape = lax.broadcast_shapes(left.shape, right.shape)
    axes = range(len(shape))
    return [
        a if a.shape == shape else lax.broadcast_in_dim(a, shape, axes[len(shape) - a.ndim :])
        for a in (left, right)
    ]


# Traced once for all layers of the same shapes, and inlined.
_normalized: Callable[..., jax.Array] = jax.jit(
    _shift_and_scale, static_argnames="epsilon", inline=True
)


def layer_norm(
    x: Operand,
    gamma: Operand | None = None,
    beta: Operand | None = None,
    *,
    axes: Sequence[int] = (-1,),
    epsilon: float = 1e-3,
    shift: bool = True,
) -> jax.Array:
    """Normalize each example by its mean and variance over some axes.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, the statistics in at least float32.

    Args:
        x: ``[...]``.
        gamma, beta: the sizes of x on ``axes``, in the order of x's axes; None (default) for none.
        axes: the axes to normalize over; the last by default.
        epsilon: a small positive float added to the variance; 1e-3 by default.
        shift: whether the mean is subtracted; True by default.

    Returns:
        The shape of x, in the promoted dtype of the operands.

    Source: Ba, Kiros, Hinton, Layer normalization, arXiv 1607.06450.

    >>> layer_norm(jnp.array([[1.0, 3.0]]), epsilon=0.0).tolist()
    [[-1.0, 1.0]]
    """
    dtype = float_dtype(x, gamma, beta)
    wide = cast(x, jnp.promote_types(dtype, jnp.float32))
    over = {axis % wide.ndim for axis in axes}
    if shift:
        y = standardize(wide, sorted(over), epsilon)
    else:
        y = normalize(wide, None, moments(wide, sorted(over))[1], epsilon)
    if gamma is not None:  # combined with the scale it would have the shape of x
        y = y * spread(gamma, wide, over)
    if beta is not None:
        y = y + spread(beta, wide, over)
    return cast(y, dtype)


def group_norm(
    x: Operand,
    gamma: Operand | None = None,
    beta: Operand | None = None,
    *,
    groups: int,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> jax.Array:
    """Normalize each example by its mean and variance over each group of channels.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, the statistics in at least float32.

    Args:
        x: ``[batch, ..., channels, ...]``, the channels on ``axis``.
        gamma, beta: ``[channels]``; None (default) for none.
        groups: the number of groups of adjacent channels, a divisor of their number.
        axis: the axis of the channels; -1 by default.
        epsilon: a small positive float added to the variance; 1e-3 by default.

    Returns:
        The shape of x, in the promoted dtype of the operands.

    Source: Wu, He, Group normalization, arXiv 1803.08494.

    >>> group_norm(jnp.array([[1.0, 3.0, 5.0, 9.0]]), groups=2, epsilon=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    dtype = float_dtype(x, gamma, beta)
    wide = cast(x, jnp.promote_types(dtype, jnp.float32))
    at = axis % wide.ndim
    parts = (groups, wide.shape[at] // groups)
    parted = lax.reshape(wide, (*wide.shape[:at], *parts, *wide.shape[at + 1 :]))
    mean, variance = moments(parted, [a for a in range(1, parted.ndim) if a != at])

    def part(value: Operand | None) -> jax.Array | None:
        if value is None:
            return None
        return spread(lax.reshape(cast(value, wide.dtype), parts), parted, {at, at + 1})

    y = normalize(parted, mean, variance, epsilon, part(gamma), part(beta))
    return cast(lax.reshape(y, wide.shape), dtype)


def batch_norm(
    x: Operand,
    mean: Operand,
    variance: Operand,
    gamma: Operand | None = None,
    beta: Operand | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> jax.Array:
    """Normalize each channel by given means and variances.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, computed in at least float32.

    Args:
        x: ``[..., channels, ...]``, the channels on ``axis``.
        mean, variance, gamma, beta: ``[channels]``; gamma and beta may be None (default).
        axis: the axis of the channels; -1 by default.
        epsilon: a small positive float added to the variance; 1e-3 by default.

    Returns:
        The shape of x, in the promoted dtype of x, gamma and beta.

    Source: Ioffe, Szegedy, Batch normalization, arXiv 1502.03167.

    >>> batch_norm(jnp.array([[3.0]]), jnp.array([1.0]), jnp.array([4.0]), epsilon=0.0).tolist()
    [[1.0]]
    """
    dtype = float_dtype(x, gamma, beta)
    wide = cast(x, jnp.promote_types(dtype, jnp.float32))
    kept = {axis % wide.ndim}
    y = normalize(
        wide,
        spread(mean, wide, kept),
        spread(variance, wide, kept),
        epsilon,
        _optional(gamma, wide, kept),
        _optional(beta, wide, kept),
    )
    return cast(y, dtype)


def renormalized(
    mean: jax.Array,
    variance: jax.Array,
    long_mean: Operand,
    long_stddev: Operand,
    gamma: Operand | None = None,
    beta: Operand | None = None,
    *,
    epsilon: float = 1e-3,
    rmin: float | None = None,
    rmax: float | None = None,
    dmax: float | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Compute the gamma and beta of batch renormalization: ``gamma r`` and ``beta + gamma d``.

    ``r = stddev / long_stddev`` and ``d = (mean - long_mean) / long_stddev``, without gradients,
    with ``stddev = sqrt(variance + epsilon)``. ``long_stddev`` is at least ``sqrt(epsilon)``.

    Args:
        mean, variance: ``[channels]``, of the batch.
        long_mean, long_stddev: ``[channels]``, moving averages over batches.
        gamma, beta: ``[channels]``; None (default) for 1 and 0.
        epsilon: a small positive float added to the variance; 1e-3 by default.
        rmin, rmax: the bounds of r; None (default) for none.
        dmax: the bound of ``|d|``; None (default) for none.

    Returns:
        The new gamma and beta, ``[channels]``.

    Source: Ioffe, Batch renormalization, arXiv 1702.03275.

    >>> one, two = jnp.ones(1), jnp.full(1, 2.0)
    >>> gamma, beta = renormalized(two, 4 * one, one, 4 * one, epsilon=0.0)
    >>> gamma.tolist(), beta.tolist()
    ([0.5], [0.25])
    """
    stddev = lax.sqrt(variance + epsilon)
    long = jnp.maximum(cast(long_stddev, mean.dtype), math.sqrt(epsilon))
    r = jnp.clip(stddev / long, rmin, rmax)
    d = (mean - cast(long_mean, mean.dtype)) / long
    r, d = lax.stop_gradient((r, d if dmax is None else jnp.clip(d, -dmax, dmax)))
    if gamma is not None:
        r, d = r * cast(gamma, r.dtype), d * cast(gamma, r.dtype)
    return r, d if beta is None else d + cast(beta, d.dtype)


def spread(value: Operand, x: jax.Array, axes: Collection[int]) -> jax.Array:
    """Reshape an array with the sizes of x on some axes so that it broadcasts against x.

    Args:
        value: an array with the sizes of x on ``axes``, in order.
        x: ``[...]``.
        axes: non-negative axes of x.

    Returns:
        The array, with size 1 on all other axes, in the dtype of x.

    >>> spread(jnp.ones(3), jnp.ones((2, 3, 4)), {1}).shape
    (1, 3, 1)
    """
    others = tuple(axis for axis in range(x.ndim) if axis not in axes)
    return lax.expand_dims(cast(value, x.dtype), others)


def _optional(value: Operand | None, x: jax.Array, axes: Collection[int]) -> jax.Array | None:
    return None if value is None else spread(value, x, axes)
