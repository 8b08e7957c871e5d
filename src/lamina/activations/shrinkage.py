"""Activations that set values near 0, or below a threshold, to a constant."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

__all__ = [
    "hard_shrink",
    "soft_shrink",
    "tanh_shrink",
    "threshold",
]


def tanh_shrink(x: ArrayLike) -> jax.Array:
    """Compute ``y = x - tanh(x)``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in tanh_shrink(jnp.array([-1.0, 0.0, 2.0]))]
    ['-0.238', '0.000', '1.036']
    """
    x = jnp.asarray(x)
    return x - jnp.tanh(x)


def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """Move x towards 0 by a threshold: ``y = sign(x) max(|x| - threshold, 0)``.

    Args:
        x: ``[...]``, real numbers.
        threshold: a non-negative float; 0.5 by default.

    Returns:
        ``[...]``, the shape of x.

    >>> soft_shrink(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [-0.5, 0.0, 1.5]
    """
    x = jnp.asarray(x)
    return jnp.sign(x) * jax.nn.relu(jnp.abs(x) - threshold)


def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """Compute ``y = x`` where ``|x| > threshold``, and 0 elsewhere.

    Args:
        x: ``[...]``, real numbers.
        threshold: a non-negative float; 0.5 by default.

    Returns:
        ``[...]``, in the dtype of x, for integers float32.

    >>> hard_shrink(jnp.array([-1.0, 0.25, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    x = jnp.asarray(x)
    return jnp.where(jnp.abs(x) > threshold, x, 0.0)


def threshold(x: ArrayLike, threshold: float, default_value: float) -> jax.Array:
    """Compute ``y = x`` where ``x > threshold``, and ``default_value`` elsewhere.

    Args:
        x: ``[...]``, real numbers.
        threshold: a float.
        default_value: the result up to the threshold, a float.

    Returns:
        ``[...]``, in the dtype of x.

    >>> threshold(jnp.array([-2.0, 1.0]), 0.5, -1.0).tolist()
    [-1.0, 1.0]
    """
    x = jnp.asarray(x)
    return jnp.where(x > threshold, x, jnp.asarray(default_value, x.dtype))
