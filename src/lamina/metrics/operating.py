"""The best of one rate at the thresholds where another is high enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.losses.shapes import match_shapes, spread
from lamina.metrics.metric import State, divide
from lamina.metrics.thresholds import Counted, counts
from lamina.narrowing import array_of

__all__ = [
    "PrecisionAtRecall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
]


@dataclass(eq=False)
class _Best(Counted):
    """The best of one rate where another is at least so much."""

    value: float = 0.5
    num_thresholds: int = 200
    class_id: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.value <= 1 or self.num_thresholds < 1:
            raise InputError(
                explain(
                    f"{type(self).__name__} got a number that means nothing.",
                    expected="a rate from 0 to 1, and at least one threshold",
                    received=f"{self.value!r}, {self.num_thresholds!r} thresholds",
                    remedy="Give 0.5, for example.",
                )
            )

    def levels(self) -> np.ndarray:
        many = self.num_thresholds > 1
        return np.linspace(0.0, 1.0, self.num_thresholds) if many else np.array([0.5])

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        w = jnp.ones(p.shape, jnp.float32)
        if sample_weight is not None:
            w = spread(sample_weight, w)
        if self.class_id is not None:
            y, p, w = (array[..., self.class_id] for array in (y, p, w))
        columns = (array.reshape(-1, 1) for array in (y.astype(bool), p.astype(jnp.float32), w))
        return self.add(state, *columns)

    def result(self, state: State) -> jax.Array:
        (hits, misses), (alarms, passes) = counts(state[0]), counts(state[1])
        rates = {
            "recall": divide(hits, hits + misses),
            "precision": divide(hits, hits + alarms),
            "specificity": divide(passes, passes + alarms),
        }
        given, best = self._rates
        return jnp.max(jnp.where(rates[given] >= self.value, rates[best], 0.0))

    _rates: ClassVar[tuple[str, str]]


class PrecisionAtRecall(_Best):
    """The best precision at thresholds where the recall is at least so much."""

    _rates = ("recall", "precision")

    def __init__(
        self, recall: float, num_thresholds: int = 200, class_id: int | None = None, name: str = ""
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name=name)


class RecallAtPrecision(_Best):
    """The best recall at thresholds where the precision is at least so much."""

    _rates = ("precision", "recall")

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "",
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name=name)


class SensitivityAtSpecificity(_Best):
    """The best sensitivity (recall) at thresholds where the specificity is at least so much."""

    _rates = ("specificity", "recall")

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "",
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name=name)


class SpecificityAtSensitivity(_Best):
    """The best specificity at thresholds where the sensitivity (recall) is at least so much."""

    _rates = ("recall", "specificity")

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str = "",
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name=name)
