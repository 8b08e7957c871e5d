"""Additive and multiplicative Gaussian noise."""

from __future__ import annotations

import math

import jax

from lamina.ops.arrays import float_dtype

__all__ = ["gaussian_dropout", "gaussian_noise"]


def gaussian_noise(key: jax.Array, x: jax.Array, stddev: float) -> jax.Array:
    """Add Gaussian noise: ``y = x + stddev z``, z from a standard normal distribution.

    Args:
        key: a jax.random key; the same key gives the same noise.
        x: ``[...]``, floating.
        stddev: the standard deviation, a non-negative float, in the unit of x.

    Returns:
        The shape and dtype of x.

    >>> import jax.numpy as jnp
    >>> f"{gaussian_noise(jax.random.key(0), jnp.zeros(10000), 0.5).std():.1f}"
    '0.5'
    """
    return x + stddev * jax.random.normal(key, x.shape, float_dtype(x))


def gaussian_dropout(key: jax.Array, x: jax.Array, rate: float) -> jax.Array:
    """Multiply by noise of mean 1: ``y = x (1 + sqrt(rate / (1 - rate)) z)``.

    z is from a standard normal distribution. The factors have the mean and variance of those of
    :func:`lamina.ops.dropout.dropout`.

    Args:
        key: a jax.random key; the same key gives the same noise.
        x: ``[...]``, floating.
        rate: the rate of the equivalent dropout, in [0, 1).

    Returns:
        The shape and dtype of x.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 2014, section 10.

    >>> import jax.numpy as jnp
    >>> f"{gaussian_dropout(jax.random.key(0), jnp.ones(10000), 0.2).std():.1f}"
    '0.5'
    """
    factors = 1 + math.sqrt(rate / (1 - rate)) * jax.random.normal(key, x.shape, float_dtype(x))
    return x * factors
