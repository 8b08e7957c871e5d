"""Cross-entropies of labels and predicted classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import float_pair, last_mean, match_labels
from lamina.narrowing import array_of
from lamina.ops import cross_entropy as entropy

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
]


def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Compute the mean cross-entropy of independent yes-or-no labels, in nats.

    ``mean(-y_true log(y_pred) - (1 - y_true) log(1 - y_pred))`` over ``axis``.

    Args:
        y_true: ``[..., outputs]``, labels in [0, 1].
        y_pred: ``[..., outputs]``, probabilities, or logits with ``from_logits``.
        from_logits: whether ``y_pred`` contains logits instead of probabilities; False by default.
        label_smoothing: a float s in [0, 1]: labels become ``y_true (1 - s) + s / 2``; 0.0 by
            default.
        axis: axis of the mean; -1 by default.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> binary_crossentropy(jnp.array([1.0]), jnp.array([100.0]), from_logits=True).item()
    0.0
    """
    y, p = float_pair(y_true, y_pred)
    y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return last_mean(entropy.binary_cross_entropy(y, p, from_logits=from_logits), axis)


def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Compute the cross-entropy of class distributions, in nats: ``-sum(y_true log(y_pred))``.

    Args:
        y_true: ``[..., classes]``, one-hot labels or probabilities.
        y_pred: ``[..., classes]``, probabilities, or logits with ``from_logits``.
        from_logits: whether ``y_pred`` contains logits instead of probabilities; False by default.
        label_smoothing: a float s in [0, 1]: labels become ``y_true (1 - s) + s / classes``;
            0.0 by default.
        axis: axis of the classes; -1 by default.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> f"{categorical_crossentropy(jnp.array([0.0, 1.0]), jnp.array([0.5, 0.5])):.4f}"
    '0.6931'
    """
    y, p = float_pair(y_true, y_pred)
    y = y * (1.0 - label_smoothing) + label_smoothing / y.shape[axis]
    return entropy.cross_entropy(y, p, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> jax.Array:
    """Compute the cross-entropy of integer class labels, in nats: ``-log(y_pred[y_true])``.

    Args:
        y_true: ``[...]`` or ``[..., 1]``, integer class labels in [0, classes). Others give NaN.
        y_pred: ``[..., classes]``, probabilities, or logits with ``from_logits``.
        from_logits: whether ``y_pred`` contains logits instead of probabilities; False by default.
        ignore_class: a label whose loss is 0, such as that of padding; None (default) for none.
        axis: axis of the classes in ``y_pred``; -1 by default.

    Returns:
        ``[...]``: one value per label, in at least float32.

    Raises:
        InputError: ``y_true`` does not have one label per prediction.

    >>> labels, logits = jnp.array([0, -1]), jnp.zeros((2, 4))
    >>> print(sparse_categorical_crossentropy(labels, logits, True, ignore_class=-1))
    [1.3862944 0.       ]
    """
    y, p = match_labels(array_of(y_true), array_of(y_pred), axis)
    if ignore_class is None:
        return entropy.sparse_cross_entropy(y, p, from_logits=from_logits, axis=axis)
    kept = y != ignore_class
    p = jnp.where(jnp.expand_dims(kept, axis), p, 1)  # ignored predictions must not spoil gradients
    values = entropy.sparse_cross_entropy(
        jnp.where(kept, y, 0), p, from_logits=from_logits, axis=axis
    )
    return jnp.where(kept, values, 0.0)


@dataclass(eq=False)
class BinaryCrossentropy(BuiltIn):
    """The cross-entropy of independent yes-or-no labels, in nats.

    ``mean(-y_true log(y_pred) - (1 - y_true) log(1 - y_pred))``

    Labels in [0, 1] and predictions are ``[batch, ..., outputs]``. The mean over the outputs is
    :func:`binary_crossentropy`.

    Args:
        from_logits: whether ``y_pred`` contains logits instead of probabilities; False by default.
        label_smoothing: a float s in [0, 1]: labels become ``y_true (1 - s) + s / 2``; 0.0 by
            default.
        axis: axis of the mean; -1 by default.
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> loss = BinaryCrossentropy(from_logits=True)
    >>> round(loss(jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 0.0]])).item(), 4)
    0.6931
    """

    function = staticmethod(binary_crossentropy)
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class CategoricalCrossentropy(BuiltIn):
    """The cross-entropy of class distributions, in nats: ``-sum(y_true log(y_pred))``.

    Labels (one-hot, or probabilities) and predictions are ``[batch, ..., classes]``. The value
    of each example is :func:`categorical_crossentropy`.

    Args:
        from_logits: whether ``y_pred`` contains logits instead of probabilities; False by default.
        label_smoothing: a float s in [0, 1]: labels become ``y_true (1 - s) + s / classes``;
            0.0 by default.
        axis: axis of the classes; -1 by default.
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> loss = CategoricalCrossentropy()
    >>> round(loss(jnp.array([[0.0, 1.0]]), jnp.array([[0.5, 0.5]])).item(), 4)
    0.6931
    """

    function = staticmethod(categorical_crossentropy)
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class SparseCategoricalCrossentropy(BuiltIn):
    """The cross-entropy of integer class labels, in nats: ``-log(y_pred[y_true])``.

    Labels are ``[batch, ...]``, predictions ``[batch, ..., classes]``. The value of each example
    is :func:`sparse_categorical_crossentropy`. Ignored labels are not counted in the mean.

    Args:
        from_logits: whether ``y_pred`` contains logits instead of probabilities; False by default.
        ignore_class: a label whose loss is 0 and which is not counted; None (default) for none.
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        axis: axis of the classes in ``y_pred``; -1 by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> loss = SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    >>> round(loss(jnp.array([0, -1]), jnp.zeros((2, 4))).item(), 4)
    1.3863
    """

    function = staticmethod(sparse_categorical_crossentropy)
    from_logits: bool = False
    ignore_class: int | None = None
    reduction: str | None = "sum_over_batch_size"
    axis: int = -1
    name: str | None = None
    dtype: Any = None

    def mask(self, y_true: Any, y_pred: Any) -> jax.Array | None:
        """Select the labels that are not ignored.

        Args:
            y_true: ``[...]`` or ``[..., 1]``, integer class labels.
            y_pred: ``[..., classes]``, predictions.

        Returns:
            ``[...]``, bool; None if no class is ignored.
        """
        if self.ignore_class is None:
            return None
        labels, _ = match_labels(array_of(y_true), array_of(y_pred), self.axis)
        return labels != self.ignore_class
