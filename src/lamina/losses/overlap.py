"""Losses of regions and of sets: how much labels and predictions overlap, who is near whom."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.functions import pair
from lamina.narrowing import array_of
from lamina.ops.arrays import as_ids

__all__ = ["circle", "dice", "tversky"]

_EPSILON = 1e-7

Axes = int | Sequence[int] | None


def dice(y_true: ArrayLike, y_pred: ArrayLike, axis: Axes = None) -> jax.Array:
    """``1 - 2 sum(y p) / (sum(y) + sum(p))``: one minus the Dice coefficient (Dice, 1945).

    Args:
        y_true: of 0 and 1.
        y_pred: probabilities.
        axis: what the sums go over; all, the batch too, if None.

    >>> round(dice(jnp.array([1.0, 1.0]), jnp.array([1.0, 0.0])).item(), 4)
    0.3333
    """
    y, p = pair(y_true, y_pred)
    both, all_of = jnp.sum(y * p, _axes(axis)), jnp.sum(y, _axes(axis)) + jnp.sum(p, _axes(axis))
    return 1.0 - 2.0 * both / (all_of + _EPSILON)


def tversky(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: Axes = None,
) -> jax.Array:
    """``1 - TP / (TP + alpha sum(y (1 - p)) + beta sum(p (1 - y)))``, with ``TP = sum(y p)``.

    Half and half it is :func:`dice`. The arguments are as there.

    Source: Salehi et al., arXiv 1706.05721.
    """
    y, p = pair(y_true, y_pred)
    both = jnp.sum(y * p, _axes(axis))
    missed = jnp.sum(y * (1.0 - p), _axes(axis))
    added = jnp.sum(p * (1.0 - y), _axes(axis))
    return 1.0 - both / (both + alpha * missed + beta * added + _EPSILON)


def circle(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    ref_labels: ArrayLike | None = None,
    ref_embeddings: ArrayLike | None = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
) -> jax.Array:
    """``softplus(lse(positives) + lse(negatives))``: draws those of one label together.

    With the distance ``d = 1 - a.b`` of two embeddings, a positive adds
    ``-gamma max(margin + d, 0) (margin - d)`` and a negative
    ``gamma max(1 + margin - d, 0) (1 - margin - d)``.

    Args:
        y_true: [batch] whole numbers, what the embeddings are of.
        y_pred: [batch, units] embeddings of length one.
        ref_labels: [others] of other embeddings to compare with; the batch itself if None.
        ref_embeddings: [others, units].
        remove_diagonal: an embedding is not compared with itself.

    Source: Sun et al., arXiv 2002.10857.
    """
    p = array_of(y_pred)
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    labels = as_ids(y_true).reshape(-1)
    others = p if ref_embeddings is None else array_of(ref_embeddings).astype(p.dtype)
    known = labels if ref_labels is None else as_ids(ref_labels).reshape(-1)
    distance = jnp.maximum(1.0 - p @ others.T, 0.0)
    alike = labels[:, None] == known[None, :]
    positive = alike & ~jnp.eye(*alike.shape, dtype=bool) if remove_diagonal else alike
    near = -gamma * jnp.maximum(margin + distance, 0.0) * (margin - distance)
    far = gamma * jnp.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    return jax.nn.softplus(_lse(near, positive) + _lse(far, ~alike))


def _lse(values: jax.Array, where: jax.Array) -> jax.Array:
    """``log sum exp`` of those that count; minus infinity, with no slope, if none does."""
    none = ~where.any(1)
    found = jax.nn.logsumexp(values, axis=1, where=where | none[:, None])
    return jnp.where(none, -jnp.inf, found)


def _axes(axis: Axes) -> int | tuple[int, ...] | None:
    return tuple(axis) if isinstance(axis, Sequence) else axis
