"""Metrics of numbers predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina import losses
from lamina.errors import InputError, explain
from lamina.losses.shapes import match_ranks, match_shapes, spread
from lamina.metrics.metric import BuiltIn, MeanMetric, Metric, State
from lamina.narrowing import array_of

__all__ = [
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "PearsonCorrelation",
    "R2Score",
    "RootMeanSquaredError",
    "concordance_correlation",
    "pearson_correlation",
]

_EPSILON = 1e-7


class MeanSquaredError(BuiltIn):
    """The mean of ``(y - p)^2``."""

    function = staticmethod(losses.mean_squared_error)
    direction = "down"


class MeanAbsoluteError(BuiltIn):
    """The mean of ``|y - p|``."""

    function = staticmethod(losses.mean_absolute_error)
    direction = "down"


class MeanAbsolutePercentageError(BuiltIn):
    """The mean of ``100 |y - p| / |y|``."""

    function = staticmethod(losses.mean_absolute_percentage_error)
    direction = "down"


class MeanSquaredLogarithmicError(BuiltIn):
    """The mean of ``(log(1 + y) - log(1 + p))^2``."""

    function = staticmethod(losses.mean_squared_logarithmic_error)
    direction = "down"


class LogCoshError(BuiltIn):
    """The mean of ``log(cosh(p - y))``."""

    function = staticmethod(losses.log_cosh)
    direction = "down"

    def __init__(self, name: str = "logcosh") -> None:
        super().__init__(name=name)


class RootMeanSquaredError(MeanMetric):
    """``sqrt(mean((y - p)^2))``, the mean taken over all that was seen.

    >>> rmse = RootMeanSquaredError()
    >>> rmse.result(rmse.update(rmse.init(), jnp.zeros(2), jnp.array([2.0, 2.0]))).item()
    2.0
    """

    direction = "down"

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
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


def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """``mean(y' p')`` of values brought to mean 0 and deviation 1 along `axis` (Pearson, 1895).

    >>> values = jnp.array([[1.0, 2.0, 4.0]])
    >>> round(pearson_correlation(values, 3 * values).item(), 4)
    1.0
    """
    y, p = (_standard(x, axis) for x in _floats(y_true, y_pred))
    return jnp.mean(y * p, axis)


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """``2 cov / (var y + var p + (mean y - mean p)^2)`` along `axis` (Lin, 1989)."""
    y, p = _floats(y_true, y_pred)
    mean_y, mean_p = (jnp.mean(x, axis, keepdims=True) for x in (y, p))
    spread_of_both = jnp.var(y, axis, keepdims=True) + jnp.var(p, axis, keepdims=True)
    norm = spread_of_both + jnp.square(mean_y - mean_p)
    return jnp.mean(2.0 * (y - mean_p) * (p - mean_p) / (norm + _EPSILON), axis)


@dataclass(eq=False)
class PearsonCorrelation(BuiltIn):
    """The mean of :func:`pearson_correlation` over examples."""

    function = staticmethod(pearson_correlation)
    direction = "up"
    axis: int = -1


@dataclass(eq=False)
class ConcordanceCorrelation(BuiltIn):
    """The mean of :func:`concordance_correlation` over examples."""

    function = staticmethod(concordance_correlation)
    direction = "up"
    axis: int = -1


@dataclass(eq=False)
class R2Score(Metric):
    """``1 - sum((y - p)^2) / sum((y - mean y)^2)``, column by column of [batch, columns].

    Args:
        class_aggregation: `"uniform_average"`, `"variance_weighted_average"`, or None for a score
            a column.
        num_regressors: how many inputs the model has, for the adjusted score; 0 for the plain one.

    Raises:
        InputError: an option is unknown, or the arrays are of other shapes.

    >>> score = R2Score()
    >>> labels, predictions = jnp.array([[1.0], [4.0], [3.0]]), jnp.array([[2.0], [4.0], [4.0]])
    >>> round(score.result(score.update(score.init(), labels, predictions)).item(), 4)
    0.5714
    """

    class_aggregation: str | None = "uniform_average"
    num_regressors: int = 0
    direction = "up"
    shaped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        known = (None, "uniform_average", "variance_weighted_average")
        if self.class_aggregation not in known or self.num_regressors < 0:
            raise InputError(
                explain(
                    "R2Score got an option that means nothing.",
                    expected=f"class_aggregation of {known}, num_regressors of 0 or more",
                    received=f"{self.class_aggregation!r}, {self.num_regressors!r}",
                    remedy="Leave it out for the mean over columns.",
                )
            )

    def init(self, y_true: Any = None, y_pred: Any = None) -> State:
        columns = () if y_pred is None else (_columns(y_pred),)
        return (*(jnp.zeros(columns, jnp.float32) for _ in range(4)), jnp.zeros((), jnp.float32))

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = _floats(y_true, y_pred)
        y, p = y.reshape(-1, _columns(y)), p.reshape(-1, _columns(p))
        w = jnp.ones_like(y) if sample_weight is None else spread(sample_weight, y)
        sums = (w * y, w * y * y, w * jnp.square(y - p), w)
        new = [old + part.sum(0) for old, part in zip(state, sums, strict=False)]
        seen = (w > 0).sum() if sample_weight is not None else y.size
        return (*new, state[4] + seen)

    def result(self, state: State) -> jax.Array:
        total, squares, residual, count, seen = state
        variance = squares - total * total / count
        scores = 1.0 - residual / variance
        scores = jnp.where(jnp.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = scores.mean()
        elif self.class_aggregation is not None:
            scores = jnp.sum(variance * scores) / variance.sum()
        free = seen - self.num_regressors - 1.0
        if self.num_regressors == 0:
            return scores
        adjusted = 1.0 - (1.0 - scores) * (seen - 1.0) / jnp.where(free > 0, free, 1.0)
        return jnp.where(free > 0, adjusted, scores)


def _columns(array: Any) -> int:
    return array.shape[-1] if len(array.shape) > 1 else 1


def _floats(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[jax.Array, jax.Array]:
    p = array_of(y_pred)
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    return match_shapes(*match_ranks(array_of(y_true).astype(p.dtype), p))


def _standard(x: jax.Array, axis: int) -> jax.Array:
    centred = x - jnp.mean(x, axis, keepdims=True)
    return centred / jnp.std(centred, axis, keepdims=True)
