"""Rates at operating points: the best of one where another is at least a given value."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina.configured import dtype_config
from lamina.errors import InputError, explain
from lamina.losses.shapes import match_shapes, spread
from lamina.metrics.checks import check_class
from lamina.metrics.metric import State, divide
from lamina.metrics.thresholds import ThresholdHistogram, counts
from lamina.narrowing import array_of

__all__ = [
    "PrecisionAtRecall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
]


@dataclass(eq=False)
class _AtOperatingPoint(ThresholdHistogram):
    """The base class of the highest rate at thresholds where another rate is high enough."""

    value: float = 0.5
    num_thresholds: int = 200
    class_id: int | None = None
    name: str = ""
    dtype: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.value <= 1 or self.num_thresholds < 1:
            raise InputError(
                explain(
                    f"{type(self).__name__} got a rate or num_thresholds out of range.",
                    expected="a rate in [0, 1], and num_thresholds >= 1",
                    received=f"{self.value!r}, {self.num_thresholds!r} thresholds",
                    remedy="Pass a rate of 0.5, for example.",
                )
            )

    def get_config(self) -> dict[str, Any]:
        rate = next(iter(inspect.signature(type(self)).parameters))
        options = {name: getattr(self, name) for name in ("num_thresholds", "class_id", "name")}
        return {rate: self.value, "dtype": dtype_config(self.dtype)} | options

    def thresholds_used(self) -> np.ndarray:
        many = self.num_thresholds > 1
        return np.linspace(0.0, 1.0, self.num_thresholds) if many else np.array([0.5])

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        check_class(self, self.class_id, p.shape)
        w = jnp.ones(p.shape, jnp.float32)
        if sample_weight is not None:
            w = spread(sample_weight, w)
        if self.class_id is not None:
            y, p, w = (array[..., self.class_id] for array in (y, p, w))
        columns = (array.reshape(-1, 1) for array in (y.astype(bool), p.astype(jnp.float32), w))
        return self.add(state, *columns)

    def result(self, state: State) -> jax.Array:
        (hits, misses), (alarms, rejections) = counts(state[0]), counts(state[1])
        rates = {
            "recall": divide(hits, hits + misses),
            "precision": divide(hits, hits + alarms),
            "specificity": divide(rejections, rejections + alarms),
        }
        given, best = self._rates
        return self._cast(jnp.max(jnp.where(rates[given] >= self.value, rates[best], 0.0)))

    _rates: ClassVar[tuple[str, str]]


class PrecisionAtRecall(_AtOperatingPoint):
    """The highest precision at the thresholds where the recall is at least a given rate.

    ``max(precision(t))`` over the thresholds t with ``recall(t) >= recall``;
    0 if there are none.

    Labels of 0 and 1 and probabilities are ``[batch, ...]``, or ``[batch, ..., classes]``.

    Args:
        recall: the least recall, a float in [0, 1].
        num_thresholds: a positive integer, the number of thresholds evenly spaced in [0, 1]; 200 by
            default.
        class_id: the class to evaluate alone; None (default) for all.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: the rate is not in [0, 1], or there is no threshold.

    >>> metric = PrecisionAtRecall(0.5)
    >>> labels, predictions = jnp.array([0, 0, 1, 1]), jnp.array([0.1, 0.6, 0.4, 0.9])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    1.0
    """

    _rates = ("recall", "precision")

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "",
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_AtOperatingPoint):
    """The highest recall at the thresholds where the precision is at least a given rate.

    ``max(recall(t))`` over the thresholds t with ``precision(t) >= precision``;
    0 if there are none.

    Labels of 0 and 1 and probabilities are ``[batch, ...]``, or ``[batch, ..., classes]``.

    Args:
        precision: the least precision, a float in [0, 1].
        num_thresholds: a positive integer, the number of thresholds evenly spaced in [0, 1]; 200 by
            default.
        class_id: the class to evaluate alone; None (default) for all.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: the rate is not in [0, 1], or there is no threshold.

    >>> metric = RecallAtPrecision(0.5)
    >>> labels, predictions = jnp.array([0, 0, 1, 1]), jnp.array([0.1, 0.6, 0.4, 0.9])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    1.0
    """

    _rates = ("precision", "recall")

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "",
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)


class SensitivityAtSpecificity(_AtOperatingPoint):
    """The highest sensitivity at the thresholds where the specificity is at least a given rate.

    ``max(sensitivity(t))`` over the thresholds t with ``specificity(t) >= specificity``;
    0 if there are none.

    Labels of 0 and 1 and probabilities are ``[batch, ...]``, or ``[batch, ..., classes]``.

    Args:
        specificity: the least specificity, a float in [0, 1].
        num_thresholds: a positive integer, the number of thresholds evenly spaced in [0, 1]; 200 by
            default.
        class_id: the class to evaluate alone; None (default) for all.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: the rate is not in [0, 1], or there is no threshold.

    >>> metric = SensitivityAtSpecificity(0.5)
    >>> labels, predictions = jnp.array([0, 0, 1, 1]), jnp.array([0.1, 0.6, 0.4, 0.9])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    1.0
    """

    _rates = ("specificity", "recall")

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "",
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_AtOperatingPoint):
    """The highest specificity at the thresholds where the sensitivity is at least a given rate.

    ``max(specificity(t))`` over the thresholds t with ``sensitivity(t) >= sensitivity``;
    0 if there are none.

    Labels of 0 and 1 and probabilities are ``[batch, ...]``, or ``[batch, ..., classes]``.

    Args:
        sensitivity: the least sensitivity, a float in [0, 1].
        num_thresholds: a positive integer, the number of thresholds evenly spaced in [0, 1]; 200 by
            default.
        class_id: the class to evaluate alone; None (default) for all.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: the rate is not in [0, 1], or there is no threshold.

    >>> metric = SpecificityAtSensitivity(0.5)
    >>> labels, predictions = jnp.array([0, 0, 1, 1]), jnp.array([0.1, 0.6, 0.4, 0.9])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    1.0
    """

    _rates = ("recall", "specificity")

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "",
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
