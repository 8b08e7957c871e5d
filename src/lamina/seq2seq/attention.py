"""Attention of a decoder to what an encoder read."""

from __future__ import annotations

from typing import Any, cast

import jax
from jax import lax

from lamina.layer import Layer
from lamina.layers import Dense
from lamina.layers.bases.checks import check_shape
from lamina.ops.attention import masked_softmax, weighted_values

__all__ = ["BahdanauAttention", "DotAttention"]


class _Attention(Layer):
    """What attentions share: keys, scores, weights, the mean of the values under the weights."""

    W2: Dense

    def keys(self, values: jax.Array) -> jax.Array:
        """``W2 h``, the part of the scores that no query changes: ``[batch, source, units]``."""
        return self.W2(values)

    def score_weights(self) -> jax.Array | None:
        """``[units]``, what the hidden layer of scores is multiplied with, or None."""
        raise NotImplementedError

    def scores(self, query: jax.Array, keys: jax.Array) -> jax.Array:
        """``[batch, source]``."""
        raise NotImplementedError

    def call(
        self,
        query: jax.Array,
        values: jax.Array,
        mask: jax.Array | None = None,
        keys: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        if mask is not None:
            check_shape(self, "a mask", mask, values.shape[:2], "batch, source")
        scores = self.scores(query, self.keys(values) if keys is None else keys)
        weights = masked_softmax(scores, mask)
        return weighted_values(weights, values), weights


class BahdanauAttention(_Attention):
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

    def score_weights(self) -> jax.Array | None:
        return self.V.kernel.value[:, 0]

    def scores(self, query: jax.Array, keys: jax.Array) -> jax.Array:
        def score(query: jax.Array, keys: jax.Array) -> jax.Array:
            return self.V(lax.tanh(lax.expand_dims(query, (1,)) + keys))[..., 0]

        # The hidden layer is cheaper to compute twice than to keep for all steps.
        return cast(Any, jax.checkpoint)(score)(self.W1(query), keys)


class DotAttention(_Attention):
    """Attention by dot products: a query and the values meet in a space of their own.

    ::

        e_i = W1 q . W2 h_i / sqrt(units),    w = softmax(e),    context = sum_i w_i h_i

    Shapes: query q ``[batch, features]``, values h ``[batch, source, channels]`` -> context
    ``[batch, channels]`` and weights w ``[batch, source]``. Weights are those of two Dense layers
    without a bias. Cheaper than :class:`BahdanauAttention`, whose hidden layer is ``[batch,
    source, units]`` at each step.

    Args:
        units: the size of that space.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask`` and ``keys``, as :class:`BahdanauAttention` does.

    Raises:
        InputError: ``units`` is not a whole number above 0, or a shape does not fit.

    Source: Luong, Pham, Manning, arXiv 1508.04025 (general); the scale is of Vaswani et al.,
    arXiv 1706.03762.

    >>> import jax.numpy as jnp
    >>> context, weights = DotAttention(8)(jnp.ones((2, 5)), jnp.ones((2, 7, 4)))
    >>> context.shape, weights.shape
    ((2, 4), (2, 7))
    """

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.W1 = Dense(units, use_bias=False)
        self.W2 = Dense(units, use_bias=False)

    def score_weights(self) -> jax.Array | None:
        return None

    def scores(self, query: jax.Array, keys: jax.Array) -> jax.Array:
        projected: jax.Array = self.W1(query)
        products = lax.dot_general(projected, keys, (((1,), (2,)), ((0,), (0,))))
        return products * keys.shape[-1] ** -0.5
