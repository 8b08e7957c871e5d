"""Accuracies as functions of labels and predictions: 1 for a hit, 0 for a miss."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.shapes import match_labels, match_shapes
from lamina.narrowing import array_of
from lamina.ops.arrays import as_ids

__all__ = [
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compare labels and predictions value by value: 1 where ``y_true = y_pred``, else 0.

    Args:
        y_true: ``[...]``, labels.
        y_pred: ``[...]``, predicted labels of the same shape.

    Returns:
        ``[...]``, float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> accuracy(jnp.array([1, 2]), jnp.array([1, 3])).tolist()
    [1.0, 0.0]
    """
    y, p = match_shapes(array_of(y_true), array_of(y_pred))
    return _hits(y == p)


def binary_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, threshold: float | jax.Array = 0.5
) -> jax.Array:
    """Compare yes-or-no labels and predictions: 1 where ``y_true = (y_pred > threshold)``, else 0.

    Args:
        y_true: ``[...]``, labels of 0 and 1.
        y_pred: ``[...]``, probabilities or logits of the same shape.
        threshold: a prediction above it counts as 1; 0.5 by default. For logits pass 0.0.

    Returns:
        ``[...]``, float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> binary_accuracy(jnp.array([1, 0]), jnp.array([0.9, 0.6])).tolist()
    [1.0, 0.0]
    """
    y, p = match_shapes(array_of(y_true), array_of(y_pred))
    return _hits(y == (p > threshold).astype(y.dtype))


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compare one-hot labels and predictions: 1 where ``argmax(y_true) = argmax(y_pred)``, else 0.

    Args:
        y_true: ``[..., classes]``, one-hot labels.
        y_pred: ``[..., classes]``, probabilities or logits.

    Returns:
        ``[...]``, float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> categorical_accuracy(jnp.array([[0, 1], [0, 1]]), jnp.array([[1, 2], [2, 1]])).tolist()
    [1.0, 0.0]
    """
    y, p = match_shapes(array_of(y_true), array_of(y_pred))
    return _hits(jnp.argmax(y, -1) == jnp.argmax(p, -1))


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compare integer labels and predictions: 1 where ``y_true = argmax(y_pred)``, else 0.

    Args:
        y_true: ``[...]`` or ``[..., 1]``, integer class labels.
        y_pred: ``[..., classes]``, probabilities or logits.

    Returns:
        ``[...]``, float32.

    Raises:
        InputError: ``y_true`` does not have one label per prediction.

    >>> sparse_categorical_accuracy(jnp.array([1, 1]), jnp.array([[1, 2], [2, 1]])).tolist()
    [1.0, 0.0]
    """
    y, p = match_labels(array_of(y_true), array_of(y_pred))
    return _hits(y == jnp.argmax(p, axis=-1))


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> jax.Array:
    """Check whether the class of a one-hot label is among the ``k`` highest predictions.

    Args:
        y_true: ``[..., classes]``, one-hot labels.
        y_pred: ``[..., classes]``, probabilities or logits.
        k: a positive integer, the number of classes that count as a hit; 5 by default.

    Returns:
        ``[...]``, float32: 1 for a hit, else 0.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> top_k_categorical_accuracy(jnp.array([[1, 0, 0]]), jnp.array([[2, 3, 1]]), k=2).tolist()
    [1.0]
    """
    return sparse_top_k_categorical_accuracy(jnp.argmax(array_of(y_true), -1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> jax.Array:
    """Check whether an integer label is among the ``k`` highest predictions, ties included.

    Args:
        y_true: ``[...]`` or ``[..., 1]``, integer class labels.
        y_pred: ``[..., classes]``, probabilities or logits; or class labels sorted by
            descending score, with ``from_sorted_ids``.
        k: a positive integer, the number of classes that count as a hit; 5 by default.
        from_sorted_ids: whether ``y_pred`` contains class labels instead of scores; False by
            default.

    Returns:
        ``[...]``, float32: 1 for a hit, else 0.

    Raises:
        InputError: ``y_true`` does not have one label per prediction.

    >>> scores = jnp.array([[3, 2, 1], [3, 2, 1]])
    >>> sparse_top_k_categorical_accuracy(jnp.array([0, 2]), scores, k=2).tolist()
    [1.0, 0.0]
    """
    y, p = match_labels(array_of(y_true), array_of(y_pred))
    label = as_ids(y)[..., None]
    if from_sorted_ids:
        return _hits((label == p[..., :k]).any(-1))
    score = jnp.take_along_axis(p, label, axis=-1, mode="clip")
    above = (~(p <= score)).sum(-1)  # NaN counts as above every score, and is never a hit
    return _hits((above < k) & ((label >= 0) & (label < p.shape[-1])).squeeze(-1))


def _hits(matches: jax.Array) -> jax.Array:
    return matches.astype(jnp.float32)
