"""Attention of several heads on projected arrays, by a fused kernel or with explicit weights."""

from __future__ import annotations

import math
from typing import Any

import jax

from lamina.errors import InputError
from lamina.layers.bases.errors import refusal
from lamina.ops.attention import attend, attention_weights, weighted_heads
from lamina.ops.attention_masks import causal_mask, joint_mask
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
    drops = training and layer.dropout > 0
    if layer.dropout > 0 or return_weights:
        mask, query_mask = joint_mask(mask, query_mask), None
    if not return_weights and not drops:
        fused = layer.flash_attention
        try:
            return attend(
                queries, keys, values, mask,
                scale=scale, causal=causal, query_mask=query_mask, fused=fused,
            ), None  # fmt: skip
        except (NotImplementedError, RuntimeError, ValueError) as error:
            if not fused:
                raise
            raise no_fused_kernel(layer, str(error)) from error
    if layer.flash_attention:
        raise no_fused_kernel(layer, "return_attention_scores=True; the kernel stores no scores")
    if causal:
        mask = joint_mask(mask, causal_mask(queries.shape[1], keys.shape[1]))
    weights = attention_weights(queries, keys, mask, scale=scale)
    if not drops:
        return weighted_heads(weights, values), weights
    rng = layer.rng() if layer.seed is None else jax.random.fold_in(layer.rng(), layer.seed)
    return weighted_heads(dropout(rng, weights, layer.dropout), values), weights


def no_fused_kernel(layer: Any, received: str) -> InputError:
    """The error of a call that cuDNN's fused kernel does not support."""
    return refusal(
        layer,
        "cannot use cuDNN's fused kernel, which flash_attention=True asks for",
        expected="a GPU, half precision, supported head sizes, no dropout, no scores",
        received=received,
        remedy="Leave out flash_attention.",
    )
