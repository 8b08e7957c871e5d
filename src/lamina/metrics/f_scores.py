"""F scores: the weighted harmonic mean of precision and recall, per class."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.losses.shapes import spread
from lamina.metrics.metric import Metric, State
from lamina.narrowing import array_of

__all__ = ["F1Score", "FBetaScore"]

_EPSILON = 1e-7


@dataclass(eq=False)
class FBetaScore(Metric):
    """The weighted harmonic mean of precision P and recall R.

    ``(1 + beta^2) P R / (beta^2 P + R)``

    One-hot (or multi-hot) labels and predictions are ``[batch, classes]``.

    Args:
        average: None (default) for ``[classes]``; ``"micro"`` for one score of all decisions;
            ``"macro"`` for the mean of the classes; ``"weighted"`` for their mean weighted by the
            number of labels of each class.
        beta: a positive float, how many times as much recall counts as precision; 1.0 by default.
        threshold: a float in (0, 1]: a prediction above it is positive; None (default) makes the
            class of the highest prediction alone positive.
        name: name in logs; ``"fbeta_score"`` by default.
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: an option is not one of these, or the arrays are not ``[batch, classes]``.

    >>> score = FBetaScore(average="macro")
    >>> labels = jnp.array([[1, 0], [0, 1], [0, 1]])
    >>> predictions = jnp.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    >>> round(score.result(score.update(score.init(), labels, predictions)).item(), 4)
    0.6667
    """

    average: str | None = None
    beta: float = 1.0
    threshold: float | None = None
    name: str = "fbeta_score"
    dtype: Any = None
    direction = "up"
    shaped: ClassVar[bool] = True
    state_names = ("true_positives", "false_positives", "false_negatives")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.average not in (None, "micro", "macro", "weighted"):
            raise InputError(_bad("average", "None, 'micro', 'macro' or 'weighted'", self.average))
        if not _is_number(self.beta) or not self.beta > 0:
            raise InputError(_bad("beta", "a positive float", self.beta))
        threshold = self.threshold
        if threshold is not None and not (_is_number(threshold) and 0 < threshold <= 1):
            raise InputError(_bad("threshold", "a float in (0, 1]", self.threshold))

    def init(self, y_true: Any = None, y_pred: Any = None) -> State:
        classes = () if self.average == "micro" or y_pred is None else (y_pred.shape[-1],)
        zeros = jnp.zeros(classes, jnp.float32)
        return zeros, zeros, zeros

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = array_of(y_true), array_of(y_pred)
        if y.ndim != 2 or y.shape != p.shape:
            raise InputError(
                _bad("shape", "y_true and y_pred [batch, classes]", (y.shape, p.shape))
            )
        if self.threshold is None:
            positive = (p >= p.max(-1, keepdims=True)) & (jnp.abs(p) > 1e-9)
        else:
            positive = p > self.threshold
        y, positive = y.astype(jnp.float32), positive.astype(jnp.float32)
        w = jnp.ones_like(y) if sample_weight is None else spread(sample_weight, y)
        axis = None if self.average == "micro" else 0
        found = (positive * y, positive * (1 - y), (1 - positive) * y)
        return tuple(old + jnp.sum(w * new, axis) for old, new in zip(state, found, strict=True))

    def result(self, state: State) -> jax.Array:
        hits, alarms, misses = state
        precision = hits / (hits + alarms + _EPSILON)
        recall = hits / (hits + misses + _EPSILON)
        square = self.beta * self.beta
        score = (1 + square) * precision * recall / (square * precision + recall + _EPSILON)
        if self.average == "weighted":
            labels = hits + misses
            return self._cast(jnp.sum(score * labels / (labels.sum() + _EPSILON)))
        return self._cast(score if self.average is None else score.mean())


class F1Score(FBetaScore):
    """The harmonic mean of precision P and recall R: ``2 P R / (P + R)``.

    One-hot (or multi-hot) labels and predictions are ``[batch, classes]``.

    Args:
        average: None (default) for ``[classes]``; ``"micro"`` for one score of all decisions;
            ``"macro"`` for the mean of the classes; ``"weighted"`` for their mean weighted by the
            number of labels of each class.
        threshold: a float in (0, 1]: a prediction above it is positive; None (default) makes the
            class of the highest prediction alone positive.
        name: name in logs; ``"f1_score"`` by default.
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: an option is not one of these, or the arrays are not ``[batch, classes]``.

    >>> score = F1Score(average="micro")
    >>> labels, predictions = jnp.array([[1, 0], [0, 1]]), jnp.array([[0.9, 0.1], [0.8, 0.2]])
    >>> round(score.result(score.update(score.init(), labels, predictions)).item(), 4)
    0.5
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def _bad(option: str, expected: str, received: Any) -> str:
    return explain(
        f"An F score got an invalid {option}.",
        expected=expected,
        received=repr(received),
        remedy="Leave the option out, or pass one-hot labels.",
    )
