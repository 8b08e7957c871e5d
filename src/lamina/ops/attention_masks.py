"""Masks of attention: which places of a source each place of a target may see, on many axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast

__all__ = [
    "causal_mask",
    "distance_mask",
    "fold_axes",
    "fold_mask",
    "fold_places",
    "joint_mask",
    "unfold_axes",
    "unfold_weights",
    "window_mask",
]


def causal_mask(target: int, source: int, start: int | Operand = 0) -> jax.Array:
    """Places up to one's own: ``m_ts = s <= start + t``, bool, ``[target, source]``.

    Args:
        target: how many places look.
        source: how many there are to see.
        start: the place among the source's of the target's first.

    >>> causal_mask(2, 3).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0]]
    """
    return _distance(target, source, start) >= 0


def window_mask(target: int, source: int, window: int, start: int | Operand = 0) -> jax.Array:
    """Places nearer than a window: ``m_ts = |start + t - s| < window``.

    Args:
        target, source, start: as for :func:`causal_mask`.
        window: how far one sees to each side, one's own place counted.

    >>> window_mask(3, 3, 2).astype(int).tolist()
    [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """
    return lax.abs(_distance(target, source, start)) < window


def distance_mask(
    target: int, source: int, start: int | Operand, window: int | None, causal: bool
) -> jax.Array | None:
    """What :func:`window_mask` and :func:`causal_mask` both keep, where they are asked for.

    >>> distance_mask(3, 3, 0, 2, True).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    near = None if window is None else window_mask(target, source, window, start)
    return joint_mask(near, causal_mask(target, source, start) if causal else None)


def _distance(target: int, source: int, start: int | Operand) -> jax.Array:
    rows = lax.broadcasted_iota(jnp.int32, (target, source), 0)
    columns = lax.broadcasted_iota(jnp.int32, (target, source), 1)
    first = start if isinstance(start, int) else cast(start, jnp.int32)
    return rows + first - columns


def joint_mask(*masks: jax.Array | None) -> jax.Array | None:
    """What all masks keep, broadcast against each other; None keeps everything.

    >>> joint_mask(None, jnp.array([True, False]), jnp.array([[True], [False]])).tolist()
    [[True, False], [False, False]]
    """
    kept = None
    for mask in masks:
        if mask is not None:
            kept = mask if kept is None else lax.bitwise_and(*jnp.broadcast_arrays(kept, mask))
    return kept


def fold_axes(x: jax.Array, axes: Sequence[int]) -> jax.Array:
    """Fold the axes that attention goes over into one, and those it does not into another.

    Args:
        x: ``[..., heads, size]``.
        axes: those that attention goes over, among the leading ones.

    Returns:
        ``[batch, time, heads, size]``, time in the order of ``axes``, the last fastest.

    >>> fold_axes(jnp.zeros((2, 3, 5, 1, 4)), (2,)).shape
    (6, 5, 1, 4)
    """
    kept = tuple(axis for axis in range(x.ndim - 2) if axis not in axes)
    batch = math.prod(x.shape[axis] for axis in kept)
    time = math.prod(x.shape[axis] for axis in axes)
    moved = lax.transpose(x, (*kept, *axes, x.ndim - 2, x.ndim - 1))
    return lax.reshape(moved, (batch, time, *x.shape[-2:]))


def unfold_axes(x: jax.Array, axes: Sequence[int], leading: Sequence[int]) -> jax.Array:
    """What :func:`fold_axes` folded, as it was.

    Args:
        x: ``[batch, time, heads, size]``.
        axes: those that attention goes over.
        leading: the sizes of the leading axes.

    Returns:
        ``[..., heads, size]``.

    >>> unfold_axes(jnp.zeros((6, 5, 1, 4)), (2,), (2, 3, 5)).shape
    (2, 3, 5, 1, 4)
    """
    kept = tuple(axis for axis in range(len(leading)) if axis not in axes)
    order = (*kept, *axes)
    parted = lax.reshape(x, (*[leading[axis] for axis in order], *x.shape[-2:]))
    back = tuple(order.index(axis) for axis in range(len(leading)))
    return lax.transpose(parted, (*back, len(leading), len(leading) + 1))


def unfold_weights(
    weights: jax.Array, axes: Sequence[int], target: Sequence[int], source: Sequence[int]
) -> jax.Array:
    """The weights of folded arrays, on the axes that were folded.

    Args:
        weights: ``[batch, heads, time of the target, time of the source]``.
        axes: those that attention goes over.
        target, source: the sizes of the leading axes of query and key.

    Returns:
        ``[*kept, heads, *target axes, *source axes]``, kept those it does not go over.

    >>> unfold_weights(jnp.zeros((6, 1, 5, 7)), (2,), (2, 3, 5), (2, 3, 7)).shape
    (2, 3, 1, 5, 7)
    """
    kept = [size for axis, size in enumerate(target) if axis not in axes]
    pairs = [target[axis] for axis in axes] + [source[axis] for axis in axes]
    return lax.reshape(weights, (*kept, weights.shape[1], *pairs))


def fold_places(
    mask: Operand, axes: Sequence[int], *, of: Literal["target", "source"]
) -> jax.Array:
    """A mask of places, folded as :func:`fold_axes` folds them, for the scores of heads.

    Args:
        mask: ``[...]``, the leading axes of a query or a key.
        axes: those that attention goes over.
        of: whose places they are.

    Returns:
        bool, ``[batch, 1, time, 1]`` of a target or ``[batch, 1, 1, time]`` of a source.

    >>> fold_places(jnp.ones((2, 5)), (1,), of="source").shape
    (2, 1, 1, 5)
    """
    rank = len(mask.shape)
    folded = fold_axes(lax.expand_dims(cast(mask, bool), (rank, rank + 1)), axes)
    return jnp.moveaxis(folded, 1, 2 if of == "target" else 3)


def fold_mask(
    mask: Operand, kept: Sequence[int], target: Sequence[int], source: Sequence[int]
) -> jax.Array:
    """A mask for scores of many axes as one for folded arrays.

    Args:
        mask: broadcasts against ``[*kept, heads, *target, *source]``; of axes that it lacks,
            the ones just before the target's are taken to be missing.
        kept: the sizes of the axes that attention does not go over.
        target: those that it goes over, of the query.
        source: the same of the key.

    Returns:
        bool, ``[batch or 1, heads or 1, prod(target), prod(source)]``.

    >>> fold_mask(jnp.ones((2, 5, 7)), (2,), (5,), (7,)).shape
    (2, 1, 5, 7)
    """
    full = cast(mask, bool)
    places = len(target) + len(source)
    missing = len(kept) + 1 + places - full.ndim
    at = full.ndim - places
    full = lax.expand_dims(full, tuple(range(at, at + missing)))
    leading, heads = full.shape[: len(kept)], full.shape[len(kept)]
    leading = (1,) * len(kept) if math.prod(leading) == 1 else tuple(kept)
    full = jnp.broadcast_to(full, (*leading, heads, *target, *source))
    return lax.reshape(full, (math.prod(leading), heads, math.prod(target), math.prod(source)))
