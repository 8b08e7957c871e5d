"""Counts at many thresholds at once, and what curves over them come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.losses.shapes import match_shapes, spread
from lamina.metrics.metric import Metric, State, divide
from lamina.narrowing import array_of

__all__ = ["AUC", "Counted", "counts", "histogram"]

_EPSILON = 1e-7


def histogram(levels: jax.Array, p: jax.Array, w: jax.Array) -> jax.Array:
    """The weight between each two neighbours of sorted `levels`, below the first, above the last.

    Args:
        levels: [levels], sorted.
        p: [values, labels] predictions.
        w: [values, labels] weights.

    Returns:
        [levels + 1, labels]

    >>> levels = jnp.array([0.0, 0.5])
    >>> histogram(levels, jnp.array([[0.2], [0.7], [0.9]]), jnp.ones((3, 1))).tolist()
    [[0.0], [1.0], [2.0]]
    """
    place = jnp.searchsorted(levels, p, side="left")
    empty = jnp.zeros((levels.shape[0] + 1, p.shape[1]), jnp.float32)
    return empty.at[place, jnp.arange(p.shape[1])].add(w)


def counts(found: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How much lies above each level, and how much does not, from a histogram."""
    below = jnp.cumsum(found, axis=0)[:-1]
    return found.sum(0) - below, below


@dataclass(eq=False)
class Counted(Metric):
    """The base of metrics of many thresholds: histograms of predictions, by label."""

    direction = "up"

    def levels(self) -> np.ndarray:
        raise NotImplementedError

    def columns(self, y_pred: Any) -> int:
        return 1

    def init(self, y_true: Any = None, y_pred: Any = None) -> State:
        empty = jnp.zeros((len(self.levels()) + 1, self.columns(y_pred)), jnp.float32)
        return empty, empty

    def add(self, state: State, y: jax.Array, p: jax.Array, w: jax.Array) -> State:
        """A batch as [values, labels] added."""
        levels = jnp.asarray(self.levels(), jnp.float32)
        right = jnp.where(y, w, 0.0), jnp.where(y, 0.0, w)
        hits, others = (old + histogram(levels, p, w) for old, w in zip(state, right, strict=True))
        return hits, others


@dataclass(eq=False)
class AUC(Counted):
    """The area under a curve over thresholds: ROC (hit rate over false alarm rate), or PR.

    Args:
        num_thresholds: from 0 to 1, evenly; at least 2.
        curve: `"ROC"`, `"PR"` (precision over recall) or `"PRGAIN"`.
        summation_method: `"interpolation"`, `"minoring"` or `"majoring"`.
        thresholds: those to use, instead.
        multi_label: an area for each label, and the mean of those.
        num_labels: how many labels, if `multi_label`; known from the predictions otherwise.
        label_weights: what each label counts.
        from_logits: predictions are logits.

    Raises:
        InputError: an option is unknown, or there are too few thresholds.

    Source: Davis, Goadrich, The relationship between precision-recall and ROC curves, ICML 2006.

    >>> auc = AUC()
    >>> labels, predictions = jnp.array([0, 0, 1, 1]), jnp.array([0.0, 0.5, 0.3, 0.9])
    >>> round(auc.result(auc.update(auc.init(), labels, predictions)).item(), 4)
    0.75
    """

    num_thresholds: int = 200
    curve: str = "ROC"
    summation_method: str = "interpolation"
    thresholds: Sequence[float] | None = None
    multi_label: bool = False
    num_labels: int | None = None
    label_weights: Any = None
    from_logits: bool = False
    shaped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.curve = self.curve.upper()
        self.summation_method = self.summation_method.lower()
        _known("curve", self.curve, ("ROC", "PR", "PRGAIN"))
        methods = ("interpolation", "minoring", "majoring")
        _known("summation_method", self.summation_method, methods)
        count: Any = self.num_thresholds
        if self.thresholds is None and (not isinstance(count, int) or count < 2):
            raise InputError(
                explain(
                    "AUC got a bad num_thresholds.",
                    expected="a whole number from 2 up: 0 and 1 are among them",
                    received=repr(count),
                    remedy="Leave it out for 200.",
                )
            )

    def levels(self) -> np.ndarray:
        inner = self.thresholds
        if inner is None:
            inner = np.arange(1, self.num_thresholds - 1) / (self.num_thresholds - 1)
        return np.concatenate([[-_EPSILON], np.sort(inner), [1.0 + _EPSILON]])

    def columns(self, y_pred: Any) -> int:
        if not self.multi_label:
            return 1
        return self.num_labels or (1 if y_pred is None else y_pred.shape[-1])

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        p = p.astype(jnp.float32)
        p = jax.nn.sigmoid(p) if self.from_logits else p
        w = jnp.ones(p.shape, jnp.float32)
        if sample_weight is not None:
            w = spread(sample_weight, w)
        if self.label_weights is not None and not self.multi_label:
            w = w * jnp.asarray(self.label_weights, jnp.float32)
        form = (-1, p.shape[-1]) if self.multi_label else (-1, 1)
        return self.add(state, y.astype(bool).reshape(form), p.reshape(form), w.reshape(form))

    def result(self, state: State) -> jax.Array:
        (hits, misses), (alarms, passes) = counts(state[0]), counts(state[1])
        if (self.curve, self.summation_method) == ("PR", "interpolation"):
            areas = _precision_recall(hits, alarms, misses)
        else:
            x, y = self._points(hits, misses, alarms, passes)
            low, high = jnp.minimum(y[:-1], y[1:]), jnp.maximum(y[:-1], y[1:])
            middle = {"minoring": low, "majoring": high}.get(self.summation_method)
            heights = (y[:-1] + y[1:]) / 2.0 if middle is None else middle
            areas = jnp.sum((x[:-1] - x[1:]) * heights, axis=0)
        if self.multi_label and self.label_weights is not None:
            weights = jnp.asarray(self.label_weights, jnp.float32)
            return divide(jnp.sum(areas * weights), weights.sum())
        return areas.mean()

    def _points(
        self, hits: jax.Array, misses: jax.Array, alarms: jax.Array, passes: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """The curve's x and y at each threshold."""
        recall = divide(hits, hits + misses)
        if self.curve == "ROC":
            return divide(alarms, alarms + passes), recall
        if self.curve == "PR":
            return recall, divide(hits, hits + alarms)
        yes, no, none = hits + misses, passes + alarms, hits == 0
        gain = jnp.where(none, 0.0, _gain(hits, misses, yes, no))
        precision = jnp.where(none, 1.0, _gain(hits, alarms, yes, no))
        return jnp.maximum(gain, 0.0), precision


def _gain(hits: jax.Array, wrong: jax.Array, yes: jax.Array, no: jax.Array) -> jax.Array:
    """``1 - (wrong / hits) (yes / no)``, as one fraction: little may be left of 1."""
    return jnp.where(no == 0, 1.0, divide(hits * no - wrong * yes, hits * no))


def _precision_recall(hits: jax.Array, alarms: jax.Array, misses: jax.Array) -> jax.Array:
    """The area under precision over recall: between thresholds, hits grow in step with alarms."""
    yes = hits + alarms
    step, steps = hits[:-1] - hits[1:], yes[:-1] - yes[1:]
    slope = divide(step, jnp.maximum(steps, 0.0))
    start = hits[1:] - slope * yes[1:]
    both = (yes[:-1] > 0) & (yes[1:] > 0)
    ratio = jnp.where(both, divide(yes[:-1], yes[1:]), 1.0)
    grown = slope * (step + start * jnp.log(ratio))
    return jnp.sum(divide(grown, hits[1:] + misses[1:]), axis=0)


def _known(option: str, given: str, names: Sequence[str]) -> None:
    if given not in names:
        raise InputError(
            explain(
                f"AUC got an unknown {option}.",
                expected=", ".join(names),
                received=repr(given),
                remedy="Leave it out for the usual one.",
            )
        )
