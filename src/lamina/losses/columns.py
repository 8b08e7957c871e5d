"""Labels and predictions as columns, so that a mean over outputs keeps examples and steps."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamina.losses.crossentropy import binary_crossentropy
from lamina.losses.divergence import poisson
from lamina.losses.focal import binary_focal_crossentropy
from lamina.losses.hinges import hinge, squared_hinge
from lamina.losses.loss import BuiltIn, FunctionLoss, Loss
from lamina.losses.regression import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from lamina.losses.robust import huber, log_cosh
from lamina.narrowing import array_of

__all__ = ["as_columns", "columns_of_loss"]

_MEANS_OF_OUTPUTS = frozenset(
    {
        binary_crossentropy,
        binary_focal_crossentropy,
        hinge,
        huber,
        log_cosh,
        mean_absolute_error,
        mean_absolute_percentage_error,
        mean_squared_error,
        mean_squared_logarithmic_error,
        poisson,
        squared_hinge,
    }
)
"""Functions whose value for ``[batch]`` is the mean of their values for ``[batch, 1]``."""


def as_columns(function: Callable[..., Any], y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Reshape labels and predictions to ``[batch, ..., 1]`` for a function that averages outputs.

    Both become columns if both are ``[batch]``, or if one of them is a column of the other's shape.

    Args:
        function: of labels and predictions.
        y_true: ``[batch, ...]``, labels.
        y_pred: ``[batch, ...]``, predictions.

    Returns:
        Both; unchanged for other functions and other shapes.

    >>> import jax.numpy as jnp
    >>> as_columns(mean_squared_error, jnp.zeros(3), jnp.zeros(3))[1].shape
    (3, 1)
    """
    options: dict[str, Any] = {}
    if isinstance(function, functools.partial):
        function, options = function.func, function.keywords
    if function not in _MEANS_OF_OUTPUTS or options.get("axis", -1) != -1:
        return y_true, y_pred
    y, p = array_of(y_true), array_of(y_pred)
    if y.ndim == p.ndim == 1:
        return y[:, None], p[:, None]
    if y.ndim and p.shape == (*y.shape, 1):
        return y[..., None], p
    if p.ndim and y.shape == (*p.shape, 1):
        return y, p[..., None]
    return y_true, y_pred


def columns_of_loss(loss: Loss, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Reshape labels and predictions to ``[batch, ..., 1]`` for a loss that averages outputs.

    Args:
        loss: a loss.
        y_true: ``[batch, ...]``, labels.
        y_pred: ``[batch, ...]``, predictions.

    Returns:
        Both; unchanged for other losses and other shapes.

    >>> from lamina.losses import MeanSquaredError
    >>> import jax.numpy as jnp
    >>> columns_of_loss(MeanSquaredError(), jnp.zeros(3), jnp.zeros(3))[1].shape
    (3, 1)
    """
    if isinstance(loss, FunctionLoss):
        return as_columns(loss.function, y_true, y_pred)
    if not isinstance(loss, BuiltIn) or getattr(loss, "axis", -1) != -1:
        return y_true, y_pred
    return as_columns(type(loss).function, y_true, y_pred)
