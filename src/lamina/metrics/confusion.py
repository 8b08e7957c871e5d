"""Yes and no, right and wrong: counts, and precision and recall, divided only at the end."""

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
class _Share(Metric):
    """True positives over another count.

    Args:
        thresholds: of probability, above which a prediction is a yes; 0.5 if left out. Several give
            a result for each. For logits give 0.
        top_k: count only the `top_k` likeliest classes of each prediction as a yes.
        class_id: look at this class alone.
    """

    direction = "up"
    thresholds: float | Sequence[float] | None = None
    top_k: int | None = None
    class_id: int | None = None

    def init(self) -> State:
        zeros = jnp.zeros(self._levels().shape, jnp.float32)
        return zeros, zeros

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        if self.top_k is not None:
            p = _likeliest(p, self.top_k)
        if self.class_id is not None:
            _see_classes(self, p)
            y, p = y[..., self.class_id], p[..., self.class_id]
        w = jnp.ones(p.shape, jnp.float32)
        if sample_weight is not None:
            w = spread(sample_weight, w)
        label = jnp.broadcast_to(y.astype(bool), p.shape).reshape(-1)
        yes = p.reshape(-1) > self._levels().reshape(-1, 1)  # [thresholds, values]
        hits, others = state
        hits += ((yes & label) * w.reshape(-1)).sum(-1).reshape(hits.shape)
        others += (self._others(yes, label) * w.reshape(-1)).sum(-1).reshape(others.shape)
        return hits, others

    def result(self, state: State) -> jax.Array:
        hits, others = state
        return divide(hits, hits + others)

    def _levels(self) -> jax.Array:
        default = 0.5 if self.top_k is None else -jnp.inf
        return jnp.asarray(default if self.thresholds is None else self.thresholds, jnp.float32)

    def _others(self, yes: jax.Array, label: jax.Array) -> jax.Array:
        raise NotImplementedError


def _see_classes(metric: _Share, predictions: jax.Array) -> None:
    if predictions.ndim < 2:
        raise InputError(
            explain(
                f"{metric.name} of one class got predictions without an axis of classes.",
                expected=f"[..., classes], of which class_id={metric.class_id} is one",
                received=f"an array of shape {predictions.shape}",
                remedy="Leave out class_id, or give a column for each class.",
            )
        )


class Precision(_Share):
    """The share of right ones among the predicted: ``TP / (TP + FP)``.

    >>> precision = Precision()
    >>> labels, predictions = jnp.array([0, 1, 1, 1]), jnp.array([0.9, 0.9, 0.9, 0.1])
    >>> print(precision.result(precision.update(precision.init(), labels, predictions)))
    0.6666667
    """

    def _others(self, yes: jax.Array, label: jax.Array) -> jax.Array:
        return yes & ~label


class Recall(_Share):
    """The share of the predicted among the right ones: ``TP / (TP + FN)``.

    >>> recall = Recall(thresholds=[0.05, 0.5])
    >>> labels, predictions = jnp.array([0, 1, 1, 1]), jnp.array([0.9, 0.9, 0.9, 0.1])
    >>> print(recall.result(recall.update(recall.init(), labels, predictions)))
    [1.        0.6666667]
    """

    def _others(self, yes: jax.Array, label: jax.Array) -> jax.Array:
        return ~yes & label


@dataclass(eq=False)
class _Count(Metric):
    """How many decisions are of one kind.

    Args:
        thresholds: above which a prediction is a yes; 0.5 if left out. Several give a count each.
    """

    thresholds: float | Sequence[float] | None = None

    def init(self) -> State:
        return (jnp.zeros(self._levels().shape, jnp.float32),)

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        w = jnp.ones(p.shape, jnp.float32)
        if sample_weight is not None:
            w = spread(sample_weight, w)
        yes = p.reshape(-1) > self._levels().reshape(-1, 1)  # [thresholds, values]
        found = self._kind(yes, y.astype(bool).reshape(-1))
        (count,) = state
        return (count + (found * w.reshape(-1)).sum(-1).reshape(count.shape),)

    def result(self, state: State) -> jax.Array:
        return state[0]

    def _levels(self) -> jax.Array:
        return jnp.asarray(0.5 if self.thresholds is None else self.thresholds, jnp.float32)

    def _kind(self, yes: jax.Array, label: jax.Array) -> jax.Array:
        raise NotImplementedError


class TruePositives(_Count):
    """How many are said to be, and are."""

    direction = "up"

    def _kind(self, yes: jax.Array, label: jax.Array) -> jax.Array:
        return yes & label


class TrueNegatives(_Count):
    """How many are said not to be, and are not."""

    direction = "up"

    def _kind(self, yes: jax.Array, label: jax.Array) -> jax.Array:
        return ~yes & ~label


class FalsePositives(_Count):
    """How many are said to be, and are not."""

    direction = "down"

    def _kind(self, yes: jax.Array, label: jax.Array) -> jax.Array:
        return yes & ~label


class FalseNegatives(_Count):
    """How many are said not to be, and are."""

    direction = "down"

    def _kind(self, yes: jax.Array, label: jax.Array) -> jax.Array:
        return ~yes & label


def _likeliest(p: jax.Array, k: int) -> jax.Array:
    """The k greatest of the last axis; the others are put below every threshold."""
    _, places = jax.lax.top_k(p, k)
    kept = (places[..., None] == jnp.arange(p.shape[-1])).any(-2)
    return jnp.where(kept, p, -jnp.inf)
