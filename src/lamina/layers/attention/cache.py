"""What attention step by step keeps of the steps before: keys, values, and how many there are."""

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
``length []``, how many places from the first on are filled."""


def empty_cache(
    batch: int, room: int, key: tuple[int, ...], value: tuple[int, ...], dtype: Any
) -> Cache:
    """A cache with nothing in it, for keys and values of these sizes after their place."""
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
    """Let only caches pass that a layer can use, with room for some rows more.

    How many are filled is known where the call is not traced; elsewhere, what finds no room
    turns the outputs into NaN.

    Raises:
        InputError: it is no cache, or that of another layer or batch, or too short.
    """
    held: set[str] = set(getattr(cache, "keys", tuple)())
    if held != {"key", "value", "length"}:
        raise refusal(
            layer,
            "got a cache that it cannot use",
            expected="a dict of 'key', 'value' and 'length'",
            received=f"a {type(cache).__name__} of {sorted(held)}",
            remedy="Begin with make_cache(batch, room), and hand on what each call returns.",
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
            expected=f"room for {filled + time} places",
            received=f"room for {room}, of which {filled} are filled",
            remedy="Give make_cache the length of the whole sequence.",
        )


def extended(cache: Cache, key: jax.Array, value: jax.Array) -> Cache:
    """The cache with keys and values written behind those that it holds."""
    start = cache["length"]
    return {
        "key": write_rows(cache["key"], key, start),
        "value": write_rows(cache["value"], value, start),
        "length": start + key.shape[1],
    }


def filled_mask(cache: Cache | None) -> jax.Array | None:
    """The places of a cache that are filled: bool, ``[room]``; None, all of them, without one."""
    return None if cache is None else jnp.arange(cache["key"].shape[1]) < cache["length"]
