"""Metrics of real-valued predictions: errors and cosine similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina import losses
from lamina.losses.shapes import match_shapes
from lamina.metrics.metric import BuiltIn, MeanMetric, State, divide
from lamina.narrowing import array_of

__all__ = [
    "CosineSimilarity",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "RootMeanSquaredError",
]


class MeanSquaredError(BuiltIn):
    """The mean of squared errors: ``mean((y_true - y_pred)^2)``.

    Labels and predictions are ``[batch, ..., outputs]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> metric = MeanSquaredError()
    >>> metric.result(metric.update(metric.init(), jnp.zeros(2), jnp.array([1.0, 3.0]))).item()
    5.0
    """

    function = staticmethod(losses.mean_squared_error)
    direction = "down"


class MeanAbsoluteError(BuiltIn):
    """The mean of absolute errors: ``mean(|y_true - y_pred|)``.

    Labels and predictions are ``[batch, ..., outputs]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> metric = MeanAbsoluteError()
    >>> metric.result(metric.update(metric.init(), jnp.zeros(2), jnp.array([1.0, 3.0]))).item()
    2.0
    """

    function = staticmethod(losses.mean_absolute_error)
    direction = "down"


class MeanAbsolutePercentageError(BuiltIn):
    """The mean relative error in percent: ``100 mean(|y_true - y_pred| / |y_true|)``.

    Labels and predictions are ``[batch, ..., outputs]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> metric = MeanAbsolutePercentageError()
    >>> state = metric.update(metric.init(), jnp.array([2.0, 4.0]), jnp.array([1.0, 4.0]))
    >>> metric.result(state).item()
    25.0
    """

    function = staticmethod(losses.mean_absolute_percentage_error)
    direction = "down"


class MeanSquaredLogarithmicError(BuiltIn):
    """The mean squared difference of logarithms of non-negative values.

    ``mean((log(1 + y_true) - log(1 + y_pred))^2)``

    Labels and predictions are ``[batch, ..., outputs]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> metric = MeanSquaredLogarithmicError()
    >>> state = metric.update(metric.init(), jnp.array([0.0]), jnp.array([jnp.e - 1]))
    >>> round(metric.result(state).item(), 3)
    1.0
    """

    function = staticmethod(losses.mean_squared_logarithmic_error)
    direction = "down"


class LogCoshError(BuiltIn):
    """The mean of ``log(cosh(y_pred - y_true))``.

    Labels and predictions are ``[batch, ..., outputs]``.

    Args:
        name: name in logs; ``"logcosh"`` by default.
        dtype: floating dtype of the result; None (default) for float32.

    >>> metric = LogCoshError()
    >>> state = metric.update(metric.init(), jnp.array([0.0]), jnp.array([1.0]))
    >>> round(metric.result(state).item(), 4)
    0.4338
    """

    function = staticmethod(losses.log_cosh)
    direction = "down"

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(name, dtype)


class RootMeanSquaredError(MeanMetric):
    """The root of the mean of squared errors: ``sqrt(mean((y_true - y_pred)^2))``.

    Labels and predictions are ``[batch, ..., outputs]``; the mean is over all batches.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> rmse = RootMeanSquaredError()
    >>> rmse.result(rmse.update(rmse.init(), jnp.zeros(2), jnp.array([2.0, 2.0]))).item()
    2.0
    """

    direction = "down"

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        return jnp.square((p - y).astype(jnp.float32))

    def result(self, state: State) -> jax.Array:
        return self._cast(jnp.sqrt(divide(*state)))


def _cosine(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    return -losses.cosine_similarity(y_true, y_pred, axis)


@dataclass(eq=False)
class CosineSimilarity(BuiltIn):
    """The mean cosine of the angle between labels and predictions, in [-1, 1].

    ``sum(y_true y_pred) / (|y_true| |y_pred|)``; the loss of this name has the opposite sign.

    Labels and predictions are vectors ``[batch, ..., units]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        axis: axis of the vectors' components; -1 by default.

    >>> metric = CosineSimilarity()
    >>> state = metric.update(metric.init(), jnp.array([[0.0, 2.0]]), jnp.array([[0.0, 5.0]]))
    >>> round(metric.result(state).item(), 4)
    1.0
    """

    function = staticmethod(_cosine)
    direction = "up"
    axis: int = -1
