"""Entries of the confusion matrix, and precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.shapes import match_shapes, spread
from lamina.metrics.checks import check_class, check_thresholds, check_top_k
from lamina.metrics.metric import Metric, State, divide
from lamina.narrowing import array_of

__all__ = [
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "Recall",
    "TrueNegatives",
    "TruePositives",
]


@dataclass(eq=False)
class _Ratio(Metric):
    """The base class of ratios of true positives to another count."""

    direction = "up"
    thresholds: float | Sequence[float] | None = None
    top_k: int | None = None
    class_id: int | None = None
    name: str = ""
    dtype: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_thresholds(self, self.thresholds)

    def init(self) -> State:
        zeros = jnp.zeros(self._thresholds().shape, jnp.float32)
        return zeros, zeros

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        check_class(self, self.class_id, p.shape)
        if self.top_k is not None:
            check_top_k(self, self.top_k, p.shape[-1])
            p = _highest(p, self.top_k)
        if self.class_id is not None:
            y, p = y[..., self.class_id], p[..., self.class_id]
        w = jnp.ones(p.shape, jnp.float32)
        if sample_weight is not None:
            w = spread(sample_weight, w)
        label = jnp.broadcast_to(y.astype(bool), p.shape).reshape(-1)
        positive = p.reshape(-1) > self._thresholds().reshape(-1, 1)  # [thresholds, values]
        hits, others = state
        hits += ((positive & label) * w.reshape(-1)).sum(-1).reshape(hits.shape)
        others += (self._others(positive, label) * w.reshape(-1)).sum(-1).reshape(others.shape)
        return hits, others

    def result(self, state: State) -> jax.Array:
        hits, others = state
        return self._cast(divide(hits, hits + others))

    def _thresholds(self) -> jax.Array:
        default = 0.5 if self.top_k is None else -jnp.inf
        return _as_array(default if self.thresholds is None else self.thresholds)

    def _others(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        raise NotImplementedError


class Precision(_Ratio):
    """The share of positive predictions that are right: ``TP / (TP + FP)``.

    Labels of 0 and 1 and predictions are ``[batch, ...]``, or ``[batch, ..., classes]``. The
    result is a scalar, or ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float in [0, 1] or several: a prediction above it is positive; 0.5 if None
            (default). For logits pass 0.0.
        top_k: a positive integer: only the highest ``top_k`` classes of a prediction may be
            positive, at any score unless there are thresholds; None (default) for all.
        class_id: the class to evaluate alone; None (default) for all.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: a threshold is not in [0, 1].

    >>> precision = Precision()
    >>> labels, predictions = jnp.array([0, 1, 1, 1]), jnp.array([0.9, 0.9, 0.9, 0.1])
    >>> round(precision.result(precision.update(precision.init(), labels, predictions)).item(), 4)
    0.6667
    """

    state_names = ("true_positives", "false_positives")

    def _others(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return positive & ~label


class Recall(_Ratio):
    """The share of positive labels that are found: ``TP / (TP + FN)``.

    Labels of 0 and 1 and predictions are ``[batch, ...]``, or ``[batch, ..., classes]``. The
    result is a scalar, or ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float in [0, 1] or several: a prediction above it is positive; 0.5 if None
            (default). For logits pass 0.0.
        top_k: a positive integer: only the highest ``top_k`` classes of a prediction may be
            positive, at any score unless there are thresholds; None (default) for all.
        class_id: the class to evaluate alone; None (default) for all.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: a threshold is not in [0, 1].

    >>> recall = Recall(thresholds=[0.05, 0.95])
    >>> labels, predictions = jnp.array([0, 1, 1, 1]), jnp.array([0.9, 0.9, 0.9, 0.1])
    >>> recall.result(recall.update(recall.init(), labels, predictions)).tolist()
    [1.0, 0.0]
    """

    state_names = ("true_positives", "false_negatives")

    def _others(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return ~positive & label


@dataclass(eq=False)
class _Count(Metric):
    """The base class of entries of the confusion matrix."""

    state_names = ("accumulator",)

    thresholds: float | Sequence[float] | None = None
    name: str = ""
    dtype: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_thresholds(self, self.thresholds)

    def init(self) -> State:
        return (jnp.zeros(self._thresholds().shape, jnp.float32),)

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        w = jnp.ones(p.shape, jnp.float32)
        if sample_weight is not None:
            w = spread(sample_weight, w)
        positive = p.reshape(-1) > self._thresholds().reshape(-1, 1)  # [thresholds, values]
        found = self._select(positive, y.astype(bool).reshape(-1))
        (count,) = state
        return (count + (found * w.reshape(-1)).sum(-1).reshape(count.shape),)

    def result(self, state: State) -> jax.Array:
        return self._cast(state[0])

    def _thresholds(self) -> jax.Array:
        return _as_array(0.5 if self.thresholds is None else self.thresholds)

    def _select(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        raise NotImplementedError


class TruePositives(_Count):
    """The weighted number of true positives: predictions above the threshold with label 1.

    ``count(y_pred > threshold and y_true = 1)``

    Labels of 0 and 1 and predictions are ``[batch, ...]``. The result is a scalar, or
    ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float in [0, 1] or several: a prediction above it is positive; 0.5 if None
            (default). For logits pass 0.0.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: a threshold is not in [0, 1].

    >>> metric = TruePositives()
    >>> labels, predictions = jnp.array([0, 0, 1, 1, 1]), jnp.array([0.9, 0.1, 0.9, 0.1, 0.2])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    1.0
    """

    direction = "up"

    def _select(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return positive & label


class TrueNegatives(_Count):
    """The weighted number of true negatives: predictions up to the threshold with label 0.

    ``count(y_pred <= threshold and y_true = 0)``

    Labels of 0 and 1 and predictions are ``[batch, ...]``. The result is a scalar, or
    ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float in [0, 1] or several: a prediction above it is positive; 0.5 if None
            (default). For logits pass 0.0.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: a threshold is not in [0, 1].

    >>> metric = TrueNegatives()
    >>> labels, predictions = jnp.array([0, 0, 1, 1, 1]), jnp.array([0.9, 0.1, 0.9, 0.1, 0.2])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    1.0
    """

    direction = "up"

    def _select(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return ~positive & ~label


class FalsePositives(_Count):
    """The weighted number of false positives: predictions above the threshold with label 0.

    ``count(y_pred > threshold and y_true = 0)``

    Labels of 0 and 1 and predictions are ``[batch, ...]``. The result is a scalar, or
    ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float in [0, 1] or several: a prediction above it is positive; 0.5 if None
            (default). For logits pass 0.0.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: a threshold is not in [0, 1].

    >>> metric = FalsePositives()
    >>> labels, predictions = jnp.array([0, 0, 1, 1, 1]), jnp.array([0.9, 0.1, 0.9, 0.1, 0.2])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    1.0
    """

    direction = "down"

    def _select(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return positive & ~label


class FalseNegatives(_Count):
    """The weighted number of false negatives: predictions up to the threshold with label 1.

    ``count(y_pred <= threshold and y_true = 1)``

    Labels of 0 and 1 and predictions are ``[batch, ...]``. The result is a scalar, or
    ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float in [0, 1] or several: a prediction above it is positive; 0.5 if None
            (default). For logits pass 0.0.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: a threshold is not in [0, 1].

    >>> metric = FalseNegatives()
    >>> labels, predictions = jnp.array([0, 0, 1, 1, 1]), jnp.array([0.9, 0.1, 0.9, 0.1, 0.2])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    2.0
    """

    direction = "down"

    def _select(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return ~positive & label


def _as_array(thresholds: float | Sequence[float]) -> jax.Array:
    """Return thresholds as an array; a list of one as a scalar, as in Keras."""
    array = jnp.asarray(thresholds, jnp.float32)
    return array.reshape(()) if array.size == 1 else array


def _highest(p: jax.Array, k: int) -> jax.Array:
    """Keep the k highest values of the last axis, and set the others to minus infinity."""
    _, places = jax.lax.top_k(p, k)
    kept = (places[..., None] == jnp.arange(p.shape[-1])).any(-2)
    return jnp.where(kept, p, -jnp.inf)
