"""Accuracies: how often the prediction is the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.shapes import match_labels, match_shapes
from lamina.metrics.metric import BuiltIn, MeanMetric, fitting
from lamina.narrowing import array_of
from lamina.ops.arrays import as_ids

__all__ = [
    "Accuracy",
    "AutoAccuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``y = p``, value by value.

    >>> accuracy(jnp.array([1, 2]), jnp.array([1, 3])).tolist()
    [1.0, 0.0]
    """
    y, p = match_shapes(array_of(y_true), array_of(y_pred))
    return _hits(y == p)


def binary_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, threshold: float | jax.Array = 0.5
) -> jax.Array:
    """``y = [p > threshold]`` for labels of 0 and 1; the threshold for logits is 0."""
    y, p = match_shapes(array_of(y_true), array_of(y_pred))
    return _hits(y == (p > threshold).astype(y.dtype))


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``argmax y = argmax p`` over the last axis, for one-hot y."""
    y, p = match_shapes(array_of(y_true), array_of(y_pred))
    return _hits(jnp.argmax(y, -1) == jnp.argmax(p, -1))


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``y = argmax p`` over the last axis, for class numbers y ([...] or [..., 1])."""
    y, p = match_labels(array_of(y_true), array_of(y_pred))
    return _hits(y == jnp.argmax(p, axis=-1))


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> jax.Array:
    """Whether argmax y is among the `k` classes predicted most likely, for one-hot y."""
    return sparse_top_k_categorical_accuracy(jnp.argmax(array_of(y_true), -1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> jax.Array:
    """Whether y is among the `k` classes predicted most likely, ties included.

    With `from_sorted_ids`, the predictions are the numbers of classes, the likeliest first.

    >>> sparse_top_k_categorical_accuracy(jnp.array([0, 2]), jnp.array([[3, 2, 1], [3, 2, 1]]), 2)
    Array([1., 0.], dtype=float32)
    """
    y, p = match_labels(array_of(y_true), array_of(y_pred))
    label = as_ids(y)[..., None]
    if from_sorted_ids:
        return _hits((label == p[..., :k]).any(-1))
    score = jnp.take_along_axis(p, label, axis=-1, mode="clip")
    above = (~(p <= score)).sum(-1)  # a NaN is above everything, and so never a hit
    return _hits((above < k) & ((label >= 0) & (label < p.shape[-1])).squeeze(-1))


@dataclass(eq=False)
class Accuracy(BuiltIn):
    """The share of values with ``y = p``."""

    function = staticmethod(accuracy)
    direction = "up"


@dataclass(eq=False)
class BinaryAccuracy(BuiltIn):
    """The share of values with ``y = [p > threshold]``."""

    function = staticmethod(binary_accuracy)
    direction = "up"
    threshold: float = 0.5


@dataclass(eq=False)
class CategoricalAccuracy(BuiltIn):
    """The share of one-hot labels that are the likeliest class."""

    function = staticmethod(categorical_accuracy)
    direction = "up"


@dataclass(eq=False)
class SparseCategoricalAccuracy(BuiltIn):
    """The share of class numbers that are the likeliest class."""

    function = staticmethod(sparse_categorical_accuracy)
    direction = "up"


@dataclass(eq=False, init=False)
class TopKCategoricalAccuracy(BuiltIn):
    """The share of one-hot labels among the `k` likeliest classes."""

    function = staticmethod(top_k_categorical_accuracy)
    direction = "up"
    k: int

    def __init__(self, k: int = 5, name: str = "") -> None:
        super().__init__(name)
        self.k = k


@dataclass(eq=False, init=False)
class SparseTopKCategoricalAccuracy(BuiltIn):
    """The share of class numbers among the `k` likeliest classes.

    Args:
        k: how many.
        name: for logs.
        from_sorted_ids: predictions are the numbers of classes, the likeliest first, instead of
            what each class scores.
    """

    function = staticmethod(sparse_top_k_categorical_accuracy)
    direction = "up"
    k: int
    from_sorted_ids: bool

    def __init__(self, k: int = 5, name: str = "", from_sorted_ids: bool = False) -> None:
        super().__init__(name)
        self.k, self.from_sorted_ids = k, from_sorted_ids


class AutoAccuracy(MeanMetric):
    """What `"accuracy"` stands for: the accuracy that the shapes of labels and predictions fit.

    | predictions           | labels                | accuracy           |
    |-----------------------|-----------------------|--------------------|
    | `[..., 1]`, or `[n]`  | any                   | binary             |
    | `[..., classes]`      | `[...]` or `[..., 1]` | sparse categorical |
    | `[..., classes]`      | `[..., classes]`      | categorical        |
    """

    direction = "up"

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        kinds = binary_accuracy, sparse_categorical_accuracy, categorical_accuracy
        return fitting(kinds, y_true, y_pred)


def _hits(matches: jax.Array) -> jax.Array:
    return matches.astype(jnp.float32)
