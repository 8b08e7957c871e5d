"""Attention of new positions to a cache of earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["Cached", "attend_new", "attend_with_cache"]

_SMALLEST = 128  # number of slots below which attention reads the whole cache


class Cached(NamedTuple):
    """Keys and values of positions, and the mask of the queries that attend to them.

    Attributes:
        key: ``[batch, groups, slots, size]``.
        value: ``[batch, groups, slots, value_size]``.
        mask: bool, broadcast against ``[batch, heads, target, slots]``.
    """

    key: jax.Array
    value: jax.Array
    mask: jax.Array


def attend_new(query: jax.Array, new: Cached, *, scale: float) -> jax.Array:
    """Returns the attention of the first positions of a sequence, which has no cache yet.

    Args:
        query: ``[batch, target, heads, size]``.
        new: the keys and values of these positions.
        scale: factor of the dot products.

    Returns:
        ``[batch, target, heads, value_size]``; 0 for a query that may attend to no position.

    >>> x = jnp.ones((1, 1, 3, 4))
    >>> mask = jnp.tril(jnp.ones((3, 3), bool))
    >>> attend_new(x.swapaxes(1, 2), Cached(x, x, mask), scale=1.0).shape
    (1, 3, 1, 4)
    """
    return _attend(query, (new,), scale)


def attend_with_cache(
    query: jax.Array, cached: Cached, new: Cached, filled: jax.Array | int, *, scale: float
) -> jax.Array:
    """Returns the attention of new positions to a cache and to themselves.

    Args:
        query: ``[batch, target, heads, size]``.
        cached: the cache.
        new: the keys and values of the new positions, which the cache does not hold.
        filled: number of slots of the cache from the first on that the mask may allow. A long cache
            is only read as far as the next power of two.
        scale: factor of the dot products.

    Returns:
        ``[batch, target, heads, value_size]``; 0 for a query that may attend to no position.

    >>> x = jnp.ones((1, 1, 1, 4))
    >>> cached = Cached(*[jnp.zeros((1, 1, 3, 4))] * 2, jnp.array([True, False, False]))
    >>> new = Cached(x, x, jnp.ones((1,), bool))
    >>> attend_with_cache(x, cached, new, 1, scale=0.0).tolist()
    [[[[0.5, 0.5, 0.5, 0.5]]]]
    """
    slots = cached.key.shape[2]
    sizes = [size for size in _powers(slots) if size < slots]

    def of_first(size: int) -> Callable[[], jax.Array]:
        first = Cached(cached.key[:, :, :size], cached.value[:, :, :size], cached.mask[..., :size])
        return lambda: _attend(query, (first, new), scale)

    if not sizes:
        return of_first(slots)()
    index = jnp.searchsorted(jnp.asarray(sizes), filled)
    return cast(Any, lax).switch(index, [of_first(size) for size in (*sizes, slots)])


def _powers(slots: int) -> list[int]:
    size, found = _SMALLEST, list[int]()
    while size < slots:
        found.append(size)
        size *= 2
    return found


def _attend(query: jax.Array, parts: tuple[Cached, ...], scale: float) -> jax.Array:
    """The attention to the positions of all parts together."""
    batch, target, heads, size = query.shape
    groups = parts[0].key.shape[1]
    rows = lax.transpose(query, (0, 2, 1, 3))  # the heads of a group are rows of one product
    rows = rows.reshape(batch, groups, heads // groups * target, size)
    wide = jnp.promote_types(query.dtype, jnp.float32)
    scores: list[jax.Array] = []
    for part in parts:
        dims = (((3,), (3,)), ((0, 1), (0, 1)))
        products = lax.dot_general(rows, part.key, dims, preferred_element_type=wide)
        products = (products * scale).reshape(batch, heads, target, part.key.shape[2])
        scores.append(jnp.where(part.mask, products, -jnp.inf))
    lowest = float(jnp.finfo(wide).min)  # pyright: ignore[reportUnknownArgumentType]
    highest = jnp.maximum(_max(scores), lowest)  # finite if all are masked
    weights = [jnp.exp(each - highest) for each in scores]
    total = sum(each.sum(-1, keepdims=True) for each in weights)
    means = sum(
        lax.dot_general(
            each.reshape(batch, groups, -1, each.shape[-1]).astype(part.value.dtype),
            part.value, (((3,), (2,)), ((0, 1), (0, 1))),
        ).astype(wide)
        for each, part in zip(weights, parts, strict=True)
    )  # fmt: skip
    means = jnp.asarray(means).reshape(batch, heads, target, -1) / jnp.where(total > 0, total, 1)
    return lax.transpose(means.astype(query.dtype), (0, 2, 1, 3))


def _max(scores: list[jax.Array]) -> jax.Array:
    highest = scores[0].max(-1, keepdims=True)
    for each in scores[1:]:
        highest = jnp.maximum(highest, each.max(-1, keepdims=True))
    return highest
