"""Bounded activations, the exponential, and gated linear units."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

__all__ = [
    "exponential",
    "glu",
    "hard_sigmoid",
    "hard_sigmoid_keras2",
    "hard_tanh",
    "log_sigmoid",
    "sigmoid",
    "softsign",
    "sparse_sigmoid",
    "tanh",
]


def sigmoid(x: ArrayLike) -> jax.Array:
    """Compute the logistic function: ``y = 1 / (1 + exp(-x))``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in sigmoid(jnp.array([-1.0, 0.0, 2.0]))]
    ['0.269', '0.500', '0.881']
    """
    return jax.nn.sigmoid(x)


def hard_sigmoid(x: ArrayLike) -> jax.Array:
    """Compute a piecewise linear sigmoid: ``y = min(max(x + 3, 0), 6) / 6``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in hard_sigmoid(jnp.array([-1.0, 0.0, 2.0]))]
    ['0.333', '0.500', '0.833']
    """
    return jax.nn.hard_sigmoid(x)


def hard_sigmoid_keras2(x: ArrayLike) -> jax.Array:
    """Compute the hard sigmoid of Keras 1 and 2: ``y = min(max(0.2 x + 0.5, 0), 1)``.

    Models from files of these versions have it where they were trained with `hard_sigmoid`; in
    Keras 3 that name is another function.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in hard_sigmoid_keras2(jnp.array([-1.0, 0.0, 2.0]))]
    ['0.300', '0.500', '0.900']
    """
    return jnp.clip(0.2 * jnp.asarray(x) + 0.5, 0.0, 1.0)


def sparse_sigmoid(x: ArrayLike) -> jax.Array:
    """Compute a sigmoid that reaches 0 and 1: ``y = min(max((x + 1) / 2, 0), 1)``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    Source: Blondel et al., Learning with Fenchel-Young losses, arXiv 1901.02324.

    >>> sparse_sigmoid(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return jax.nn.sparse_sigmoid(x)


def log_sigmoid(x: ArrayLike) -> jax.Array:
    """Compute the logarithm of the sigmoid: ``y = -log(1 + exp(-x))``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in log_sigmoid(jnp.array([-1.0, 0.0, 2.0]))]
    ['-1.313', '-0.693', '-0.127']
    """
    return jax.nn.log_sigmoid(x)


def tanh(x: ArrayLike) -> jax.Array:
    """Compute the hyperbolic tangent: ``y = tanh(x)``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in tanh(jnp.array([-1.0, 0.0, 2.0]))]
    ['-0.762', '0.000', '0.964']
    """
    return jnp.tanh(x)


def hard_tanh(x: ArrayLike) -> jax.Array:
    """Compute a piecewise linear tanh: ``y = min(max(x, -1), 1)``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> hard_tanh(jnp.array([-2.0, 0.5, 2.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    return jax.nn.hard_tanh(x)


def softsign(x: ArrayLike) -> jax.Array:
    """Compute ``y = x / (1 + |x|)``, in (-1, 1).

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in softsign(jnp.array([-1.0, 0.0, 2.0]))]
    ['-0.500', '0.000', '0.667']
    """
    return jax.nn.soft_sign(x)


def exponential(x: ArrayLike) -> jax.Array:
    """Compute the exponential: ``y = exp(x)``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in exponential(jnp.array([-1.0, 0.0, 2.0]))]
    ['0.368', '1.000', '7.389']
    """
    return jnp.exp(x)


def glu(x: ArrayLike, axis: int = -1) -> jax.Array:
    """Gate one half of an axis by the other: ``y = a sigmoid(b)``.

    a is the first and b the second half of ``axis``.

    Args:
        x: ``[...]``, real numbers.
        axis: axis of even size to halve; -1 by default.

    Returns:
        The shape of x with half the size on ``axis``.

    Source: Dauphin et al., Language modeling with gated convolutional networks, arXiv 1612.08083.

    >>> glu(jnp.array([2.0, 0.0])).tolist()
    [1.0]
    """
    return jax.nn.glu(x, axis)
