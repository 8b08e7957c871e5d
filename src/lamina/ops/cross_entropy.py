"""Cross-entropy of predicted distributions, from logits or from probabilities.

The common case is written with `jax.lax`: each function of `jax.numpy` is a jitted program,
which is traced separately for the plan and for the gradient.
"""

from __future__ import annotations

import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from lamina.narrowing import array_of
from lamina.ops.arrays import as_ids, as_rows

__all__ = [
    "binary_cross_entropy",
    "cross_entropy",
    "losses_and_gradients",
    "sparse_cross_entropy",
]

_EPSILON = 1e-7  # probabilities are clipped to [epsilon, 1 - epsilon], as in Keras


def sparse_cross_entropy(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    from_logits: bool = True,
    axis: int = -1,
    smoothing: float = 0.0,
) -> jax.Array:
    """Compute the cross-entropy of integer class labels.

    ``log(sum_c exp(z_c)) - (1 - s) z_label - s mean_c(z_c)`` for logits z, without a one-hot array;
    ``-log(p_label / sum_c p_c)`` for probabilities p.

    Args:
        labels: ``[...]``, integers in [0, classes); others give NaN.
        predictions: ``[..., classes]``, or with the classes on ``axis``.
        from_logits: whether predictions are logits (default) instead of probabilities.
        axis: the axis of the classes; -1 by default.
        smoothing: s in [0, 1], the share of each label that is distributed over all classes, for
            logits only; 0.0 by default.

    Returns:
        ``[...]``, in nats, in at least float32.

    >>> print(sparse_cross_entropy(jnp.array([1, 2]), jnp.zeros((2, 2))))
    [0.6931472       nan]
    """
    scores = _wide(predictions)
    if axis not in (-1, scores.ndim - 1):
        scores = jnp.moveaxis(scores, axis, -1)
    numbers = as_ids(labels)
    if from_logits:
        rows = as_rows(scores)
        flat = lax.reshape(numbers, rows.shape[:-1])
        losses = lax.reshape(cast(Any, _from_logits)(smoothing, flat, rows), numbers.shape)
    else:
        losses = _from_probabilities(numbers, scores)
    return _with_nan(numbers, losses, scores)


def cross_entropy(
    targets: ArrayLike, predictions: ArrayLike, *, from_logits: bool = True, axis: int = -1
) -> jax.Array:
    """Compute the cross-entropy of target distributions: ``-sum_c t_c log(p_c)``.

    Args:
        targets: ``[..., classes]``, probabilities.
        predictions: ``[..., classes]``, logits or probabilities.
        from_logits: whether predictions are logits (default) instead of probabilities.
        axis: the axis of the classes; -1 by default.

    Returns:
        ``[...]``, in nats, in at least float32.

    >>> print(cross_entropy(jnp.array([0.5, 0.5]), jnp.zeros(2)))
    0.6931472
    """
    scores = _wide(predictions)
    if from_logits:
        log_p = jax.nn.log_softmax(scores, axis)
    else:
        log_p = jnp.log(_inside(scores / scores.sum(axis, keepdims=True)))
    return -jnp.sum(array_of(targets) * log_p, axis)


def binary_cross_entropy(
    targets: ArrayLike, predictions: ArrayLike, *, from_logits: bool = True
) -> jax.Array:
    """Compute the binary cross-entropy of each element: ``-t log(p) - (1 - t) log(1 - p)``.

    Args:
        targets: ``[...]``, t, labels in [0, 1].
        predictions: ``[...]``, logits, or probabilities p.
        from_logits: whether predictions are logits (default) instead of probabilities.

    Returns:
        ``[...]``, in nats, in at least float32.

    >>> binary_cross_entropy(jnp.array([0.0, 1.0]), jnp.array([-20.0, -20.0])).tolist()[1]
    20.0
    """
    t, scores = array_of(targets), _wide(predictions)
    if from_logits:
        log_p, log_q = jax.nn.log_sigmoid(scores), jax.nn.log_sigmoid(-scores)
    else:
        p = _inside(scores)
        log_p, log_q = jnp.log(p), jnp.log(1.0 - p)
    return -(t * log_p) - (1.0 - t) * log_q


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _from_logits(smoothing: float, labels: jax.Array, logits: jax.Array) -> jax.Array:
    return _losses_and_probabilities(smoothing, labels, logits)[0]


@_from_logits.defjvp
def _from_logits_jvp(
    smoothing: float, primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """``sum_c (p_c - (1 - s) [c = label] - s / C) dz_c``: it reuses the exponentials of the loss,
    and its transpose needs no scatter."""
    labels, logits = primals
    losses, gradient = _losses_and_gradients(smoothing, labels, logits)
    return losses, _sum(lax.mul(gradient, tangents[1]))


def losses_and_gradients(labels: jax.Array, logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Compute the cross-entropy of integer class labels, and its gradients.

    Args:
        labels: ``[...]``, int32; the loss is NaN where they are not in [0, classes).
        logits: ``[..., classes]``.

    Returns:
        ``[...]``, the losses, and ``[..., classes]``, ``p_c - [c = label]``, the gradient of each
        loss with respect to its logits, 0 for labels that are no class; both in at least float32.

    >>> losses, gradients = losses_and_gradients(jnp.array([1]), jnp.zeros((1, 2)))
    >>> print(losses, gradients)
    [0.6931472] [[ 0.5 -0.5]]
    """
    logits = _wide(logits)
    losses, gradients = _losses_and_gradients(0.0, labels, logits)
    known = _spread(_are_known(labels, logits), logits)
    gradients = lax.select(known, gradients, lax.full_like(gradients, 0))
    return _with_nan(labels, losses, logits), gradients


def _losses_and_gradients(
    smoothing: float, labels: jax.Array, logits: jax.Array
) -> tuple[jax.Array, jax.Array]:
    losses, probabilities = _losses_and_probabilities(smoothing, labels, logits)
    classes = lax.broadcasted_iota(labels.dtype, logits.shape, logits.ndim - 1)
    right = lax.convert_element_type(lax.eq(classes, _spread(labels, logits)), logits.dtype)
    gradient = lax.sub(probabilities, right * (1 - smoothing) if smoothing else right)
    return losses, gradient - smoothing / logits.shape[-1] if smoothing else gradient


def _losses_and_probabilities(
    smoothing: float, labels: jax.Array, logits: jax.Array
) -> tuple[jax.Array, jax.Array]:
    highest = lax.stop_gradient(lax.reduce_max(logits, (logits.ndim - 1,)))
    powers = lax.exp(lax.sub(logits, _spread(highest, logits)))
    total, picked = _sum(powers), _picked(labels, logits)
    losses = lax.sub(lax.add(highest, lax.log(total)), picked)
    if smoothing:
        losses = losses + smoothing * (picked - logits.mean(-1))
    return losses, lax.div(powers, _spread(total, logits))


def _with_nan(labels: jax.Array, losses: jax.Array, logits: jax.Array) -> jax.Array:
    """Replace the losses of labels that are no class by NaN."""
    return lax.select(_are_known(labels, logits), losses, lax.full_like(losses, jnp.nan))


def _are_known(labels: jax.Array, logits: jax.Array) -> jax.Array:
    return (labels >= 0) & (labels < logits.shape[-1])


def _spread(each: jax.Array, logits: jax.Array) -> jax.Array:
    """Broadcast one value per prediction to all classes."""
    return lax.broadcast_in_dim(each, logits.shape, range(each.ndim))


def _sum(array: jax.Array) -> jax.Array:
    """Sum over the classes."""
    return lax.reduce_sum(array, (array.ndim - 1,))


def _from_probabilities(labels: jax.Array, p: jax.Array) -> jax.Array:
    return -jnp.log(_inside(_picked(labels, p) / p.sum(-1)))


def _picked(labels: jax.Array, scores: jax.Array) -> jax.Array:
    """The score of each label."""
    rest = tuple(range(labels.ndim))
    places = lax.GatherDimensionNumbers(
        offset_dims=(),
        collapsed_slice_dims=(labels.ndim,),
        start_index_map=(labels.ndim,),
        operand_batching_dims=rest,
        start_indices_batching_dims=rest,
    )
    at = lax.expand_dims(labels, (labels.ndim,))
    return lax.gather(scores, at, places, (1,) * scores.ndim, mode="clip")


def _inside(p: jax.Array) -> jax.Array:
    return jnp.clip(p, _EPSILON, 1.0 - _EPSILON)


def _wide(x: ArrayLike) -> jax.Array:
    """Cast to at least float32: sums in half precision are too inexact."""
    x = array_of(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
