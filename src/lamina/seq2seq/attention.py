"""Attention of a decoder to what an encoder read."""

from __future__ import annotations

from typing import Any, cast

import jax
from jax import lax

from lamina.layer import Layer
from lamina.layers import Dense
from lamina.layers.checks import check_shape
from lamina.ops.attention import masked_softmax, weighted_values

__all__ = ["BahdanauAttention"]


class BahdanauAttention(Layer):
    """Additive attention: a small network scores each value for a query.

    ::

        e_i = V tanh(W1 q + W2 h_i),    w = softmax(e),    context = sum_i w_i h_i

    Shapes: query q ``[batch, features]``, values h ``[batch, source, channels]`` -> context
    ``[batch, channels]`` and weights w ``[batch, source]``. Weights are those of three Dense
    layers; ``W2`` alone has a bias, since another beside it, or one on ``V``, changes nothing.

    Args:
        units: the size of the network's hidden layer.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, source]``, False where a value is padding, and ``keys``,
    what :meth:`keys` gave for the same values: a decoder computes it once for all its steps.

    Raises:
        InputError: ``units`` is not a whole number above 0, or a shape does not fit.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section A.1.2.

    >>> import jax.numpy as jnp
    >>> context, weights = BahdanauAttention(8)(jnp.ones((2, 5)), jnp.ones((2, 7, 4)))
    >>> context.shape, weights.shape
    ((2, 4), (2, 7))
    """

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.W1 = Dense(units, use_bias=False)
        self.W2 = Dense(units)
        self.V = Dense(1, use_bias=False)

    def keys(self, values: jax.Array) -> jax.Array:
        """``W2 h``, the part of the scores that no query changes: ``[batch, source, units]``."""
        return self.W2(values)

    def call(
        self,
        query: jax.Array,
        values: jax.Array,
        mask: jax.Array | None = None,
        keys: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        if mask is not None:
            check_shape(self, "a mask", mask, values.shape[:2], "batch, source")
        keys = self.keys(values) if keys is None else keys

        def score(query: jax.Array, keys: jax.Array) -> jax.Array:
            return self.V(lax.tanh(lax.expand_dims(query, (1,)) + keys))[..., 0]

        # The hidden layer is cheaper to compute twice than to keep for all steps.
        scores: jax.Array = cast(Any, jax.checkpoint)(score)(self.W1(query), keys)
        weights = masked_softmax(scores, mask)
        return weighted_values(weights, values), weights
