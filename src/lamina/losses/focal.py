"""Cross-entropies that weigh examples by how hard they are, or that bear wrong labels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.functions import pair
from lamina.losses.shapes import match_labels
from lamina.narrowing import array_of
from lamina.ops import cross_entropy as entropy
from lamina.ops.arrays import as_ids

__all__ = [
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
    """``mean((1 - q)^gamma H)``: the binary cross-entropy H, less where it is right already.

    ``q = y p + (1 - y)(1 - p)`` is the probability given to the label. With
    `apply_class_balancing` ones count `alpha` and zeros ``1 - alpha``.

    Source: Lin et al., Focal loss for dense object detection, arXiv 1708.02002.

    >>> round(binary_focal_crossentropy(jnp.array([1.0]), jnp.array([0.5])).item(), 4)
    0.1733
    """
    y, p = pair(y_true, y_pred)
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
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """``-alpha sum(y (1 - p)^gamma log p)`` for one-hot or soft y.

    Source: Lin et al., arXiv 1708.02002.
    """
    y, p = pair(y_true, y_pred)
    y = y * (1.0 - label_smoothing) + label_smoothing / y.shape[axis]
    if from_logits:
        log_p = jax.nn.log_softmax(p, axis)
        wrong = -jnp.expm1(log_p)
    else:
        shares = jnp.clip(p / p.sum(axis, keepdims=True), _EPSILON, 1.0 - _EPSILON)
        log_p, wrong = jnp.log(shares), 1.0 - shares
    return -alpha * jnp.sum(y * jnp.power(wrong, gamma) * log_p, axis)


def categorical_generalized_cross_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, q: float = 0.5
) -> jax.Array:
    """``(1 - p[y]^q) / q`` for class numbers y: between cross-entropy (q to 0) and error (q = 1).

    Args:
        y_true: [...] class numbers, some of which may be wrong.
        y_pred: [..., classes] probabilities.
        q: in (0, 1); the higher, the less a wrong label draws.

    Source: Zhang, Sabuncu, arXiv 1805.07836.
    """
    y, p = match_labels(array_of(y_true), array_of(y_pred))
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    number = as_ids(y)[..., None]
    known = (number >= 0) & (number < p.shape[-1])
    share = jnp.take_along_axis(p, number, axis=-1, mode="clip")
    return jnp.where(known, (1.0 - jnp.power(share, q)) / q, jnp.nan).squeeze(-1)
