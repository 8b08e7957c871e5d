"""Accuracies as metrics: the share of correct predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from lamina.counts import check_fields
from lamina.metrics.accuracy_functions import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from lamina.metrics.metric import BuiltIn, MeanMetric, select_by_shape

__all__ = [
    "Accuracy",
    "AutoAccuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]


@dataclass(eq=False)
class Accuracy(BuiltIn):
    """The share of values with ``y_true = y_pred``.

    Labels and predicted labels are ``[batch, ...]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = Accuracy()
    >>> metric.result(metric.update(metric.init(), jnp.array([1, 2]), jnp.array([1, 3]))).item()
    0.5
    """

    function = staticmethod(accuracy)
    direction = "up"


@dataclass(eq=False)
class BinaryAccuracy(BuiltIn):
    """The share of values with ``y_true = (y_pred > threshold)``.

    Labels of 0 and 1 and predictions are ``[batch, ...]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        threshold: a prediction above it counts as 1; 0.5 by default. For logits pass 0.0.

    >>> import jax.numpy as jnp
    >>> metric = BinaryAccuracy()
    >>> labels, predictions = jnp.array([1, 0]), jnp.array([0.9, 0.6])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    0.5
    """

    function = staticmethod(binary_accuracy)
    direction = "up"
    threshold: float = 0.5


@dataclass(eq=False)
class CategoricalAccuracy(BuiltIn):
    """The share of one-hot labels with ``argmax(y_true) = argmax(y_pred)``.

    Labels and predictions are ``[batch, ..., classes]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = CategoricalAccuracy()
    >>> labels, predictions = jnp.array([[0, 1], [0, 1]]), jnp.array([[1, 2], [2, 1]])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    0.5
    """

    function = staticmethod(categorical_accuracy)
    direction = "up"


@dataclass(eq=False)
class SparseCategoricalAccuracy(BuiltIn):
    """The share of integer labels with ``y_true = argmax(y_pred)``.

    Labels are ``[batch, ...]``, predictions ``[batch, ..., classes]``.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = SparseCategoricalAccuracy()
    >>> labels, predictions = jnp.array([1, 1]), jnp.array([[1, 2], [2, 1]])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    0.5
    """

    function = staticmethod(sparse_categorical_accuracy)
    direction = "up"


@dataclass(eq=False, init=False)
class TopKCategoricalAccuracy(BuiltIn):
    """The share of one-hot labels whose class is among the ``k`` highest predictions.

    Labels and predictions are ``[batch, ..., classes]``; see
    :func:`lamina.metrics.top_k_categorical_accuracy`.

    Args:
        k: a positive integer, the number of classes that count as a hit; 5 by default.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = TopKCategoricalAccuracy(k=2)
    >>> labels, predictions = jnp.array([[1, 0, 0]]), jnp.array([[2, 3, 1]])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    1.0
    """

    function = staticmethod(top_k_categorical_accuracy)
    direction = "up"
    k: int

    def __init__(self, k: int = 5, name: str = "", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.k = k
        check_fields(self)


@dataclass(eq=False, init=False)
class SparseTopKCategoricalAccuracy(BuiltIn):
    """The share of integer labels that are among the ``k`` highest predictions.

    Labels are ``[batch, ...]``, predictions ``[batch, ..., classes]``; see
    :func:`lamina.metrics.sparse_top_k_categorical_accuracy`.

    Args:
        k: a positive integer, the number of classes that count as a hit; 5 by default.
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.
        from_sorted_ids: whether predictions are class labels sorted by descending score, instead
            of scores; False by default.

    >>> import jax.numpy as jnp
    >>> metric = SparseTopKCategoricalAccuracy(k=2)
    >>> labels, predictions = jnp.array([0, 2]), jnp.array([[3, 2, 1], [3, 2, 1]])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    0.5
    """

    function = staticmethod(sparse_top_k_categorical_accuracy)
    direction = "up"
    k: int
    from_sorted_ids: bool

    def __init__(
        self, k: int = 5, name: str = "", dtype: Any = None, from_sorted_ids: bool = False
    ) -> None:
        super().__init__(name, dtype)
        self.k, self.from_sorted_ids = k, from_sorted_ids
        check_fields(self)


class AutoAccuracy(MeanMetric):
    """The accuracy that matches the shapes of labels and predictions, named `"accuracy"`.

    | predictions           | labels                | accuracy           |
    |-----------------------|-----------------------|--------------------|
    | `[..., 1]`, or `[n]`  | any                   | binary             |
    | `[..., classes]`      | `[...]` or `[..., 1]` | sparse categorical |
    | `[..., classes]`      | `[..., classes]`      | categorical        |

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = AutoAccuracy()
    >>> labels, predictions = jnp.array([1, 1]), jnp.array([[1, 2], [2, 1]])
    >>> metric.result(metric.update(metric.init(), labels, predictions)).item()
    0.5
    """

    direction = "up"

    def values(self, y_true: Any, y_pred: Any) -> jax.Array:
        functions = binary_accuracy, sparse_categorical_accuracy, categorical_accuracy
        return select_by_shape(functions, y_true, y_pred)
