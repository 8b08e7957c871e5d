"""Layers that put noise on their inputs while training, so that what is learnt generalises."""

from __future__ import annotations

import math
from typing import Any

import jax

from lamina.core.specs.signature import either_mode
from lamina.layer import Layer
from lamina.layers.bases.checks import check_within
from lamina.ops.noise import gaussian_dropout, gaussian_noise

__all__ = ["GaussianDropout", "GaussianNoise", "Noise"]


class Noise(Layer):
    """The base of layers that act while training alone: outside of it ``y = x``.

    A subclass says in ``noisy(key, inputs)`` what it does.

    Args:
        amount: how much it does; nothing at 0, and then it draws no key.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        LaminaError: no random key is in reach while training.

    >>> import jax.numpy as jnp
    >>> class Flip(Noise):
    ...     def noisy(self, key, inputs):
    ...         return inputs * jax.random.rademacher(key, inputs.shape)
    >>> layer = Flip(1.0)
    >>> layer(jnp.ones(2)).tolist()
    [1.0, 1.0]
    >>> sorted(set(layer(jnp.ones(100), training=True, rng=0).tolist()))
    [-1.0, 1.0]
    """

    def __init__(self, amount: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed
        self._amount = amount

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        """The inputs with noise on them."""
        raise NotImplementedError

    @either_mode
    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        if not training or self._amount == 0:
            return inputs
        key = self.rng()
        return self.noisy(key if self.seed is None else jax.random.fold_in(key, self.seed), inputs)


class GaussianNoise(Noise):
    """Add noise while training: ``y = x + stddev z``, z from a standard normal.

    Outside of training ``y = x``. Shapes: any, unchanged.

    Args:
        stddev: the standard deviation of the noise, in the unit of x.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``stddev`` is below 0.
        LaminaError: no random key is in reach while training.

    >>> import jax.numpy as jnp
    >>> y = GaussianNoise(0.5)(jnp.zeros(10000), training=True, rng=0)
    >>> f"{y.std():.2f}"
    '0.50'
    """

    def __init__(self, stddev: float, seed: int | None = None, **options: Any) -> None:
        self.stddev = check_within(self, "stddev", stddev, high=math.inf)
        super().__init__(self.stddev, seed, **options)

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        return gaussian_noise(key, inputs, self.stddev)


class GaussianDropout(Noise):
    """Multiply by noise while training: ``y = x (1 + sqrt(rate / (1 - rate)) z)``, z normal.

    Outside of training ``y = x``. Shapes: any, unchanged.

    Args:
        rate: that of the dropout whose mean and variance the factors have, from 0 up to, but not,
            1.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``rate`` is out of range.
        LaminaError: no random key is in reach while training.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 2014, section 10.

    >>> import jax.numpy as jnp
    >>> y = GaussianDropout(0.2)(jnp.ones(10000), training=True, rng=0)
    >>> f"{y.mean():.1f} {y.std():.2f}"
    '1.0 0.50'
    """

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        self.rate = check_within(self, "rate", rate, below=True)
        super().__init__(self.rate, seed, **options)

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        return gaussian_dropout(key, inputs, self.rate)
