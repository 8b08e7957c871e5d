"""Dropout: setting random elements to zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.ops.arrays import float_dtype

__all__ = ["alpha_dropout", "dropout", "dropout_factors", "scaled"]

_FLOOR = -1.6732632423543772 * 1.0507009873554805  # the limit of selu for large negative inputs


def dropout_factors(
    key: jax.Array, rate: float, shape: Sequence[int], dtype: Any = "float32"
) -> jax.Array:
    """Draw factors that are 0 with probability ``rate``, and ``1 / (1 - rate)`` otherwise.

    Args:
        key: a jax.random key; the same key gives the same factors.
        rate: the probability of a zero, in [0, 1].
        shape: the shape of the factors.
        dtype: the dtype of the factors; float32 by default.

    Returns:
        The factors.

    >>> sorted(set(dropout_factors(jax.random.key(0), 0.5, (100,)).tolist()))
    [0.0, 2.0]
    """
    kept = jax.random.bernoulli(key, 1 - rate, shape)
    return kept.astype(dtype) * _scale(rate)


def scaled(x: jax.Array, factors: jax.Array) -> jax.Array:
    """Compute ``x factors``, and 0 where a factor is 0, even if x is infinite or NaN there.

    Args:
        x: ``[...]``.
        factors: factors of :func:`dropout_factors`, broadcast against x.

    Returns:
        The product; gradients are 0 where a factor is 0.

    >>> scaled(jnp.array([jnp.inf, 1.0]), jnp.array([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return jnp.where(factors != 0, x, 0) * factors


def dropout(
    key: jax.Array, x: jax.Array, rate: float, noise_shape: Sequence[int | None] | None = None
) -> jax.Array:
    """Set random elements to 0: ``y = x m / (1 - rate)``, with m 0 or 1 and E[m] = 1 - rate.

    Dropped elements are 0 even if x is infinite or NaN there, and so are their gradients.

    Args:
        key: a jax.random key; the same key drops the same elements.
        x: ``[...]``, floating.
        rate: the probability of a zero, in [0, 1].
        noise_shape: the shape of m, broadcast against x: a size of 1 drops along a whole axis,
            None means the size of x. By default each element is drawn separately.

    Returns:
        The shape and dtype of x.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 2014.

    >>> import jax.numpy as jnp
    >>> dropped = dropout(jax.random.key(0), jnp.ones((100, 2)), 0.5, noise_shape=(None, 1))
    >>> sorted(set(map(tuple, dropped.tolist())))
    [(0.0, 0.0), (2.0, 2.0)]
    """
    kept = jax.random.bernoulli(key, 1 - rate, _sizes(noise_shape, x))
    return jnp.where(kept, x * _scale(rate), 0)


def alpha_dropout(
    key: jax.Array, x: jax.Array, rate: float, noise_shape: Sequence[int | None] | None = None
) -> jax.Array:
    """Set random elements to the lower limit of selu, and keep mean 0 and variance 1.

    ``y = a (m x + (1 - m) f) + b``, with m 0 or 1, E[m] = 1 - rate, ``f = -1.758`` the lower
    limit of selu, ``a = ((1 - rate) (1 + rate f^2))^-1/2`` and ``b = -a rate f``.

    Args:
        key: a jax.random key; the same key drops the same elements.
        x: ``[...]``, floating.
        rate: the probability of m = 0, in [0, 1).
        noise_shape: the shape of m, as for :func:`dropout`.

    Returns:
        The shape and dtype of x.

    Source: Klambauer et al., Self-normalizing neural networks, arXiv 1706.02515.

    >>> x = jax.random.normal(jax.random.key(0), (10000,))
    >>> y = alpha_dropout(jax.random.key(1), x, 0.3)
    >>> f"{abs(y.mean()):.1f} {y.std():.1f}"
    '0.0 1.0'
    """
    kept = jax.random.bernoulli(key, 1 - rate, _sizes(noise_shape, x))
    a = ((1 - rate) * (1 + rate * _FLOOR**2)) ** -0.5
    b = -a * rate * _FLOOR
    return a * jnp.where(kept, x, jnp.asarray(_FLOOR, float_dtype(x))) + b


def _scale(rate: float) -> float:
    """The factor of kept elements, which preserves the mean."""
    return 0.0 if rate == 1 else 1 / (1 - rate)


def _sizes(noise_shape: Sequence[int | None] | None, x: jax.Array) -> list[int]:
    sizes = x.shape if noise_shape is None else noise_shape
    return [size if given is None else given for given, size in zip(sizes, x.shape, strict=True)]
