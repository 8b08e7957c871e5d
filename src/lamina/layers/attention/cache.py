"""The cache of keys and values for attention one step at a time."""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from lamina.core.base.jax_internals import is_traced
from lamina.core.tree.node import Tracked
from lamina.layers.bases.checks import check_shape
from lamina.layers.bases.errors import refusal
from lamina.ops.attention import write_rows

__all__ = ["Cache", "check_cache", "empty_cache", "extended", "filled_mask"]

Cache: TypeAlias = dict[str, jax.Array]
"""``key [batch, room, heads, key_dim]``, ``value [batch, room, heads, value_dim]`` and
``length []``, the number of positions that are filled, from the first one on."""


def empty_cache(
    batch: int, room: int, key: tuple[int, ...], value: tuple[int, ...], dtype: Any
) -> Cache:
    """Returns a cache of length 0.

    Args:
        batch: the size of the batch.
        room: the number of positions that it can hold.
        key: the shape of a key, ``(heads, key_dim)``.
        value: the shape of a value, ``(heads, value_dim)``.
        dtype: the dtype of keys and values.
    """
    return {
        "key": jnp.zeros((batch, room, *key), dtype),
        "value": jnp.zeros((batch, room, *value), dtype),
        "length": jnp.zeros((), jnp.int32),
    }


def check_cache(
    layer: Tracked,
    cache: Any,
    query: jax.Array,
    rows: jax.Array | None,
    key: tuple[int, ...],
    value: tuple[int, ...],
) -> None:
    """Refuses a cache that does not fit the layer, or has no room for the new positions.

    The length is only checked outside of traced calls. In a traced call that exceeds the room,
    the outputs are NaN.

    Args:
        layer: the layer that is called.
        cache: the cache.
        query: ``[batch, target, features]``.
        rows: the new values, ``[batch, time, channels]``, or None.
        key: the shape of a key, ``(heads, key_dim)``.
        value: the shape of a value, ``(heads, value_dim)``.

    Raises:
        InputError: it is not a cache, its shapes do not fit, or it is too short.
    """
    names: set[str] = set(getattr(cache, "keys", tuple)())
    if names != {"key", "value", "length"}:
        raise refusal(
            layer,
            "got an invalid cache",
            expected="a dict of 'key', 'value' and 'length'",
            received=f"a {type(cache).__name__} of {sorted(names)}",
            remedy="Start with make_cache(batch, room), and pass the cache that each call returns.",
        )
    room = cache["key"].shape[1]
    for name, sizes in (("key", key), ("value", value)):
        axes = "batch, room, heads, size"
        shape = (query.shape[0], room, *sizes)
        check_shape(layer, f"a cache's {name}", cache[name], shape, axes)
    time = 0 if rows is None else rows.shape[1]
    filled = 0 if is_traced(cache["length"]) else int(cache["length"])
    if filled + time > room:
        raise refusal(
            layer,
            "got a cache that is too short",
            expected=f"room for {filled + time} positions",
            received=f"room for {room}, of which {filled} are filled",
            remedy="Call make_cache with the length of the whole sequence.",
        )


def extended(cache: Cache, key: jax.Array, value: jax.Array) -> Cache:
    """Returns the cache with the keys and values appended."""
    start = cache["length"]
    return {
        "key": write_rows(cache["key"], key, start),
        "value": write_rows(cache["value"], value, start),
        "length": start + key.shape[1],
    }


def filled_mask(cache: Cache | None) -> jax.Array | None:
    """Returns the mask of the filled positions, bool ``[room]``; None without a cache."""
    return None if cache is None else jnp.arange(cache["key"].shape[1]) < cache["length"]
