"""Layers that make training noisy so that it generalises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import jax

from lamina.layer import Layer
from lamina.layers.checks import check_count, check_rank, check_within
from lamina.ops.dropout import dropout

__all__ = ["Dropout"]


class Dropout(Layer):
    """Zero elements at random while training: ``y = x m / (1 - rate)``, E[m] = 1 - rate.

    Outside of training ``y = x``. Shapes: any, unchanged.

    Args:
        rate: the probability of a zero, from 0 to 1.
        noise_shape: the shape of m, one entry an axis of the input: 1 drops along a whole axis,
            None stands for the input's size. Without it every element is drawn alone.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``rate`` or ``noise_shape`` is out of range, or ``noise_shape`` has another
            number of axes than the input.
        LaminaError: no random key is in reach while training.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 2014.

    >>> import jax.numpy as jnp
    >>> layer = Dropout(0.5)
    >>> layer(jnp.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    >>> sorted(set(layer(jnp.ones(100), training=True, rng=jax.random.key(0)).tolist()))
    [0.0, 2.0]
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.rate = check_within(self, "rate", rate)
        self.noise_shape = None if noise_shape is None else self._sizes(noise_shape)
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        if self.noise_shape is not None:
            axes = ", ".join("?" if size is None else str(size) for size in self.noise_shape)
            check_rank(self, input_shape, axes, exactly=True)

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        if not training or self.rate == 0:
            return inputs
        key = self.rng()
        if self.seed is not None:
            key = jax.random.fold_in(key, self.seed)
        return dropout(key, inputs, self.rate, self.noise_shape)

    def _sizes(self, noise_shape: Any) -> tuple[int | None, ...]:
        one = not isinstance(noise_shape, list | tuple)
        return tuple(
            None if size is None else check_count(self, "noise_shape", size)
            for size in cast("list[Any]", [noise_shape] if one else noise_shape)
        )
