"""Inverted dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

__all__ = ["dropout", "dropout_factors"]


def dropout_factors(
    key: jax.Array, rate: float, shape: Sequence[int], dtype: Any = "float32"
) -> jax.Array:
    """Factors that are 0 with probability ``rate`` and ``1 / (1 - rate)`` otherwise.

    Args:
        key: a jax.random key; the same key gives the same factors.
        rate: the probability of a zero, from 0 to 1.
        shape: of the factors.
        dtype: of the factors.

    >>> sorted(set(dropout_factors(jax.random.key(0), 0.5, (100,)).tolist()))
    [0.0, 2.0]
    """
    kept = jax.random.bernoulli(key, 1 - rate, shape)
    return kept.astype(dtype) * (0 if rate == 1 else 1 / (1 - rate))


def dropout(
    key: jax.Array, x: jax.Array, rate: float, noise_shape: Sequence[int | None] | None = None
) -> jax.Array:
    """Zero elements at random: ``y = x m / (1 - rate)``, with m 0 or 1 and E[m] = 1 - rate.

    Args:
        key: a jax.random key; the same key drops the same elements.
        x: ``[...]``, floating.
        rate: the probability of a zero, from 0 to 1.
        noise_shape: the shape of m, broadcast against x: a size of 1 drops along a whole axis,
            None stands for the size of x. Without it every element is drawn alone.

    Returns:
        The shape and dtype of x.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 2014.

    >>> import jax.numpy as jnp
    >>> dropped = dropout(jax.random.key(0), jnp.ones((100, 2)), 0.5, noise_shape=(None, 1))
    >>> sorted(set(map(tuple, dropped.tolist())))
    [(0.0, 0.0), (2.0, 2.0)]
    """
    sizes = x.shape if noise_shape is None else noise_shape
    shape = [size if given is None else given for given, size in zip(sizes, x.shape, strict=True)]
    return x * dropout_factors(key, rate, shape, x.dtype)
