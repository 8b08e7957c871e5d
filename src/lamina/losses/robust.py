"""Losses that grow linearly for large errors, so that outliers have bounded gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import float_pair, last_mean

__all__ = ["Huber", "LogCosh", "huber", "log_cosh"]


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> jax.Array:
    """Compute the Huber loss: quadratic for small errors, linear for large ones.

    With the error ``e = |y_true - y_pred|``, the mean over the last axis of ``e^2 / 2`` where
    ``e <= delta`` and ``delta e - delta^2 / 2`` elsewhere.

    Args:
        y_true: ``[..., outputs]``, labels.
        y_pred: ``[..., outputs]``, predictions of the same shape.
        delta: a positive float, the error at which the loss becomes linear, in the unit of
            ``y_true``; 1.0 by default.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> huber(jnp.array([[0.0], [0.0]]), jnp.array([[1.0], [3.0]])).tolist()
    [0.5, 2.5]
    """
    y, p = float_pair(y_true, y_pred)
    error = jnp.abs(y - p)
    linear = delta * error - 0.5 * delta * delta
    return last_mean(jnp.where(error <= delta, 0.5 * jnp.square(error), linear))


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the mean over the last axis of ``log(cosh(y_pred - y_true))``.

    It is close to half the squared error for small errors, and to the absolute error minus
    ``log(2)`` for large ones.

    Args:
        y_true: ``[..., outputs]``, labels.
        y_pred: ``[..., outputs]``, predictions of the same shape.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> f"{log_cosh(jnp.array([0.0]), jnp.array([1.0])):.4f}"
    '0.4338'
    """
    y, p = float_pair(y_true, y_pred)
    error = p - y
    return last_mean(error + jax.nn.softplus(-2.0 * error) - jnp.log(jnp.asarray(2.0, p.dtype)))


@dataclass(eq=False)
class Huber(BuiltIn):
    """The Huber loss: quadratic for small errors, linear for large ones.

    With the error ``e = |y_true - y_pred|``: ``e^2 / 2`` where ``e <= delta``, and
    ``delta e - delta^2 / 2`` elsewhere.

    Labels and predictions are ``[batch, ..., outputs]``. The mean over the outputs is
    :func:`huber`.

    Args:
        delta: a positive float, the error at which the loss becomes linear, in the unit of
            the labels; 1.0 by default.
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> Huber(delta=1.0)(jnp.array([[0.0], [0.0]]), jnp.array([[1.0], [3.0]])).item()
    1.5
    """

    function = staticmethod(huber)
    delta: float = 1.0
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class LogCosh(BuiltIn):
    """The mean of ``log(cosh(y_pred - y_true))``: quadratic for small errors, then linear.

    Labels and predictions are ``[batch, ..., outputs]``. The mean over the outputs is
    :func:`log_cosh`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> round(LogCosh()(jnp.array([[0.0]]), jnp.array([[1.0]])).item(), 4)
    0.4338
    """

    function = staticmethod(log_cosh)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None
