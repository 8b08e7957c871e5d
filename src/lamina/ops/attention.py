"""Attention: scores of keys for a query, and the mean of values that they weigh."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast

__all__ = ["masked_softmax", "weighted_values"]


def masked_softmax(scores: jax.Array, mask: Operand | None = None) -> jax.Array:
    """Weights along the last axis: ``w_i = exp(e_i) / sum_j exp(e_j)`` over kept places.

    Args:
        scores: ``[..., source]``, e.
        mask: bool, ``[..., source]``; places where it is False weigh 0. A row with no place at
            all has equal weights, not NaN.

    Returns:
        ``[..., source]``, each row of sum 1.

    >>> masked_softmax(jnp.array([2.0, 2.0, 9.0]), jnp.array([True, True, False])).tolist()
    [0.5, 0.5, 0.0]
    """
    if mask is not None:
        # Finite, so that a row of it alone is no NaN.
        lowest = float(jnp.finfo(scores.dtype).min)  # pyright: ignore[reportUnknownArgumentType]
        scores = jnp.where(cast(mask, bool), scores, lowest)
    return jax.nn.softmax(scores, axis=-1)


def weighted_values(weights: jax.Array, values: jax.Array) -> jax.Array:
    """The mean of values under weights: ``c = sum_i w_i h_i``.

    Args:
        weights: ``[batch, source]``, w.
        values: ``[batch, source, features]``, h.

    Returns:
        ``[batch, features]``.

    >>> weighted_values(jnp.array([[0.5, 0.5, 0.0]]), jnp.arange(6.0).reshape(1, 3, 2)).tolist()
    [[1.0, 2.0]]
    """
    return lax.dot_general(weights, values, (((1,), (1,)), ((0,), (0,))))
