"""Causal self-attention in incremental calls, with a cache of the earlier positions."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

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
    if others or value is None or query.ndim != 3 or value.shape[1] != state.time:
        raise NotIncrementalError(
            "causal attention has an attention_mask, returns its weights, or attends to another "
            "sequence"
        )
    cache = state.cache()
    queries = layer._rotated(layer.query(query), state.position)
    keys = layer._rotated(layer.key(value if key is None else key), state.position)
    keys, values = keys.swapaxes(1, 2), layer.value(value).swapaxes(1, 2)  # [batch, heads, time, .]
    new = Cached(keys, values, _new_mask(state, query_mask, value_mask, layer.sliding_window))
    scale = 1 / math.sqrt(layer.key_dim)
    if cache is None:
        heads = attend_new(queries, new, scale=scale)
    else:
        mask = _cached_mask(state, cache.get("mask"), query_mask, layer.sliding_window)
        old = Cached(cache["key"], cache["value"], mask)
        heads = attend_with_cache(queries, old, new, state.filled, scale=scale)
    masks = {} if value_mask is None else {"mask": value_mask}
    state.record({"key": keys, "value": values} | masks)
    return heads


def _new_mask(
    state: Decoding, query_mask: jax.Array | None, value_mask: jax.Array | None, window: int | None
) -> jax.Array:
    """The mask of pairs of new positions, bool ``[batch, 1, time, time]``."""
    rows, columns = jnp.arange(state.time)[:, None], jnp.arange(state.time)
    real = (columns <= rows) & state.valid
    mask = joint_mask(real, None if window is None else rows - columns < window)
    mask = joint_mask(mask, None if value_mask is None else value_mask[:, None, None])
    return _with_padding(mask, real, query_mask)


def _cached_mask(
    state: Decoding, cached: jax.Array | None, query_mask: jax.Array | None, window: int | None
) -> jax.Array:
    """The mask of new and cached positions, bool ``[batch, 1, time, slots]``."""
    assert state.cached is not None
    real = state.cached[None]
    mask: Any = real
    if window is not None:
        distance = state.filled + jnp.arange(state.time)[:, None] - jnp.arange(real.shape[1])
        mask = joint_mask(mask, distance < window)
    mask = joint_mask(mask, None if cached is None else cached[:, None, None])
    return _with_padding(mask, real, query_mask)


def _with_padding(mask: Any, real: jax.Array, query_mask: jax.Array | None) -> jax.Array:
    """Gives queries at padding equal weights of all positions, as in other calls."""
    if query_mask is not None:
        raise NotIncrementalError("causal attention has a mask of its queries")
    return jnp.broadcast_to(mask, (*(1,) * (4 - mask.ndim), *mask.shape))
