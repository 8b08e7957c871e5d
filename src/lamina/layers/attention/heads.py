"""Attention of several heads on projected arrays, by a fused kernel or with explicit weights."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from lamina.errors import InputError
from lamina.layers.bases.errors import refusal
from lamina.ops.attention import attend, attention_weights, weighted_heads
from lamina.ops.attention_masks import causal_mask, joint_mask, visible_queries
from lamina.ops.dropout import dropout

__all__ = ["attend_heads", "no_fused_kernel"]


def attend_heads(
    layer: Any,
    queries: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    mask: jax.Array | None,
    query_mask: jax.Array | None,
    *,
    causal: bool,
    return_weights: bool,
    training: bool,
) -> tuple[jax.Array, jax.Array | None]:
    """Returns each head's weighted mean of values, and the weights if they were computed.

    Args:
        layer: a MultiHeadAttention, whose ``key_dim``, ``dropout``, ``seed`` and
            ``flash_attention`` are read.
        queries: ``[batch, target, heads, key_dim]``.
        keys: ``[batch, source, heads, key_dim]``.
        values: ``[batch, source, heads, value_dim]``.
        mask: bool, broadcast against ``[batch, heads, target, source]``, or None. A query whose
            positions are all masked gets 0.
        query_mask: bool ``[batch, 1, target, 1]``, False at padding, or None. A query at padding
            gets the mean of all values; 0 with dropout, or if weights are returned, as in Keras.
        causal: let position t attend to positions 0 to t only.
        return_weights: compute the weights ``[batch, heads, target, source]``.
        training: apply dropout.

    Raises:
        InputError: ``flash_attention=True``, and the fused kernel does not support the call.
    """
    scale = 1 / math.sqrt(layer.key_dim)
    if layer.dropout > 0 or return_weights:
        mask, query_mask = joint_mask(mask, query_mask), None
    visible = _visible(mask, query_mask, queries.shape[1], keys.shape[1], causal)
    mask = joint_mask(mask, query_mask)
    drops = training and layer.dropout > 0
    if not return_weights and not drops:
        fused = layer.flash_attention
        try:
            heads = attend(queries, keys, values, mask, scale=scale, causal=causal, fused=fused)
        except (NotImplementedError, RuntimeError, ValueError) as error:
            if not fused:
                raise
            raise no_fused_kernel(layer, str(error)) from error
        return heads if visible is None else jnp.where(visible.swapaxes(1, 2), heads, 0), None
    if layer.flash_attention:
        raise no_fused_kernel(layer, "return_attention_scores=True; the kernel stores no scores")
    if causal:
        mask = joint_mask(mask, causal_mask(queries.shape[1], keys.shape[1]))
    weights = attention_weights(queries, keys, mask, scale=scale)
    if visible is not None:
        weights = jnp.where(visible, weights, 0)
    if not drops:
        return weighted_heads(weights, values), weights
    rng = layer.rng() if layer.seed is None else jax.random.fold_in(layer.rng(), layer.seed)
    return weighted_heads(dropout(rng, weights, layer.dropout), values), weights


def _visible(
    mask: jax.Array | None, query_mask: jax.Array | None, target: int, source: int, causal: bool
) -> jax.Array | None:
    """Returns which queries may attend to a position or are padding; None for all.

    The result broadcasts against ``[batch, heads, target, source]``.
    """
    if mask is None:
        return None
    if causal:
        mask = jnp.logical_and(mask, causal_mask(target, source))
    visible = visible_queries(mask)
    return visible if query_mask is None else visible | ~query_mask


def no_fused_kernel(layer: Any, received: str) -> InputError:
    """The error of a call that cuDNN's fused kernel does not support."""
    return refusal(
        layer,
        "cannot use cuDNN's fused kernel, which flash_attention=True requires",
        expected="a GPU, half precision, supported head sizes, no dropout, no scores",
        received=received,
        remedy="Leave out flash_attention.",
    )
