"""Hinge losses: zero once the score of the right class leads by a margin of 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import float_pair, last_mean

__all__ = [
    "CategoricalHinge",
    "Hinge",
    "SquaredHinge",
    "categorical_hinge",
    "hinge",
    "squared_hinge",
]


def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the hinge loss over the last axis: ``mean(max(1 - y_true y_pred, 0))``.

    Args:
        y_true: ``[..., outputs]``, labels of -1 and 1. Labels of 0 and 1 alone are read as -1
            and 1.
        y_pred: ``[..., outputs]``, scores of any size.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> hinge(jnp.array([[1.0, -1.0]]), jnp.array([[2.0, 0.5]])).tolist()
    [0.75]
    """
    y, p = float_pair(y_true, y_pred)
    return last_mean(jax.nn.relu(1.0 - _signs(y) * p))


def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the squared hinge loss over the last axis: ``mean(max(1 - y_true y_pred, 0)^2)``.

    Args:
        y_true: ``[..., outputs]``, labels of -1 and 1. Labels of 0 and 1 alone are read as -1
            and 1.
        y_pred: ``[..., outputs]``, scores of any size.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> squared_hinge(jnp.array([[1.0, -1.0]]), jnp.array([[2.0, 0.5]])).tolist()
    [1.125]
    """
    y, p = float_pair(y_true, y_pred)
    return last_mean(jnp.square(jax.nn.relu(1.0 - _signs(y) * p)))


def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the hinge loss of the right class against the best of the others.

    ``max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0)`` over the last axis.

    Args:
        y_true: ``[..., classes]``, one-hot labels.
        y_pred: ``[..., classes]``, scores.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> categorical_hinge(jnp.array([[0.0, 1.0]]), jnp.array([[0.5, 0.75]])).tolist()
    [0.75]
    """
    y, p = float_pair(y_true, y_pred)
    return jax.nn.relu(1.0 + jnp.max((1.0 - y) * p, axis=-1) - jnp.sum(y * p, axis=-1))


@dataclass(eq=False)
class Hinge(BuiltIn):
    """The mean hinge loss: ``mean(max(1 - y_true y_pred, 0))``.

    Labels are -1 and 1 (or 0 and 1) and predictions scores, both ``[batch, ..., outputs]``. The
    mean over the outputs is :func:`hinge`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> Hinge()(jnp.array([[1.0, -1.0]]), jnp.array([[2.0, 0.5]])).item()
    0.75
    """

    function = staticmethod(hinge)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class SquaredHinge(BuiltIn):
    """The mean squared hinge loss: ``mean(max(1 - y_true y_pred, 0)^2)``.

    Labels are -1 and 1 (or 0 and 1) and predictions scores, both ``[batch, ..., outputs]``. The
    mean over the outputs is :func:`squared_hinge`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> SquaredHinge()(jnp.array([[1.0, -1.0]]), jnp.array([[2.0, 0.5]])).item()
    1.125
    """

    function = staticmethod(squared_hinge)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class CategoricalHinge(BuiltIn):
    """The hinge loss of the right class against the best of the others.

    ``max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0)``

    Labels are one-hot and predictions scores, both ``[batch, ..., classes]``. The value of each
    example is :func:`categorical_hinge`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> CategoricalHinge()(jnp.array([[0.0, 1.0]]), jnp.array([[0.5, 0.75]])).item()
    0.75
    """

    function = staticmethod(categorical_hinge)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


def _signs(y: jax.Array) -> jax.Array:
    """Labels as -1 and 1, where all of them are 0 or 1."""
    binary = jnp.all((y == 0) | (y == 1))
    return jnp.where(binary, 2.0 * y - 1.0, y)
