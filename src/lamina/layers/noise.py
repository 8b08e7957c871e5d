"""Gaussian noise in training, for regularization."""

from __future__ import annotations

import math
from typing import Any, Unpack

import jax

from lamina.core.specs.signature import either_mode
from lamina.layer import Layer
from lamina.layers.bases.checks import check_within
from lamina.ops.noise import gaussian_dropout, gaussian_noise
from lamina.options import LayerOptions

__all__ = ["GaussianDropout", "GaussianNoise", "Noise"]


class Noise(Layer):
    """The base of layers that change their inputs in training only: otherwise ``y = x``.

    A subclass defines ``noisy(key, inputs)``.

    Args:
        amount: float, strength of the noise; at 0 the layer does nothing and draws no key.
        seed: int, mixed into the random key, which gives different noise to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`.

    Raises:
        LaminaError: in training there is no random key.

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

    supports_masking = True

    def __init__(self, amount: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed
        self._amount = amount

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        """Returns the inputs with noise."""
        raise NotImplementedError

    @either_mode
    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        if not training or self._amount == 0:
            return inputs
        key = self.rng()
        return self.noisy(key if self.seed is None else jax.random.fold_in(key, self.seed), inputs)


class GaussianNoise(Noise):
    """Adds Gaussian noise in training: ``y = x + stddev z``, with z standard normal.

    Outside of training ``y = x``. Shapes: any, unchanged.

    Args:
        stddev: float >= 0, standard deviation of the noise, in the unit of x.
        seed: int, mixed into the random key, which gives different noise to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``stddev`` is negative.
        LaminaError: in training there is no random key.

    >>> import jax.numpy as jnp
    >>> y = GaussianNoise(0.5)(jnp.zeros(10000), training=True, rng=0)
    >>> f"{y.std():.2f}"
    '0.50'
    """

    def __init__(
        self, stddev: float, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        self.stddev = check_within(self, "stddev", stddev, high=math.inf)
        super().__init__(self.stddev, seed, **options)

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        return gaussian_noise(key, inputs, self.stddev)


class GaussianDropout(Noise):
    """Multiplies by Gaussian noise in training: ``y = x (1 + sqrt(rate / (1 - rate)) z)``.

    z is standard normal, so that the factors have the mean and variance of those of
    :class:`Dropout`. Outside of training ``y = x``. Shapes: any, unchanged.

    Args:
        rate: float in [0, 1), dropout rate with the same mean and variance.
        seed: int, mixed into the random key, which gives different noise to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``rate`` is out of range.
        LaminaError: in training there is no random key.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 2014, section 10.

    >>> import jax.numpy as jnp
    >>> y = GaussianDropout(0.2)(jnp.ones(10000), training=True, rng=0)
    >>> f"{y.mean():.1f} {y.std():.2f}"
    '1.0 0.50'
    """

    def __init__(
        self, rate: float, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        self.rate = check_within(self, "rate", rate, below=True)
        super().__init__(self.rate, seed, **options)

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        return gaussian_dropout(key, inputs, self.rate)
