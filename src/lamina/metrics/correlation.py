"""Correlations of labels and predictions, and the coefficient of determination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.losses.shapes import match_ranks, match_shapes, spread
from lamina.metrics.metric import BuiltIn, Metric, State
from lamina.narrowing import array_of

__all__ = [
    "ConcordanceCorrelation",
    "PearsonCorrelation",
    "R2Score",
    "concordance_correlation",
    "pearson_correlation",
]

_EPSILON = 1e-7


def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """Compute the correlation coefficient, in [-1, 1]: ``cov / (std(y_true) std(y_pred))``.

    Args:
        y_true: ``[..., values]``, labels.
        y_pred: ``[..., values]``, predictions of the same shape.
        axis: axis of the values that are correlated; -1 by default.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Pearson, Note on regression and inheritance in the case of two parents, 1895.

    >>> values = jnp.array([[1.0, 2.0, 4.0]])
    >>> round(pearson_correlation(values, 3 * values).item(), 4)
    1.0
    """
    y, p = (_standard(x, axis) for x in _float_pair(y_true, y_pred))
    return jnp.mean(y * p, axis)


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """Compute the concordance correlation coefficient, in [-1, 1].

    ``2 cov / (var(y_true) + var(y_pred) + (mean(y_true) - mean(y_pred))^2)``: 1 only if the
    values are equal, not just correlated.

    Args:
        y_true: ``[..., values]``, labels.
        y_pred: ``[..., values]``, predictions of the same shape.
        axis: axis of the values that are correlated; -1 by default.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Lin, A concordance correlation coefficient to evaluate reproducibility, 1989.

    >>> values = jnp.array([[1.0, 2.0, 3.0]])
    >>> round(concordance_correlation(values, values + 1).item(), 4)
    0.5714
    """
    y, p = _float_pair(y_true, y_pred)
    mean_y, mean_p = (jnp.mean(x, axis, keepdims=True) for x in (y, p))
    variances = jnp.var(y, axis, keepdims=True) + jnp.var(p, axis, keepdims=True)
    norm = variances + jnp.square(mean_y - mean_p)
    return jnp.mean(2.0 * (y - mean_p) * (p - mean_p) / (norm + _EPSILON), axis)


@dataclass(eq=False)
class PearsonCorrelation(BuiltIn):
    """The mean correlation coefficient, in [-1, 1]: ``cov / (std(y_true) std(y_pred))``.

    Labels and predictions are ``[batch, ..., values]``; see
    :func:`lamina.metrics.pearson_correlation`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        axis: axis of the values that are correlated; -1 by default.

    >>> metric, values = PearsonCorrelation(), jnp.array([[1.0, 2.0, 4.0]])
    >>> round(metric.result(metric.update(metric.init(), values, 3 * values)).item(), 4)
    1.0
    """

    function = staticmethod(pearson_correlation)
    direction = "up"
    axis: int = -1


@dataclass(eq=False)
class ConcordanceCorrelation(BuiltIn):
    """The mean concordance correlation coefficient, in [-1, 1].

    ``2 cov / (var(y_true) + var(y_pred) + (mean(y_true) - mean(y_pred))^2)``

    Labels and predictions are ``[batch, ..., values]``; see
    :func:`lamina.metrics.concordance_correlation`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        axis: axis of the values that are correlated; -1 by default.

    >>> metric, values = ConcordanceCorrelation(), jnp.array([[1.0, 2.0, 3.0]])
    >>> round(metric.result(metric.update(metric.init(), values, values + 1)).item(), 4)
    0.5714
    """

    function = staticmethod(concordance_correlation)
    direction = "up"
    axis: int = -1


@dataclass(eq=False)
class R2Score(Metric):
    """The coefficient of determination of each column.

    ``1 - sum((y_true - y_pred)^2) / sum((y_true - mean(y_true))^2)``: 1 for exact predictions,
    0 for those of the mean.

    Labels and predictions are ``[batch, columns]``, or ``[batch]``.

    Args:
        class_aggregation: ``"uniform_average"`` (default) for the mean of the columns,
            ``"variance_weighted_average"`` for a mean weighted by the columns' variances, or None
            for ``[columns]``.
        num_regressors: a non-negative integer, the number of inputs of the model, for the adjusted
            score; 0 (default) for the plain score.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: an option is not one of these.

    >>> score = R2Score()
    >>> labels, predictions = jnp.array([[1.0], [4.0], [3.0]]), jnp.array([[2.0], [4.0], [4.0]])
    >>> round(score.result(score.update(score.init(), labels, predictions)).item(), 4)
    0.5714
    """

    class_aggregation: str | None = "uniform_average"
    num_regressors: int = 0
    name: str = ""
    dtype: Any = None
    direction = "up"
    shaped: ClassVar[bool] = True
    state_names = ("sum", "squared_sum", "total_mse", "count", "num_samples")

    def __post_init__(self) -> None:
        super().__post_init__()
        known = (None, "uniform_average", "variance_weighted_average")
        if self.class_aggregation not in known or self.num_regressors < 0:
            raise InputError(
                explain(
                    "R2Score got an unknown class_aggregation or a negative num_regressors.",
                    expected=f"class_aggregation in {known}, num_regressors >= 0",
                    received=f"{self.class_aggregation!r}, {self.num_regressors!r}",
                    remedy="Leave both out for the mean of the columns.",
                )
            )

    def init(self, y_true: Any = None, y_pred: Any = None) -> State:
        columns = () if y_pred is None else (_columns(y_pred),)
        return (*(jnp.zeros(columns, jnp.float32) for _ in range(4)), jnp.zeros((), jnp.float32))

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = _float_pair(y_true, y_pred)
        y, p = y.reshape(-1, _columns(y)), p.reshape(-1, _columns(p))
        w = jnp.ones_like(y) if sample_weight is None else spread(sample_weight, y)
        sums = (w * y, w * y * y, w * jnp.square(y - p), w)
        new = [old + part.sum(0) for old, part in zip(state, sums, strict=False)]
        return (*new, state[4] + y.size)

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
            return self._cast(scores)
        adjusted = 1.0 - (1.0 - scores) * (seen - 1.0) / jnp.where(free > 0, free, 1.0)
        return self._cast(jnp.where(free > 0, adjusted, scores))


def _columns(array: Any) -> int:
    return array.shape[-1] if len(array.shape) > 1 else 1


def _float_pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[jax.Array, jax.Array]:
    p = array_of(y_pred)
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    return match_shapes(*match_ranks(array_of(y_true).astype(p.dtype), p))


def _standard(x: jax.Array, axis: int) -> jax.Array:
    """Scale values to mean 0 and standard deviation 1."""
    centred = x - jnp.mean(x, axis, keepdims=True)
    return centred / jnp.std(centred, axis, keepdims=True)
