"""Counts at many thresholds, and the area under the curve over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.losses.shapes import match_shapes, spread
from lamina.metrics.checks import check_thresholds
from lamina.metrics.metric import Metric, State, divide
from lamina.narrowing import array_of

__all__ = ["AUC", "ThresholdHistogram", "counts", "histogram"]

_EPSILON = 1e-7


def histogram(thresholds: jax.Array, p: jax.Array, w: jax.Array) -> jax.Array:
    """Sum the weights of the predictions in each interval between sorted thresholds.

    Args:
        thresholds: ``[thresholds]``, sorted.
        p: ``[values, labels]``, predictions.
        w: ``[values, labels]``, their weights.

    Returns:
        ``[thresholds + 1, labels]``; the first interval is below the first threshold, the last
        one above the last.

    >>> thresholds = jnp.array([0.0, 0.5])
    >>> histogram(thresholds, jnp.array([[0.2], [0.7], [0.9]]), jnp.ones((3, 1))).tolist()
    [[0.0], [1.0], [2.0]]
    """
    place = jnp.searchsorted(thresholds, p, side="left")
    empty = jnp.zeros((thresholds.shape[0] + 1, p.shape[1]), jnp.float32)
    return empty.at[place, jnp.arange(p.shape[1])].add(w)


def counts(found: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sum a histogram above each threshold, and up to it.

    Args:
        found: ``[thresholds + 1, labels]``, from :func:`histogram`.

    Returns:
        Two arrays ``[thresholds, labels]``: the weights above each threshold, and the others.

    >>> above, below = counts(jnp.array([[1.0], [2.0], [4.0]]))
    >>> above.tolist(), below.tolist()
    ([[6.0], [4.0]], [[1.0], [3.0]])
    """
    below = jnp.cumsum(found, axis=0)[:-1]
    is_none = jnp.flip(jnp.cumsum(jnp.flip(found, 0), axis=0), 0)[1:] == 0
    return jnp.where(is_none, 0.0, found.sum(0) - below), below  # 0 in spite of rounding


@dataclass(eq=False)
class ThresholdHistogram(Metric):
    """The base class of metrics of many thresholds: histograms of predictions for each label."""

    direction = "up"

    def thresholds_used(self) -> np.ndarray:
        """The sorted thresholds, ``[thresholds]``."""
        raise NotImplementedError

    def columns(self, y_pred: Any) -> int:
        """The number of labels that are evaluated separately.

        Args:
            y_pred: the predictions; None before the first batch.
        """
        return 1

    def init(self, y_true: Any = None, y_pred: Any = None) -> State:
        empty = jnp.zeros((len(self.thresholds_used()) + 1, self.columns(y_pred)), jnp.float32)
        return empty, empty

    def add(self, state: State, y: jax.Array, p: jax.Array, w: jax.Array) -> State:
        """Add a batch ``[values, labels]`` to the histograms of positive and negative labels.

        Predictions outside of [0, 1] are clipped to it, so that every curve begins and ends at all
        predictions positive and none.
        """
        p = jnp.clip(p, 0.0, 1.0)
        thresholds = jnp.asarray(self.thresholds_used(), jnp.float32)
        weights = jnp.where(y, w, 0.0), jnp.where(y, 0.0, w)
        hits, others = (
            old + histogram(thresholds, p, w) for old, w in zip(state, weights, strict=True)
        )
        return hits, others


@dataclass(eq=False)
class AUC(ThresholdHistogram):
    """The area under the ROC or precision-recall curve, in [0, 1].

    The integral over thresholds, ``sum((x[i] - x[i + 1]) (y[i] + y[i + 1]) / 2)`` for the
    trapezoids of a ROC curve with x the false positive rate and y the true positive rate.

    Labels of 0 and 1 and predictions are ``[batch, ...]``, or ``[batch, labels]`` with
    ``multi_label``. Predictions outside of [0, 1] are clipped to it; for logits pass
    ``from_logits=True``.

    Args:
        num_thresholds: an integer of at least 2, the number of thresholds evenly spaced in [0, 1];
            200 by default.
        curve: ``"ROC"`` (default), ``"PR"`` (precision over recall) or ``"PRGAIN"``.
        summation_method: ``"interpolation"`` (default), ``"minoring"`` for the lower sum or
            ``"majoring"`` for the upper sum.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        thresholds: floats in [0, 1] to use instead of evenly spaced ones; None by default.
        multi_label: whether the result is the mean of one area per label; False by default.
        num_labels: the number of labels with ``multi_label``; None (default) takes that of the
            predictions.
        label_weights: ``[labels]``, non-negative weights of the labels; None (default) weights all
            equally.
        from_logits: whether predictions are logits instead of probabilities; False by default.

    Raises:
        InputError: an option is not one of these, a threshold is not in [0, 1], or the predictions
            of several labels are not ``[batch, labels]``.

    Source: Davis, Goadrich, The relationship between precision-recall and ROC curves, ICML 2006.

    >>> auc = AUC()
    >>> labels, predictions = jnp.array([0, 0, 1, 1]), jnp.array([0.0, 0.5, 0.3, 0.9])
    >>> round(auc.result(auc.update(auc.init(), labels, predictions)).item(), 4)
    0.75
    """

    num_thresholds: int = 200
    curve: str = "ROC"
    summation_method: str = "interpolation"
    name: str = ""
    dtype: Any = None
    thresholds: Sequence[float] | None = None
    multi_label: bool = False
    num_labels: int | None = None
    label_weights: Any = None
    from_logits: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.curve = self.curve.upper()
        self.summation_method = self.summation_method.lower()
        _check_known("curve", self.curve, ("ROC", "PR", "PRGAIN"))
        methods = ("interpolation", "minoring", "majoring")
        _check_known("summation_method", self.summation_method, methods)
        check_thresholds(self, self.thresholds)
        count: Any = self.num_thresholds
        integer = isinstance(count, int | np.integer)
        if self.thresholds is None and not (integer and count >= 2):
            raise InputError(
                explain(
                    "AUC got an invalid num_thresholds.",
                    expected="an integer of at least 2",
                    received=repr(self.num_thresholds),
                    remedy="Omit it for the default, 200.",
                )
            )

    def thresholds_used(self) -> np.ndarray:
        inner = self.thresholds
        if inner is None:
            inner = np.arange(1, self.num_thresholds - 1) / (self.num_thresholds - 1)
        return np.concatenate([[-_EPSILON], np.sort(inner), [1.0 + _EPSILON]])

    @property
    def shaped(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the predictions tell the number of labels."""
        return self.multi_label and self.num_labels is None

    def columns(self, y_pred: Any) -> int:
        if not self.multi_label:
            return 1
        return self.num_labels or (1 if y_pred is None else y_pred.shape[-1])

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = match_shapes(array_of(y_true), array_of(y_pred))
        if self.multi_label and (p.ndim != 2 or self.num_labels not in (None, p.shape[1])):
            raise InputError(_not_multi_label(self.num_labels, p.shape))
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
        (hits, misses), (alarms, rejections) = counts(state[0]), counts(state[1])
        if (self.curve, self.summation_method) == ("PR", "interpolation"):
            areas = _precision_recall(hits, alarms, misses)
        else:
            x, y = self._points(hits, misses, alarms, rejections)
            low, high = jnp.minimum(y[:-1], y[1:]), jnp.maximum(y[:-1], y[1:])
            middle = {"minoring": low, "majoring": high}.get(self.summation_method)
            heights = (y[:-1] + y[1:]) / 2.0 if middle is None else middle
            areas = jnp.sum((x[:-1] - x[1:]) * heights, axis=0)
        if self.multi_label and self.label_weights is not None:
            weights = jnp.asarray(self.label_weights, jnp.float32)
            return self._cast(divide(jnp.sum(areas * weights), weights.sum()))
        return self._cast(areas.mean())

    def _points(
        self, hits: jax.Array, misses: jax.Array, alarms: jax.Array, rejections: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Compute the curve's x and y at each threshold."""
        recall = divide(hits, hits + misses)
        if self.curve == "ROC":
            return divide(alarms, alarms + rejections), recall
        if self.curve == "PR":
            return recall, divide(hits, hits + alarms)
        positives, negatives, none = hits + misses, rejections + alarms, hits == 0
        gain = jnp.where(none, 0.0, _gain(hits, misses, positives, negatives))
        precision = jnp.where(none, 1.0, _gain(hits, alarms, positives, negatives))
        return jnp.maximum(gain, 0.0), precision


def _gain(
    hits: jax.Array, wrong: jax.Array, positives: jax.Array, negatives: jax.Array
) -> jax.Array:
    """Compute ``1 - (wrong / hits) (positives / negatives)`` as one fraction, for precision."""
    difference = hits * negatives - wrong * positives
    return jnp.where(negatives == 0, 1.0, divide(difference, hits * negatives))


def _precision_recall(hits: jax.Array, alarms: jax.Array, misses: jax.Array) -> jax.Array:
    """Integrate precision over recall; between thresholds, hits are linear in all positives."""
    positive = hits + alarms
    step, steps = hits[:-1] - hits[1:], positive[:-1] - positive[1:]
    slope = divide(step, jnp.maximum(steps, 0.0))
    start = hits[1:] - slope * positive[1:]
    both = (positive[:-1] > 0) & (positive[1:] > 0)
    ratio = jnp.where(both, divide(positive[:-1], positive[1:]), 1.0)
    grown = slope * (step + start * jnp.log(ratio))
    return jnp.sum(divide(grown, hits[1:] + misses[1:]), axis=0)


def _not_multi_label(num_labels: int | None, shape: tuple[int, ...]) -> str:
    return explain(
        "AUC of several labels got predictions of another shape.",
        expected=f"[batch, {num_labels or 'labels'}]",
        received=str(shape),
        remedy="Leave out multi_label for one area over all predictions.",
    )


def _check_known(option: str, given: str, names: Sequence[str]) -> None:
    if given not in names:
        raise InputError(
            explain(
                f"AUC got an unknown {option}.",
                expected=", ".join(names),
                received=repr(given),
                remedy="Leave it out for the default.",
            )
        )
