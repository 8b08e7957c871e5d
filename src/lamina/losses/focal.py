"""Focal losses, which down-weight easy examples, and cross-entropy robust to wrong labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import float_pair, match_labels
from lamina.narrowing import array_of
from lamina.ops import cross_entropy as entropy
from lamina.ops.arrays import as_ids

__all__ = [
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
]

_EPSILON = 1e-7


def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Compute the binary cross-entropy H, down-weighted where the prediction is already right.

    ``mean((1 - q)^gamma H)`` over ``axis``, where ``q = y_true y_pred + (1 - y_true)
    (1 - y_pred)`` is the predicted probability of the label.

    Args:
        y_true: ``[..., outputs]``, labels in [0, 1].
        y_pred: ``[..., outputs]``, probabilities, or logits with ``from_logits``.
        apply_class_balancing: whether labels of 1 are weighted by ``alpha`` and labels of 0 by
            ``1 - alpha``; False by default.
        alpha: the weight of labels of 1, in [0, 1]; 0.25 by default.
        gamma: the focusing exponent, a non-negative float; 2.0 by default.
        from_logits: whether ``y_pred`` contains logits instead of probabilities; False by default.
        label_smoothing: a float s in [0, 1]: labels become ``y_true (1 - s) + s / 2``; 0.0 by
            default.
        axis: axis of the mean; -1 by default.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Lin et al., Focal loss for dense object detection, arXiv 1708.02002.

    >>> round(binary_focal_crossentropy(jnp.array([1.0]), jnp.array([0.5])).item(), 4)
    0.1733
    """
    y, p = float_pair(y_true, y_pred)
    y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    values = entropy.binary_cross_entropy(y, p, from_logits=from_logits)
    one, zero = (jax.nn.sigmoid(p), jax.nn.sigmoid(-p)) if from_logits else (p, 1.0 - p)
    wrong = y * zero + (1.0 - y) * one
    values = jnp.power(wrong, gamma) * values
    if apply_class_balancing:
        values = (y * alpha + (1.0 - y) * (1.0 - alpha)) * values
    return values.mean(axis) if values.ndim else values


def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float | Sequence[float] = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Compute the class cross-entropy, down-weighted where the prediction is already right.

    ``-sum(alpha y_true (1 - y_pred)^gamma log(y_pred))``

    Args:
        y_true: ``[..., classes]``, one-hot labels or probabilities.
        y_pred: ``[..., classes]``, probabilities, or logits with ``from_logits``.
        alpha: the weight of the loss, a positive float, or one for each class; 0.25 by default.
        gamma: the focusing exponent, a non-negative float; 2.0 by default.
        from_logits: whether ``y_pred`` contains logits instead of probabilities; False by default.
        label_smoothing: a float s in [0, 1]: labels become ``y_true (1 - s) + s / classes``;
            0.0 by default.
        axis: axis of the classes; -1 by default.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ, or ``alpha`` does not have
            one weight for each class.

    Source: Lin et al., Focal loss for dense object detection, arXiv 1708.02002.

    >>> f"{categorical_focal_crossentropy(jnp.array([0.0, 1.0]), jnp.array([0.5, 0.5])):.4f}"
    '0.0433'
    """
    y, p = float_pair(y_true, y_pred)
    y = y * (1.0 - label_smoothing) + label_smoothing / y.shape[axis]
    if from_logits:
        log_p = jax.nn.log_softmax(p, axis)
        wrong = -jnp.expm1(log_p)
    else:
        shares = jnp.clip(p / p.sum(axis, keepdims=True), _EPSILON, 1.0 - _EPSILON)
        log_p, wrong = jnp.log(shares), 1.0 - shares
    return -jnp.sum(_per_class(alpha, p.ndim, axis) * y * jnp.power(wrong, gamma) * log_p, axis)


def _per_class(alpha: float | Sequence[float], ndim: int, axis: int) -> jax.Array:
    """Return weights that broadcast against arrays with the classes on ``axis``."""
    weights = jnp.asarray(alpha)
    return weights if weights.ndim == 0 else jnp.moveaxis(weights[(None,) * (ndim - 1)], -1, axis)


def categorical_generalized_cross_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, q: float = 0.5
) -> jax.Array:
    """Compute a cross-entropy that is robust to wrong labels: ``(1 - y_pred[y_true]^q) / q``.

    It approaches the cross-entropy for q near 0, and is the mean absolute error for q = 1.

    Args:
        y_true: ``[...]`` or ``[..., 1]``, integer class labels in [0, classes). Others give NaN.
        y_pred: ``[..., classes]``, probabilities.
        q: a float in (0, 1); the larger it is, the less a wrong label counts. 0.5 by default.

    Returns:
        ``[...]``: one value per label, in at least float32.

    Raises:
        InputError: ``y_true`` does not have one label per prediction.

    Source: Zhang, Sabuncu, Generalized cross entropy loss, arXiv 1805.07836.

    >>> categorical_generalized_cross_entropy(jnp.array([1]), jnp.array([[0.75, 0.25]])).tolist()
    [1.0]
    """
    y, p = match_labels(array_of(y_true), array_of(y_pred))
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    label = as_ids(y)[..., None]
    valid = (label >= 0) & (label < p.shape[-1])
    probability = jnp.take_along_axis(p, label, axis=-1, mode="clip")
    return jnp.where(valid, (1.0 - jnp.power(probability, q)) / q, jnp.nan).squeeze(-1)


@dataclass(eq=False)
class BinaryFocalCrossentropy(BuiltIn):
    """The binary cross-entropy H, down-weighted where the prediction is already right.

    ``mean((1 - q)^gamma H)``, where q is the predicted probability of the label.

    Labels in [0, 1] and predictions are ``[batch, ..., outputs]``. The mean over the outputs is
    :func:`binary_focal_crossentropy`.

    Args:
        apply_class_balancing: whether labels of 1 are weighted by ``alpha`` and labels of 0 by
            ``1 - alpha``; False by default.
        alpha: the weight of labels of 1, in [0, 1]; 0.25 by default.
        gamma: the focusing exponent, a non-negative float; 2.0 by default.
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

    Source: Lin et al., Focal loss for dense object detection, arXiv 1708.02002.

    >>> loss = BinaryFocalCrossentropy()
    >>> round(loss(jnp.array([[1.0]]), jnp.array([[0.5]])).item(), 4)
    0.1733
    """

    function = staticmethod(binary_focal_crossentropy)
    apply_class_balancing: bool = False
    alpha: float = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class CategoricalFocalCrossentropy(BuiltIn):
    """The class cross-entropy, down-weighted where the prediction is already right.

    ``-sum(alpha y_true (1 - y_pred)^gamma log(y_pred))``

    Labels (one-hot, or probabilities) and predictions are ``[batch, ..., classes]``. The value
    of each example is :func:`categorical_focal_crossentropy`.

    Args:
        alpha: the weight of the loss, a positive float, or one for each class; 0.25 by default.
        gamma: the focusing exponent, a non-negative float; 2.0 by default.
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

    Source: Lin et al., Focal loss for dense object detection, arXiv 1708.02002.

    >>> loss = CategoricalFocalCrossentropy()
    >>> round(loss(jnp.array([[0.0, 1.0]]), jnp.array([[0.5, 0.5]])).item(), 4)
    0.0433
    """

    function = staticmethod(categorical_focal_crossentropy)
    alpha: float | Sequence[float] = 0.25
    gamma: float = 2.0
    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class CategoricalGeneralizedCrossEntropy(BuiltIn):
    """A cross-entropy that is robust to wrong labels: ``(1 - y_pred[y_true]^q) / q``.

    Labels are integers ``[batch, ...]``, predictions probabilities ``[batch, ..., classes]``.
    The value of each example is :func:`categorical_generalized_cross_entropy`.

    Args:
        q: a float in (0, 1); the larger it is, the less a wrong label counts. 0.5 by default.
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: q is not in (0, 1), or the reduction is unknown.

    Source: Zhang, Sabuncu, Generalized cross entropy loss, arXiv 1805.07836.

    >>> loss = CategoricalGeneralizedCrossEntropy(q=0.5)
    >>> loss(jnp.array([1]), jnp.array([[0.75, 0.25]])).item()
    1.0
    """

    function = staticmethod(categorical_generalized_cross_entropy)
    q: float = 0.5
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.q < 1:
            raise InputError(
                explain(
                    "CategoricalGeneralizedCrossEntropy got a q outside of (0, 1).",
                    expected="a float in (0, 1)",
                    received=repr(self.q),
                    remedy="Pass q=0.5, or q=0.7 if many labels are wrong.",
                )
            )
