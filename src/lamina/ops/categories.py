"""Encoding of category indices as vectors, and bins of numbers."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["MODES", "digitize", "encode"]

MODES = ("one_hot", "multi_hot", "count")
"""How :func:`encode` can encode indices."""


def encode(
    indices: jax.Array,
    mode: str,
    depth: int,
    dtype: Any,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Encode category indices as vectors with one element for each category.

    ``"one_hot"`` encodes each index, ``[...] -> [..., depth]``; a last axis of size 1 is replaced,
    ``[batch, ..., 1] -> [batch, ..., depth]``. ``"multi_hot"`` and ``"count"`` encode all indices
    of a sample, ``[..., sample] -> [..., depth]``: whether each category occurs, or how often. A
    single index is a sample of one index. Indices outside of [0, depth) are left out.

    Args:
        indices: array of integers.
        mode: one of :data:`MODES`.
        depth: positive integer, the number of categories.
        dtype: dtype of the result.
        weights: array of the shape of `indices`, what each index adds to its count; None (default)
            for 1.

    Returns:
        Array of `dtype`.

    >>> encode(jnp.array([[0, 2, 2]]), "count", 3, "float32").tolist()
    [[1.0, 0.0, 2.0]]
    """
    indices = jnp.atleast_1d(indices)
    if mode == "one_hot":
        single = indices.ndim > 1 and indices.shape[-1] == 1
        return jax.nn.one_hot(indices[..., 0] if single else indices, depth, dtype=dtype)
    added = jnp.ones((), dtype) if weights is None else jnp.atleast_1d(weights).astype(dtype)
    rows = indices.reshape(math.prod(indices.shape[:-1]), indices.shape[-1])
    places = jnp.where((rows < 0) | (rows >= depth), depth, rows)  # of which the last is dropped
    empty = jnp.zeros((len(rows), depth), dtype).at[jnp.arange(len(rows))[:, None], places]
    if mode == "multi_hot":
        made = empty.max(jnp.ones((), dtype), mode="drop")
    else:
        made = empty.add(jnp.broadcast_to(added, indices.shape).reshape(rows.shape), mode="drop")
    return made.reshape(*indices.shape[:-1], depth)


def digitize(values: jax.Array, boundaries: Any) -> jax.Array:
    """Find the bin of each value: the number of boundaries that are at most the value.

    Args:
        values: array of numbers ``[...]``.
        boundaries: ascending numbers ``[bins - 1]``.

    Returns:
        int32 array ``[...]``, in [0, bins).

    >>> digitize(jnp.array([-1.0, 0.0, 5.0]), [0.0, 1.0]).tolist()
    [0, 1, 2]
    """
    dtype = jnp.promote_types(values.dtype, jnp.float32)
    edges = jnp.asarray(boundaries, dtype)
    return jnp.searchsorted(edges, values.astype(dtype), side="right").astype(jnp.int32)
