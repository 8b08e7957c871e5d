"""Intersection over union of classes, from the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.counts import as_count
from lamina.errors import InputError, explain
from lamina.losses.shapes import spread
from lamina.metrics.metric import Metric, State, divide
from lamina.narrowing import array_of
from lamina.ops.arrays import as_ids

__all__ = ["BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"]


@dataclass(eq=False)
class IoU(Metric):
    """The mean intersection over union of some classes: ``mean(TP / (TP + FP + FN))``.

    Classes that do not occur do not count. Labels and predictions are integers ``[batch, ...]``,
    or scores ``[batch, ..., classes]``.

    Args:
        num_classes: a positive integer, the number of classes; labels outside of
            [0, num_classes) do not count.
        target_class_ids: the classes to average over, integers in [0, num_classes).
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        ignore_class: a label that is not counted; None (default) for none.
        sparse_y_true: whether labels are integers (default) instead of one-hot.
        sparse_y_pred: whether predictions are integers (default) instead of scores.
        axis: axis of the classes of one-hot labels and of scores; -1 by default.

    Raises:
        InputError: a target class is out of range.

    >>> iou = IoU(num_classes=2, target_class_ids=[0])
    >>> state = iou.update(iou.init(), jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    >>> round(iou.result(state).item(), 4)
    0.3333
    """

    num_classes: int
    target_class_ids: Sequence[int]
    name: str = ""
    dtype: Any = None
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1
    direction = "up"
    state_names = ("total_cm",)

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = [number for number in self.target_class_ids if not 0 <= number < self.num_classes]
        if wrong:
            raise InputError(
                explain(
                    f"{type(self).__name__} got a target class that is out of range.",
                    expected=f"integers in [0, {self.num_classes})",
                    received=str(wrong[0]),
                    remedy="Raise num_classes, or leave that class out.",
                )
            )

    def init(self) -> State:
        return (jnp.zeros((self.num_classes, self.num_classes), jnp.float32),)

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        y, p = array_of(y_true), array_of(y_pred)
        y = y if self.sparse_y_true else jnp.argmax(y, self.axis)
        p = p if self.sparse_y_pred else jnp.argmax(p, self.axis)
        w = jnp.ones(y.shape, jnp.int32)  # exact for any number of pixels in a batch
        if sample_weight is not None:
            w = spread(sample_weight, w.astype(jnp.float32))
        y, p = (as_ids(array).reshape(-1) for array in (y, p))
        known = (y >= 0) & (y < self.num_classes) & (p >= 0) & (p < self.num_classes)
        if self.ignore_class is not None:
            known &= y != self.ignore_class
        w = jnp.where(known, w.reshape(-1), 0)
        found = jnp.zeros(state[0].shape, w.dtype)
        return (state[0] + found.at[jnp.where(known, y, 0), jnp.where(known, p, 0)].add(w),)

    def result(self, state: State) -> jax.Array:
        (matrix,) = state
        classes = jnp.asarray(self.target_class_ids)
        hits = jnp.diag(matrix)
        union = (matrix.sum(0) + matrix.sum(1) - hits)[classes]
        count = (union > 0).sum().astype(jnp.float32)
        return self._cast(divide(divide(hits[classes], union).sum(), count))


class MeanIoU(IoU):
    """The mean intersection over union of all classes: ``mean(TP / (TP + FP + FN))``.

    Classes that do not occur do not count. Labels and predictions are integers ``[batch, ...]``,
    or scores ``[batch, ..., classes]``.

    Args:
        num_classes: a positive integer, the number of classes; labels outside of
            [0, num_classes) do not count.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        ignore_class: a label that is not counted; None (default) for none.
        sparse_y_true: whether labels are integers (default) instead of one-hot.
        sparse_y_pred: whether predictions are integers (default) instead of scores.
        axis: axis of the classes of one-hot labels and of scores; -1 by default.

    >>> iou = MeanIoU(num_classes=2)
    >>> state = iou.update(iou.init(), jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1]))
    >>> round(iou.result(state).item(), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "",
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        classes = list(range(as_count("num_classes", num_classes)))
        options = (ignore_class, sparse_y_true, sparse_y_pred, axis)
        super().__init__(num_classes, classes, name, dtype, *options)


class OneHotIoU(IoU):
    """The mean intersection over union of some classes, for one-hot labels.

    ``mean(TP / (TP + FP + FN))``; classes that do not occur do not count.

    Labels and predictions are ``[batch, ..., classes]``.

    Args:
        num_classes: a positive integer, the number of classes.
        target_class_ids: the classes to average over, integers in [0, num_classes).
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        ignore_class: a label that is not counted; None (default) for none.
        sparse_y_pred: whether predictions are integers instead of scores; False by default.
        axis: axis of the classes; -1 by default.

    Raises:
        InputError: a target class is out of range.

    >>> iou = OneHotIoU(num_classes=2, target_class_ids=[0])
    >>> labels, predictions = jnp.array([[1, 0], [0, 1]]), jnp.array([[0.9, 0.1], [0.6, 0.4]])
    >>> iou.result(iou.update(iou.init(), labels, predictions)).item()
    0.5
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str = "",
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        options = (ignore_class, False, sparse_y_pred, axis)
        super().__init__(num_classes, target_class_ids, name, dtype, *options)


class OneHotMeanIoU(MeanIoU):
    """The mean intersection over union of all classes, for one-hot labels.

    ``mean(TP / (TP + FP + FN))``; classes that do not occur do not count.

    Labels and predictions are ``[batch, ..., classes]``.

    Args:
        num_classes: a positive integer, the number of classes.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        ignore_class: a label that is not counted; None (default) for none.
        sparse_y_pred: whether predictions are integers instead of scores; False by default.
        axis: axis of the classes; -1 by default.

    >>> iou = OneHotMeanIoU(num_classes=2)
    >>> labels, predictions = jnp.array([[1, 0], [0, 1]]), jnp.array([[0.9, 0.1], [0.6, 0.4]])
    >>> iou.result(iou.update(iou.init(), labels, predictions)).item()
    0.25
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "",
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)


class BinaryIoU(IoU):
    """The mean intersection over union of the two classes of yes-or-no labels.

    ``mean(TP / (TP + FP + FN))``, where predictions of at least ``threshold`` are of class 1.

    Labels of 0 and 1 and probabilities are ``[batch, ...]``.

    Args:
        target_class_ids: the classes to average over; ``(0, 1)`` by default.
        threshold: the least prediction of class 1; 0.5 by default.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    Raises:
        InputError: a target class is neither 0 nor 1.

    >>> iou = BinaryIoU()
    >>> state = iou.update(iou.init(), jnp.array([0, 0, 1, 1]), jnp.array([0.1, 0.9, 0.2, 0.8]))
    >>> round(iou.result(state).item(), 4)
    0.3333
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str = "",
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update(
        self, state: State, y_true: Any, y_pred: Any, /, sample_weight: ArrayLike | None = None
    ) -> State:
        positive = array_of(y_pred) >= self.threshold
        return super().update(state, y_true, positive, sample_weight=sample_weight)
