"""Entries of the confusion matrix, and precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.losses.shapes import match_shapes, spread
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

    def init(self) -> State:
        zeros = jnp.zeros(self._thresholds().shape, jnp.float32)
        return zeros, zeros

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        if self.top_k is not None:
            p = _highest(p, self.top_k)
        if self.class_id is not None:
            _check_classes(self, p)
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
        return divide(hits, hits + others)

    def _thresholds(self) -> jax.Array:
        default = 0.5 if self.top_k is None else -jnp.inf
        return jnp.asarray(default if self.thresholds is None else self.thresholds, jnp.float32)

    def _others(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        raise NotImplementedError


def _check_classes(metric: _Ratio, predictions: jax.Array) -> None:
    if predictions.ndim < 2:
        raise InputError(
            explain(
                f"{metric.name} of one class got predictions without an axis of classes.",
                expected=f"[..., classes], of which class_id={metric.class_id} is one",
                received=f"an array of shape {predictions.shape}",
                remedy="Leave out class_id, or pass predictions with one column per class.",
            )
        )


class Precision(_Ratio):
    """The share of positive predictions that are right: ``TP / (TP + FP)``.

    Labels of 0 and 1 and predictions are ``[batch, ...]``, or ``[batch, ..., classes]``. The
    result is a scalar, or ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float or several: a prediction above it is positive; 0.5 if None (default).
            For logits pass 0.0.
        top_k: a positive integer: only the highest ``top_k`` classes of a prediction may be
            positive, at any score unless there are thresholds; None (default) for all.
        class_id: the class to evaluate alone; None (default) for all.
        name: name in logs; the class's name in snake case if empty (default).

    >>> precision = Precision()
    >>> labels, predictions = jnp.array([0, 1, 1, 1]), jnp.array([0.9, 0.9, 0.9, 0.1])
    >>> round(precision.result(precision.update(precision.init(), labels, predictions)).item(), 4)
    0.6667
    """

    def _others(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return positive & ~label


class Recall(_Ratio):
    """The share of positive labels that are found: ``TP / (TP + FN)``.

    Labels of 0 and 1 and predictions are ``[batch, ...]``, or ``[batch, ..., classes]``. The
    result is a scalar, or ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float or several: a prediction above it is positive; 0.5 if None (default).
            For logits pass 0.0.
        top_k: a positive integer: only the highest ``top_k`` classes of a prediction may be
            positive, at any score unless there are thresholds; None (default) for all.
        class_id: the class to evaluate alone; None (default) for all.
        name: name in logs; the class's name in snake case if empty (default).

    >>> recall = Recall(thresholds=[0.05, 0.95])
    >>> labels, predictions = jnp.array([0, 1, 1, 1]), jnp.array([0.9, 0.9, 0.9, 0.1])
    >>> recall.result(recall.update(recall.init(), labels, predictions)).tolist()
    [1.0, 0.0]
    """

    def _others(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return ~positive & label


@dataclass(eq=False)
class _Count(Metric):
    """The base class of entries of the confusion matrix."""

    thresholds: float | Sequence[float] | None = None

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
        return state[0]

    def _thresholds(self) -> jax.Array:
        return jnp.asarray(0.5 if self.thresholds is None else self.thresholds, jnp.float32)

    def _select(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        raise NotImplementedError


class TruePositives(_Count):
    """The weighted number of true positives: predictions above the threshold with label 1.

    ``count(y_pred > threshold and y_true = 1)``

    Labels of 0 and 1 and predictions are ``[batch, ...]``. The result is a scalar, or
    ``[thresholds]`` for several thresholds.

    Args:
        thresholds: a float or several: a prediction above it is positive; 0.5 if None (default).
            For logits pass 0.0.
        name: name in logs; the class's name in snake case if empty (default).

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
        thresholds: a float or several: a prediction above it is positive; 0.5 if None (default).
            For logits pass 0.0.
        name: name in logs; the class's name in snake case if empty (default).

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
        thresholds: a float or several: a prediction above it is positive; 0.5 if None (default).
            For logits pass 0.0.
        name: name in logs; the class's name in snake case if empty (default).

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
        thresholds: a float or several: a prediction above it is positive; 0.5 if None (default).
            For logits pass 0.0.
        name: name in logs; the class's name in snake case if empty (default).

    >>> metric = FalseNegatives()
    >>> labels, predictions = jnp.array([0, 0, 1, 1, 1]), jnp.array([0.9, 0.1, 0.9, 0.1, 0.2])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    2.0
    """

    direction = "down"

    def _select(self, positive: jax.Array, label: jax.Array) -> jax.Array:
        return ~positive & label


def _highest(p: jax.Array, k: int) -> jax.Array:
    """Keep the k highest values of the last axis, and set the others to minus infinity."""
    _, places = jax.lax.top_k(p, k)
    kept = (places[..., None] == jnp.arange(p.shape[-1])).any(-2)
    return jnp.where(kept, p, -jnp.inf)
