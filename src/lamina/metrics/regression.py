"""Metrics of numbers predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina import losses
from lamina.losses.shapes import match_shapes
from lamina.metrics.metric import BuiltIn, MeanMetric, State

__all__ = ["CosineSimilarity", "MeanAbsoluteError", "MeanSquaredError", "RootMeanSquaredError"]


class MeanSquaredError(BuiltIn):
    """The mean of ``(y - p)^2``."""

    function = staticmethod(losses.mean_squared_error)
    direction = "down"


class MeanAbsoluteError(BuiltIn):
    """The mean of ``|y - p|``."""

    function = staticmethod(losses.mean_absolute_error)
    direction = "down"


class RootMeanSquaredError(MeanMetric):
    """``sqrt(mean((y - p)^2))``, the mean taken over all that was seen.

    >>> rmse = RootMeanSquaredError()
    >>> rmse.result(rmse.update(rmse.init(), jnp.zeros(2), jnp.array([2.0, 2.0]))).item()
    2.0
    """

    direction = "down"

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        y, p = match_shapes(jnp.asarray(y_true), jnp.asarray(y_pred))
        return jnp.square((p - y).astype(jnp.float32))

    def result(self, state: State) -> jax.Array:
        return jnp.sqrt(super().result(state))


def _cosine(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    return -losses.cosine_similarity(y_true, y_pred, axis)


@dataclass(eq=False)
class CosineSimilarity(BuiltIn):
    """The mean cosine of the angle between y and p; the loss of that name is minus it."""

    function = staticmethod(_cosine)
    direction = "up"
    axis: int = -1
