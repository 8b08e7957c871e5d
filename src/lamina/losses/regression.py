"""Losses of real-valued predictions: squared, absolute, relative and logarithmic errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import float_pair, last_mean

__all__ = [
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
]

_EPSILON = 1e-7


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the mean squared error over the last axis: ``mean((y_true - y_pred)^2)``.

    Args:
        y_true: ``[..., outputs]``, labels.
        y_pred: ``[..., outputs]``, predictions of the same shape.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> mean_squared_error(jnp.array([[0.0, 1.0]]), jnp.array([[2.0, 1.0]])).tolist()
    [2.0]
    """
    y, p = float_pair(y_true, y_pred)
    return last_mean(jnp.square(y - p))


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the mean absolute error over the last axis: ``mean(|y_true - y_pred|)``.

    Args:
        y_true: ``[..., outputs]``, labels.
        y_pred: ``[..., outputs]``, predictions of the same shape.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> mean_absolute_error(jnp.array([[0.0, 1.0]]), jnp.array([[2.0, 1.0]])).tolist()
    [1.0]
    """
    y, p = float_pair(y_true, y_pred)
    return last_mean(jnp.abs(y - p))


def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the mean relative error in percent: ``100 mean(|y_true - y_pred| / |y_true|)``.

    ``|y_true|`` is replaced by 1e-7 where it is smaller.

    Args:
        y_true: ``[..., outputs]``, labels.
        y_pred: ``[..., outputs]``, predictions of the same shape.

    Returns:
        ``[...]``: one value per example, in percent, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> mean_absolute_percentage_error(jnp.array([[2.0, 4.0]]), jnp.array([[1.0, 4.0]])).tolist()
    [25.0]
    """
    y, p = float_pair(y_true, y_pred)
    return 100.0 * last_mean(jnp.abs((y - p) / jnp.maximum(jnp.abs(y), _EPSILON)))


def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the mean squared difference of logarithms.

    ``mean((log(1 + y_true) - log(1 + y_pred))^2)`` over the last axis.

    Args:
        y_true: ``[..., outputs]``, non-negative labels; smaller ones count as 1e-7.
        y_pred: ``[..., outputs]``, non-negative predictions; smaller ones count as 1e-7.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> error = mean_squared_logarithmic_error(jnp.array([[0.0]]), jnp.array([[jnp.e - 1]]))
    >>> f"{error[0]:.3f}"
    '1.000'
    """
    y, p = (jnp.log(jnp.maximum(x, _EPSILON) + 1.0) for x in float_pair(y_true, y_pred))
    return last_mean(jnp.square(y - p))


@dataclass(eq=False)
class MeanSquaredError(BuiltIn):
    """The mean of squared errors: ``mean((y_true - y_pred)^2)``.

    Labels and predictions are ``[batch, ..., outputs]``. The mean over the outputs is
    :func:`mean_squared_error`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> MeanSquaredError()(jnp.array([[0.0], [1.0]]), jnp.array([[2.0], [1.0]])).item()
    2.0
    """

    function = staticmethod(mean_squared_error)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class MeanAbsoluteError(BuiltIn):
    """The mean of absolute errors: ``mean(|y_true - y_pred|)``.

    Labels and predictions are ``[batch, ..., outputs]``. The mean over the outputs is
    :func:`mean_absolute_error`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> MeanAbsoluteError()(jnp.array([[0.0], [1.0]]), jnp.array([[2.0], [1.0]])).item()
    1.0
    """

    function = staticmethod(mean_absolute_error)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class MeanAbsolutePercentageError(BuiltIn):
    """The mean relative error in percent: ``100 mean(|y_true - y_pred| / |y_true|)``.

    Labels and predictions are ``[batch, ..., outputs]``. The mean over the outputs is
    :func:`mean_absolute_percentage_error`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> MeanAbsolutePercentageError()(jnp.array([[2.0, 4.0]]), jnp.array([[1.0, 4.0]])).item()
    25.0
    """

    function = staticmethod(mean_absolute_percentage_error)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class MeanSquaredLogarithmicError(BuiltIn):
    """The mean squared difference of ``log(1 + x)``: errors count relative to the value.

    ``mean((log(1 + y_true) - log(1 + y_pred))^2)``

    Labels and predictions are ``[batch, ..., outputs]`` and non-negative. The mean over the
    outputs is :func:`mean_squared_logarithmic_error`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> loss = MeanSquaredLogarithmicError()
    >>> round(loss(jnp.array([[0.0]]), jnp.array([[jnp.e - 1]])).item(), 3)
    1.0
    """

    function = staticmethod(mean_squared_logarithmic_error)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None
