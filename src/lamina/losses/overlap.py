"""Losses of the overlap of regions: Dice and Tversky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import float_pair

__all__ = ["Dice", "Tversky", "dice", "tversky"]

_EPSILON = 1e-7


def dice(
    y_true: ArrayLike, y_pred: ArrayLike, axis: int | Sequence[int] | None = None
) -> jax.Array:
    """Compute one minus the Dice coefficient, in [0, 1].

    ``1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + 1e-7)``

    Args:
        y_true: ``[batch, ...]``, labels of 0 and 1.
        y_pred: ``[batch, ...]``, probabilities of the same shape.
        axis: axis or axes of the sums; None (default) sums over all axes, the batch included.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Dice, Measures of the amount of ecologic association between species, 1945.

    >>> round(dice(jnp.array([1.0, 1.0]), jnp.array([1.0, 0.0])).item(), 4)
    0.3333
    """
    y, p = float_pair(y_true, y_pred)
    both = jnp.sum(y * p, _axes(axis))
    total = jnp.sum(y, _axes(axis)) + jnp.sum(p, _axes(axis))
    return 1.0 - 2.0 * both / (total + _EPSILON)


def tversky(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: int | Sequence[int] | None = None,
) -> jax.Array:
    """Compute one minus the Tversky index, in [0, 1].

    ``1 - TP / (TP + alpha FN + beta FP + 1e-7)``, with ``TP = sum(y_true y_pred)``,
    ``FN = sum(y_true (1 - y_pred))`` and ``FP = sum(y_pred (1 - y_true))``. With alpha and beta of
    0.5 it is :func:`dice`.

    Args:
        y_true: ``[batch, ...]``, labels of 0 and 1.
        y_pred: ``[batch, ...]``, probabilities of the same shape.
        alpha: the weight of false negatives, a non-negative float; 0.5 by default.
        beta: the weight of false positives, a non-negative float; 0.5 by default.
        axis: axis or axes of the sums; None (default) sums over all axes, the batch included.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Salehi et al., Tversky loss function for image segmentation, arXiv 1706.05721.

    >>> round(tversky(jnp.array([1.0, 1.0]), jnp.array([1.0, 0.0]), alpha=1.0).item(), 4)
    0.5
    """
    y, p = float_pair(y_true, y_pred)
    hits = jnp.sum(y * p, _axes(axis))
    false_negatives = jnp.sum(y * (1.0 - p), _axes(axis))
    false_positives = jnp.sum(p * (1.0 - y), _axes(axis))
    return 1.0 - hits / (hits + alpha * false_negatives + beta * false_positives + _EPSILON)


@dataclass(eq=False)
class Dice(BuiltIn):
    """One minus the Dice coefficient, in [0, 1].

    ``1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + 1e-7)``, see :func:`dice`.

    Labels of 0 and 1 and predicted probabilities are ``[batch, ...]``.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        axis: axis or axes of the sums; None (default) sums over all axes, the batch included.
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    Source: Dice, Measures of the amount of ecologic association between species, 1945.

    >>> round(Dice()(jnp.array([1.0, 1.0]), jnp.array([1.0, 0.0])).item(), 4)
    0.3333
    """

    function = staticmethod(dice)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    axis: int | Sequence[int] | None = None
    dtype: Any = None


@dataclass(eq=False)
class Tversky(BuiltIn):
    """One minus the Tversky index, in [0, 1]: ``1 - TP / (TP + alpha FN + beta FP + 1e-7)``.

    Labels of 0 and 1 and predicted probabilities are ``[batch, ...]``; see :func:`tversky`.

    Args:
        alpha: the weight of false negatives, a non-negative float; 0.5 by default.
        beta: the weight of false positives, a non-negative float; 0.5 by default.
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        axis: axis or axes of the sums; None (default) sums over all axes, the batch included.
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    Source: Salehi et al., Tversky loss function for image segmentation, arXiv 1706.05721.

    >>> round(Tversky(alpha=1.0)(jnp.array([1.0, 1.0]), jnp.array([1.0, 0.0])).item(), 4)
    0.5
    """

    function = staticmethod(tversky)
    alpha: float = 0.5
    beta: float = 0.5
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    axis: int | Sequence[int] | None = None
    dtype: Any = None


def _axes(axis: int | Sequence[int] | None) -> int | tuple[int, ...] | None:
    return tuple(axis) if isinstance(axis, Sequence) else axis
