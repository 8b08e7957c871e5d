"""Attention masks, and the folding of several attention axes into one."""

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
    "visible_queries",
    "window_mask",
]


def causal_mask(target: int, source: int, start: int | Operand = 0) -> jax.Array:
    """Returns the causal mask ``m_ts = s <= start + t``, bool ``[target, source]``.

    Args:
        target: number of queries.
        source: number of keys.
        start: position of the first query among the keys, an integer; 0 by default.

    >>> causal_mask(2, 3).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0]]
    """
    return _distance(target, source, start) >= 0


def window_mask(target: int, source: int, window: int, start: int | Operand = 0) -> jax.Array:
    """Returns the sliding-window mask ``m_ts = |start + t - s| < window``, ``[target, source]``.

    Args:
        target: number of queries.
        source: number of keys.
        window: number of positions visible to each side, including the position itself.
        start: position of the first query among the keys, an integer; 0 by default.

    >>> window_mask(3, 3, 2).astype(int).tolist()
    [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """
    return lax.abs(_distance(target, source, start)) < window


def distance_mask(
    target: int, source: int, start: int | Operand, window: int | None, causal: bool
) -> jax.Array | None:
    """Returns the conjunction of :func:`window_mask` and :func:`causal_mask`, or None for neither.

    >>> distance_mask(3, 3, 0, 2, True).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    in_window = None if window is None else window_mask(target, source, window, start)
    return joint_mask(in_window, causal_mask(target, source, start) if causal else None)


def _distance(target: int, source: int, start: int | Operand) -> jax.Array:
    rows = lax.broadcasted_iota(jnp.int32, (target, source), 0)
    columns = lax.broadcasted_iota(jnp.int32, (target, source), 1)
    first = start if isinstance(start, int) else cast(start, jnp.int32)
    return rows + first - columns


def joint_mask(*masks: jax.Array | None) -> jax.Array | None:
    """Returns the conjunction of masks, broadcast against each other; None is no mask.

    >>> joint_mask(None, jnp.array([True, False]), jnp.array([[True], [False]])).tolist()
    [[True, False], [False, False]]
    """
    joint = None
    for mask in masks:
        if mask is not None:
            joint = mask if joint is None else lax.bitwise_and(*jnp.broadcast_arrays(joint, mask))
    return joint


def visible_queries(mask: jax.Array) -> jax.Array:
    """Returns whether a mask of pairs of positions lets each query attend to any.

    Args:
        mask: bool, broadcast against ``[batch, heads, target, source]``.

    Returns:
        bool, broadcast against ``[batch, heads, target, 1]``, with four axes.

    >>> visible_queries(jnp.array([[True, False], [False, False]]))[0, 0, :, 0].tolist()
    [True, False]
    """
    visible = jnp.any(mask, -1, keepdims=True)
    return lax.expand_dims(visible, tuple(range(4 - visible.ndim)))


def fold_axes(x: jax.Array, axes: Sequence[int]) -> jax.Array:
    """Folds the attention axes into one, and the other leading axes into another.

    Args:
        x: ``[..., heads, size]``.
        axes: the attention axes, among the leading ones.

    Returns:
        ``[batch, time, heads, size]``, time in the order of ``axes``, the last varying fastest.

    >>> fold_axes(jnp.zeros((2, 3, 5, 1, 4)), (2,)).shape
    (6, 5, 1, 4)
    """
    kept = tuple(axis for axis in range(x.ndim - 2) if axis not in axes)
    batch = math.prod(x.shape[axis] for axis in kept)
    time = math.prod(x.shape[axis] for axis in axes)
    moved = lax.transpose(x, (*kept, *axes, x.ndim - 2, x.ndim - 1))
    return lax.reshape(moved, (batch, time, *x.shape[-2:]))


def unfold_axes(x: jax.Array, axes: Sequence[int], leading: Sequence[int]) -> jax.Array:
    """Reverses :func:`fold_axes`.

    Args:
        x: ``[batch, time, heads, size]``.
        axes: the attention axes.
        leading: sizes of the leading axes.

    Returns:
        ``[..., heads, size]``.

    >>> unfold_axes(jnp.zeros((6, 5, 1, 4)), (2,), (2, 3, 5)).shape
    (2, 3, 5, 1, 4)
    """
    kept = tuple(axis for axis in range(len(leading)) if axis not in axes)
    order = (*kept, *axes)
    unfolded = lax.reshape(x, (*[leading[axis] for axis in order], *x.shape[-2:]))
    inverse = tuple(order.index(axis) for axis in range(len(leading)))
    return lax.transpose(unfolded, (*inverse, len(leading), len(leading) + 1))


def unfold_weights(
    weights: jax.Array, axes: Sequence[int], target: Sequence[int], source: Sequence[int]
) -> jax.Array:
    """Reverses the folding of axes for attention weights.

    Args:
        weights: ``[batch, heads, target time, source time]``.
        axes: the attention axes.
        target: sizes of the query's leading axes.
        source: sizes of the key's leading axes.

    Returns:
        ``[*batch axes, heads, *target axes, *source axes]``.

    >>> unfold_weights(jnp.zeros((6, 1, 5, 7)), (2,), (2, 3, 5), (2, 3, 7)).shape
    (2, 3, 1, 5, 7)
    """
    kept = [size for axis, size in enumerate(target) if axis not in axes]
    pairs = [target[axis] for axis in axes] + [source[axis] for axis in axes]
    return lax.reshape(weights, (*kept, weights.shape[1], *pairs))


def fold_places(
    mask: Operand, axes: Sequence[int], *, of: Literal["target", "source"]
) -> jax.Array:
    """Folds a padding mask as :func:`fold_axes` folds arrays, for the scores of heads.

    Args:
        mask: ``[...]``, of the shape of the leading axes of a query or a key.
        axes: the attention axes.
        of: ``"target"`` for a query, ``"source"`` for a key.

    Returns:
        bool ``[batch, 1, time, 1]`` for a target, ``[batch, 1, 1, time]`` for a source.

    >>> fold_places(jnp.ones((2, 5)), (1,), of="source").shape
    (2, 1, 1, 5)
    """
    rank = len(mask.shape)
    folded = fold_axes(lax.expand_dims(cast(mask, bool), (rank, rank + 1)), axes)
    return jnp.moveaxis(folded, 1, 2 if of == "target" else 3)


def fold_mask(
    mask: Operand, kept: Sequence[int], target: Sequence[int], source: Sequence[int]
) -> jax.Array:
    """Folds a mask of pairs of positions on several axes.

    Args:
        mask: broadcast against ``[*kept, heads, *target, *source]``. If it has fewer axes, the
            ones just before the target's are missing.
        kept: sizes of the leading axes that are not attention axes.
        target: sizes of the query's attention axes.
        source: sizes of the key's attention axes.

    Returns:
        bool ``[batch or 1, heads or 1, prod(target), prod(source)]``.

    >>> fold_mask(jnp.ones((2, 5, 7)), (2,), (5,), (7,)).shape
    (2, 1, 5, 7)
    """
    full = cast(mask, bool)
    positions = len(target) + len(source)
    missing = len(kept) + 1 + positions - full.ndim
    at = full.ndim - positions
    full = lax.expand_dims(full, tuple(range(at, at + missing)))
    leading, heads = full.shape[: len(kept)], full.shape[len(kept)]
    leading = (1,) * len(kept) if math.prod(leading) == 1 else tuple(kept)
    full = jnp.broadcast_to(full, (*leading, heads, *target, *source))
    return lax.reshape(full, (math.prod(leading), heads, math.prod(target), math.prod(source)))
