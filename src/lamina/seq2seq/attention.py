"""Attention of a decoder to the outputs of an encoder."""

from __future__ import annotations

from typing import Any, Unpack, cast

import jax
from jax import lax

from lamina.layer import Layer
from lamina.layers import Dense
from lamina.layers.bases.checks import check_shape
from lamina.ops.attention import masked_softmax, weighted_values
from lamina.options import LayerOptions

__all__ = ["BahdanauAttention", "DotAttention"]


class _Attention(Layer):
    """The base of the attentions: from scores to weights and to the weighted mean of values."""

    W2: Dense

    def keys(self, values: jax.Array) -> jax.Array:
        """Returns ``W2 h``, ``[batch, source, units]``, which does not depend on the query."""
        return self.W2(values)

    def score_weights(self) -> jax.Array | None:
        """Returns the kernel of ``V``, ``[units]``; None for dot products."""
        raise NotImplementedError

    def scores(self, query: jax.Array, keys: jax.Array) -> jax.Array:
        """Returns the scores of a query.

        Args:
            query: the query, ``[batch, features]``.
            keys: the keys, ``[batch, source, units]``.

        Returns:
            The scores, ``[batch, source]``.
        """
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
    """Additive attention: a small network computes a score for each value.

    For a query q and values h_i::

        e_i = V tanh(W1 q + W2 h_i),    w = softmax(e),    context = sum_i w_i h_i

    Shapes: query ``[batch, features]``, values ``[batch, source, channels]`` -> context
    ``[batch, channels]`` and weights w ``[batch, source]``. Weights: those of the dense layers
    ``W1``, ``W2`` and ``V``, of which only ``W2`` has a bias.

    Args:
        units: size of the network's hidden layer, a positive integer.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        query: ``[batch, features]``, one query of the decoder.
        values: ``[batch, source, channels]``, the encoder's outputs.
        mask: bool ``[batch, source]``, False at padding; None by default.
        keys: the result of :meth:`keys` for the same values, which a decoder computes once for
            all steps; computed if None (default).

    Returns:
        ``(context, weights)``: ``[batch, channels]`` and ``[batch, source]``.

    Raises:
        InputError: ``units`` is not a positive integer, or a shape does not fit.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section A.1.2.

    >>> import jax.numpy as jnp
    >>> context, weights = BahdanauAttention(8)(jnp.ones((2, 5)), jnp.ones((2, 7, 4)))
    >>> context.shape, weights.shape
    ((2, 4), (2, 7))
    """

    def __init__(self, units: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.W1 = Dense(units, use_bias=False)
        self.W2 = Dense(units)
        self.V = Dense(1, use_bias=False)

    def score_weights(self) -> jax.Array | None:
        return self.V.kernel.value[:, 0]

    def scores(self, query: jax.Array, keys: jax.Array) -> jax.Array:
        def score(query: jax.Array, keys: jax.Array) -> jax.Array:
            return self.V(lax.tanh(lax.expand_dims(query, (1,)) + keys))[..., 0]

        # Recomputing the hidden layer in the backward pass is cheaper than storing all steps.
        return cast(Any, jax.checkpoint)(score)(self.W1(query), keys)


class DotAttention(_Attention):
    """Scaled dot-product attention with a projection of the query and one of the values.

    For a query q and values h_i::

        e_i = W1 q . W2 h_i / sqrt(units),    w = softmax(e),    context = sum_i w_i h_i

    It needs less time and memory than :class:`BahdanauAttention`, whose hidden layer is ``[batch,
    source, units]`` at each step.

    Shapes: query ``[batch, features]``, values ``[batch, source, channels]`` -> context
    ``[batch, channels]`` and weights w ``[batch, source]``. Weights: those of the dense layers
    ``W1`` and ``W2``, without biases.

    Args:
        units: size of the projections, a positive integer.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        query: ``[batch, features]``, one query of the decoder.
        values: ``[batch, source, channels]``, the encoder's outputs.
        mask: bool ``[batch, source]``, False at padding; None by default.
        keys: the result of :meth:`keys` for the same values, which a decoder computes once for
            all steps; computed if None (default).

    Returns:
        ``(context, weights)``: ``[batch, channels]`` and ``[batch, source]``.

    Raises:
        InputError: ``units`` is not a positive integer, or a shape does not fit.

    Source: Luong, Pham, Manning, arXiv 1508.04025 (general); scale: Vaswani et al.,
    arXiv 1706.03762.

    >>> import jax.numpy as jnp
    >>> context, weights = DotAttention(8)(jnp.ones((2, 5)), jnp.ones((2, 7, 4)))
    >>> context.shape, weights.shape
    ((2, 4), (2, 7))
    """

    def __init__(self, units: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.W1 = Dense(units, use_bias=False)
        self.W2 = Dense(units, use_bias=False)

    def score_weights(self) -> jax.Array | None:
        return None

    def scores(self, query: jax.Array, keys: jax.Array) -> jax.Array:
        projected: jax.Array = self.W1(query)
        products = lax.dot_general(projected, keys, (((1,), (2,)), ((0,), (0,))))
        return products * keys.shape[-1] ** -0.5
