"""Rectified linear units and their smooth variants."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hard_silu",
    "hard_swish",
    "leaky_relu",
    "linear",
    "mish",
    "relu",
    "relu6",
    "selu",
    "silu",
    "softplus",
    "sparse_plus",
    "squareplus",
    "swish",
]


# Traced once for all layers of the same shapes, and inlined: JAX inspects the signature of
# jax.nn.relu, a `custom_jvp`, several times in each call.
_plain_relu: Callable[[jax.Array], jax.Array] = jax.jit(jax.nn.relu, inline=True)


def linear(x: ArrayLike) -> jax.Array:
    """Return x unchanged: ``y = x``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, in the dtype of x.

    >>> linear(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    return x if isinstance(x, jax.Array) else jnp.asarray(x)


def relu(
    x: ArrayLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> jax.Array:
    """Compute the rectified linear unit, by default ``y = max(x, 0)``.

    ``y = min(x, max_value)`` where ``x > threshold``, and ``negative_slope (x - threshold)``
    elsewhere.

    Args:
        x: ``[...]``, real numbers.
        negative_slope: the slope below the threshold, a float; 0.0 by default.
        max_value: the upper bound, a float; None (default) for none.
        threshold: the value up to which x is cut off, a float; 0.0 by default.

    Returns:
        ``[...]``, the shape of x.

    >>> relu(jnp.array([-2.0, 1.0, 9.0]), negative_slope=0.5, max_value=6.0).tolist()
    [-1.0, 1.0, 6.0]
    """
    x = jnp.asarray(x)
    if negative_slope == 0 and threshold == 0:
        y = _plain_relu(x)
    else:
        y = jnp.where(x > threshold, x, negative_slope * (x - threshold))
    return y if max_value is None else jnp.minimum(y, jnp.asarray(max_value, y.dtype))


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> jax.Array:
    """Compute ``y = x`` where ``x >= 0``, and ``y = negative_slope x`` elsewhere.

    Args:
        x: ``[...]``, real numbers.
        negative_slope: the slope below 0, a float; 0.2 by default.

    Returns:
        ``[...]``, the shape of x.

    Source: Maas et al., Rectifier nonlinearities improve neural network acoustic models, 2013.

    >>> leaky_relu(jnp.array([-1.0, 0.0, 2.0]), 0.5).tolist()
    [-0.5, 0.0, 2.0]
    """
    return jax.nn.leaky_relu(x, negative_slope)


def relu6(x: ArrayLike) -> jax.Array:
    """Compute the rectified linear unit with the upper bound 6: ``y = min(max(x, 0), 6)``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    Source: Howard et al., MobileNets, arXiv 1704.04861.

    >>> relu6(jnp.array([-1.0, 2.0, 9.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return jax.nn.relu6(x)


def elu(x: ArrayLike, alpha: float = 1.0) -> jax.Array:
    """Compute ``y = x`` where ``x > 0``, and ``y = alpha (exp(x) - 1)`` elsewhere.

    Args:
        x: ``[...]``, real numbers.
        alpha: the limit for large negative x, as a positive float; 1.0 by default.

    Returns:
        ``[...]``, the shape of x.

    Source: Clevert et al., Fast and accurate deep network learning by ELUs, arXiv 1511.07289.

    >>> [f"{y:.3f}" for y in elu(jnp.array([-1.0, 0.0, 2.0]))]
    ['-0.632', '0.000', '2.000']
    """
    return jax.nn.elu(x, alpha)


def selu(x: ArrayLike) -> jax.Array:
    """Compute an ELU scaled so that activations keep mean 0 and variance 1.

    ``y = 1.0507 x`` where ``x > 0``, and ``y = 1.0507 * 1.6733 (exp(x) - 1)`` elsewhere.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    Source: Klambauer et al., Self-normalizing neural networks, arXiv 1706.02515.

    >>> [f"{y:.3f}" for y in selu(jnp.array([-1.0, 0.0, 2.0]))]
    ['-1.111', '0.000', '2.101']
    """
    return jax.nn.selu(x)


def celu(x: ArrayLike, alpha: float = 1.0) -> jax.Array:
    """Compute ``y = x`` where ``x > 0``, and ``y = alpha (exp(x / alpha) - 1)`` elsewhere.

    Args:
        x: ``[...]``, real numbers.
        alpha: the limit for large negative x, as a positive float; 1.0 by default.

    Returns:
        ``[...]``, the shape of x.

    Source: Barron, Continuously differentiable exponential linear units, arXiv 1704.07483.

    >>> [f"{y:.3f}" for y in celu(jnp.array([-1.0, 0.0, 2.0]), 2.0)]
    ['-0.787', '0.000', '2.000']
    """
    return jax.nn.celu(x, alpha)


def gelu(x: ArrayLike, approximate: bool = False) -> jax.Array:
    """Compute ``y = x Phi(x)``, Phi the standard normal distribution function.

    Args:
        x: ``[...]``, real numbers.
        approximate: whether Phi is approximated by a tanh; False by default.

    Returns:
        ``[...]``, the shape of x.

    Source: Hendrycks, Gimpel, Gaussian error linear units, arXiv 1606.08415.

    >>> [f"{y:.3f}" for y in gelu(jnp.array([-1.0, 0.0, 2.0]))]
    ['-0.159', '0.000', '1.954']
    """
    return jax.nn.gelu(x, approximate=approximate)


def silu(x: ArrayLike) -> jax.Array:
    """Compute ``y = x sigmoid(x)``, also called swish.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    Source: Elfwing et al., Sigmoid-weighted linear units, arXiv 1702.03118.

    >>> [f"{y:.3f}" for y in silu(jnp.array([-1.0, 0.0, 2.0]))]
    ['-0.269', '0.000', '1.762']
    """
    return jax.nn.silu(x)


def hard_silu(x: ArrayLike) -> jax.Array:
    """Compute ``y = x hard_sigmoid(x)``, also called hard swish.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    Source: Howard et al., Searching for MobileNetV3, arXiv 1905.02244.

    >>> [f"{y:.3f}" for y in hard_silu(jnp.array([-1.0, 0.0, 2.0]))]
    ['-0.333', '0.000', '1.667']
    """
    return jax.nn.hard_silu(x)


def mish(x: ArrayLike) -> jax.Array:
    """Compute ``y = x tanh(softplus(x))``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    Source: Misra, Mish: a self regularized non-monotonic activation function, arXiv 1908.08681.

    >>> [f"{y:.3f}" for y in mish(jnp.array([-1.0, 0.0, 2.0]))]
    ['-0.303', '0.000', '1.944']
    """
    return jax.nn.mish(x)


def softplus(x: ArrayLike) -> jax.Array:
    """Compute a smooth rectified linear unit: ``y = log(1 + exp(x))``.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> [f"{y:.3f}" for y in softplus(jnp.array([-1.0, 0.0, 2.0]))]
    ['0.313', '0.693', '2.127']
    """
    return jax.nn.softplus(x)


def squareplus(x: ArrayLike, b: float = 4.0) -> jax.Array:
    """Compute a smooth rectified linear unit: ``y = (x + sqrt(x^2 + b)) / 2``.

    Args:
        x: ``[...]``, real numbers.
        b: the smoothness, a non-negative float; 4.0 by default.

    Returns:
        ``[...]``, the shape of x.

    Source: Barron, Squareplus, arXiv 2112.11687.

    >>> [f"{y:.3f}" for y in squareplus(jnp.array([-1.0, 0.0, 2.0]))]
    ['0.618', '1.000', '2.414']
    """
    return jax.nn.squareplus(x, b)


def sparse_plus(x: ArrayLike) -> jax.Array:
    """Compute a smooth rectified linear unit, whose derivative is `sparse_sigmoid`.

    ``y = 0`` where ``x <= -1``, ``(x + 1)^2 / 4`` where ``-1 < x < 1``, and ``x`` elsewhere.

    Args:
        x: ``[...]``, real numbers.

    Returns:
        ``[...]``, the shape of x.

    >>> sparse_plus(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.25, 2.0]
    """
    return jax.nn.sparse_plus(x)


swish = silu
hard_swish = hard_silu
