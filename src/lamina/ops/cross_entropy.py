"""Cross-entropy of predicted distributions, from logits or from probabilities.

What is trained on most is written in JAX's own operations. NumPy's are programs of their own, each
traced by itself, once for the plan and again for the gradient.
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

__all__ = ["binary_cross_entropy", "cross_entropy", "sparse_cross_entropy"]

_EPSILON = 1e-7  # Keras's: probabilities are kept this far from 0 and 1


def sparse_cross_entropy(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    from_logits: bool = True,
    axis: int = -1,
    smoothing: float = 0.0,
) -> jax.Array:
    """Cross-entropy with one right class for each prediction, given by its number.

    ``log(sum_c exp(z_c)) - (1 - s) z_label - s mean_c(z_c)`` for logits z, with no one-hot array,
    forward or backward, on a matrix of them, whatever axes they have; ``-log(p_label / sum_c p_c)``
    for probabilities.

    Args:
        labels: [...] whole numbers below classes; any other gives NaN, so that it does not pass
            unseen.
        predictions: [..., classes], or with the classes in `axis`.
        from_logits: predictions are logits, not probabilities.
        axis: the axis of the classes.
        smoothing: s, the share of each label that is spread over all classes; of logits alone.

    Returns:
        [...] in nats, float32 at least.

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
        losses = _from_shares(numbers, scores)
    known = (numbers >= 0) & (numbers < scores.shape[-1])
    return lax.select(known, losses, lax.full_like(losses, jnp.nan))


def cross_entropy(
    targets: ArrayLike, predictions: ArrayLike, *, from_logits: bool = True, axis: int = -1
) -> jax.Array:
    """Cross-entropy with a target distribution for each prediction: ``-sum_c t_c log p_c``.

    Args:
        targets: [..., classes] probabilities.
        predictions: [..., classes] logits or probabilities.
        from_logits: predictions are logits, not probabilities.
        axis: the axis of the classes.

    Returns:
        [...] in nats, float32 at least.

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
    """Cross-entropy of yes and no: ``-t log p - (1 - t) log(1 - p)``, element by element.

    Args:
        targets: [...] probabilities, most often 0 and 1.
        predictions: [...] logits or probabilities.
        from_logits: predictions are logits, not probabilities.

    Returns:
        [...] in nats, float32 at least.

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
    return _losses_and_shares(smoothing, labels, logits)[0]


@_from_logits.defjvp
def _from_logits_jvp(
    smoothing: float, primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """``sum_c (p_c - (1 - s) [c = label] - s / C) dz_c``: the exponentials are those of the loss,
    and nothing is scattered when it is transposed."""
    labels, logits = primals
    losses, shares = _losses_and_shares(smoothing, labels, logits)
    classes = lax.broadcasted_iota(labels.dtype, logits.shape, logits.ndim - 1)
    right = lax.convert_element_type(lax.eq(classes, _spread(labels, logits)), logits.dtype)
    slope = lax.sub(shares, right * (1 - smoothing) if smoothing else right)
    if smoothing:
        slope = slope - smoothing / logits.shape[-1]
    return losses, _sum(lax.mul(slope, tangents[1]))


def _losses_and_shares(
    smoothing: float, labels: jax.Array, logits: jax.Array
) -> tuple[jax.Array, jax.Array]:
    highest = lax.stop_gradient(lax.reduce_max(logits, (logits.ndim - 1,)))
    powers = lax.exp(lax.sub(logits, _spread(highest, logits)))
    total, picked = _sum(powers), _picked(labels, logits)
    losses = lax.sub(lax.add(highest, lax.log(total)), picked)
    if smoothing:
        losses = losses + smoothing * (picked - logits.mean(-1))
    return losses, lax.div(powers, _spread(total, logits))


def _spread(each: jax.Array, logits: jax.Array) -> jax.Array:
    """What is one for each prediction, at all of its classes."""
    return lax.broadcast_in_dim(each, logits.shape, range(each.ndim))


def _sum(array: jax.Array) -> jax.Array:
    """Over the classes."""
    return lax.reduce_sum(array, (array.ndim - 1,))


def _from_shares(labels: jax.Array, shares: jax.Array) -> jax.Array:
    return -jnp.log(_inside(_picked(labels, shares) / shares.sum(-1)))


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
    """As floats of 32 bits at least: in half precision the sums would lose too much."""
    x = array_of(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
