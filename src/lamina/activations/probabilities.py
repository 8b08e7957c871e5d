"""Normalization to probabilities over an axis."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

__all__ = [
    "log_softmax",
    "softmax",
    "sparsemax",
]


def softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> jax.Array:
    """Normalize to probabilities: ``y = exp(x) / sum(exp(x))`` over ``axis``.

    Args:
        x: ``[...]``, real numbers.
        axis: axis or axes of the classes; -1 by default.

    Returns:
        ``[...]``, positive; the sum over ``axis`` is 1.

    >>> softmax(jnp.zeros(4)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return jax.nn.softmax(x, axis)


def log_softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> jax.Array:
    """Compute the logarithm of the softmax: ``y = x - log(sum(exp(x)))`` over ``axis``.

    Args:
        x: ``[...]``, real numbers.
        axis: axis or axes of the classes; -1 by default.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in log_softmax(jnp.zeros(2))]
    ['-0.693', '-0.693']
    """
    return jax.nn.log_softmax(x, axis)


def sparsemax(x: ArrayLike, axis: int = -1) -> jax.Array:
    """Project x to probabilities, many of them 0: ``y = max(x - tau, 0)``.

    tau is such that the sum over ``axis`` is 1: the result is the distribution nearest to x.

    Args:
        x: ``[...]``, real numbers.
        axis: axis of the classes; -1 by default.

    Returns:
        ``[...]``, non-negative, in the dtype of x, for integers float32; the sum over ``axis`` is
        1.

    Source: Martins, Astudillo, From softmax to sparsemax, arXiv 1602.02068, algorithm 1.

    >>> sparsemax(jnp.array([0.5, 0.0, -2.0])).tolist()
    [0.75, 0.25, 0.0]
    """
    x = jnp.asarray(x)
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))  # half precision cannot count far
    falling = jnp.sort(wide, axis, descending=True)
    count = jax.lax.broadcasted_iota(wide.dtype, x.shape, axis % x.ndim) + 1
    kept = 1 + count * falling > jnp.cumsum(falling, axis)
    total = jnp.sum(falling, axis, where=kept, keepdims=True)
    tau = (total - 1) / jnp.sum(kept, axis, wide.dtype, keepdims=True)
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    return jax.nn.relu(wide - tau).astype(x.dtype if floating else wide.dtype)
