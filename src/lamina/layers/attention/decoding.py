"""Causal self-attention in incremental calls, with a cache of the earlier positions."""

from __future__ import annotations

import math
from typing import Any

import jax

from lamina.core.running.decoding import Decoding, NotIncrementalError
from lamina.core.running.scope import decoding
from lamina.ops.attention_masks import joint_mask
from lamina.ops.cached_attention import Cached, attend_new, attend_with_cache

__all__ = ["attend_incrementally"]


def attend_incrementally(
    layer: Any,
    query: jax.Array,
    value: jax.Array | None,
    key: jax.Array | None,
    *,
    query_mask: jax.Array | None,
    value_mask: jax.Array | None,
    others: int,
) -> jax.Array:
    """Returns each head's weighted mean of the values up to each new position.

    Args:
        layer: a MultiHeadAttention.
        query: ``[batch, time, features]``, the new positions.
        value: ``[batch, time, channels]``.
        key: ``[batch, time, channels]``; the value if None.
        query_mask: bool ``[batch, time]``, False at padding; None for no mask.
        value_mask: bool ``[batch, time]``, False at padding; None for no mask.
        others: number of arguments that are not supported.

    Raises:
        NotIncrementalError: the arguments have no incremental form.
    """
    state = decoding()
    assert state is not None
    if query_mask is not None:  # such a query attends to all positions, also to later ones
        raise NotIncrementalError("causal attention has a mask of its queries")
    if others or value is None or query.ndim != 3 or value.shape[1] != state.time:
        raise NotIncrementalError(
            "causal attention has an attention_mask, returns its weights, or attends to another "
            "sequence"
        )
    cache = state.cache()
    queries = _rotated(layer, layer.query(query), state)
    keys = _rotated(layer, layer.key(value if key is None else key), state)
    keys, values = keys.swapaxes(1, 2), layer.value(value).swapaxes(1, 2)  # [batch, heads, time, .]
    new = Cached(keys, values, _new_mask(state, value_mask, layer.sliding_window))
    scale = 1 / math.sqrt(layer.key_dim)
    if cache is None:
        heads = attend_new(queries, new, scale=scale)
    else:
        mask = _cached_mask(state, cache.get("mask"), layer.sliding_window)
        old = Cached(cache["key"], cache["value"], mask)
        heads = attend_with_cache(queries, old, new, state.filled, scale=scale)
    masks = {} if value_mask is None else {"mask": value_mask}
    state.record({"key": keys, "value": values} | masks)
    return heads


def _rotated(layer: Any, heads: jax.Array, state: Decoding) -> jax.Array:
    start = state.positions[0]
    if not state.alternatives:
        return layer._rotated(heads, start)
    return layer._rotated(heads.swapaxes(0, 1), start).swapaxes(0, 1)  # each the only position


def _new_mask(state: Decoding, value_mask: jax.Array | None, window: int | None) -> jax.Array:
    """The mask of pairs of new positions, bool ``[batch, 1, time, time]``."""
    distances = state.positions[:, None] - state.positions
    mask = joint_mask(
        state.new[None, None],
        None if window is None else distances < window,
        None if value_mask is None else value_mask[:, None, None],
    )
    assert mask is not None
    return mask


def _cached_mask(state: Decoding, cached: jax.Array | None, window: int | None) -> jax.Array:
    """The mask of new and cached positions, bool ``[batch, 1, time, slots]``."""
    assert state.cached is not None
    assert state.distances is not None
    mask = joint_mask(
        state.cached[None, None],
        None if window is None else state.distances < window,
        None if cached is None else cached[:, None, None],
    )
    assert mask is not None
    return mask
