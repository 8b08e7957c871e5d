"""Encoding of category indices as vectors, and bins of numbers."""

from __future__ import annotations

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
    hot = jax.nn.one_hot(indices, depth, dtype=dtype)
    if mode == "multi_hot":
        return hot.max(-2, initial=0)
    if weights is not None:
        hot = hot * jnp.atleast_1d(weights)[..., None].astype(dtype)
    return hot.sum(-2, dtype=dtype)


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
