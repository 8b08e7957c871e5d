"""Cross-entropy of predicted distributions, from logits or from probabilities."""

from __future__ import annotations

import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from lamina.ops.arrays import as_rows

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
    scores = jnp.moveaxis(_wide(predictions), axis, -1)
    numbers = jnp.asarray(labels).astype(jnp.int32)
    if from_logits:
        rows = as_rows(scores)
        flat: jax.Array = cast(Any, _from_logits)(smoothing, numbers.reshape(rows.shape[:-1]), rows)
        losses = flat.reshape(numbers.shape)
    else:
        losses = _from_shares(numbers, scores)
    known = (numbers >= 0) & (numbers < scores.shape[-1])
    return jnp.where(known, losses, jnp.nan)


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
    return -jnp.sum(jnp.asarray(targets) * log_p, axis)


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
    t, scores = jnp.asarray(targets), _wide(predictions)
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
    classes = jnp.arange(logits.shape[-1], dtype=labels.dtype)
    slope = shares - (classes == labels[..., None]) * (1 - smoothing)
    if smoothing:
        slope = slope - smoothing / logits.shape[-1]
    return losses, jnp.sum(slope * tangents[1], axis=-1)


def _losses_and_shares(
    smoothing: float, labels: jax.Array, logits: jax.Array
) -> tuple[jax.Array, jax.Array]:
    highest: jax.Array = lax.stop_gradient(logits.max(-1, keepdims=True))
    powers = jnp.exp(logits - highest)
    total = powers.sum(-1, keepdims=True)
    picked = _picked(labels, logits)
    losses = (highest + jnp.log(total))[..., 0] - picked
    if smoothing:
        losses = losses + smoothing * (picked - logits.mean(-1))
    return losses, powers / total


def _from_shares(labels: jax.Array, shares: jax.Array) -> jax.Array:
    return -jnp.log(_inside(_picked(labels, shares) / shares.sum(-1)))


def _picked(labels: jax.Array, scores: jax.Array) -> jax.Array:
    return jnp.take_along_axis(scores, labels[..., None], axis=-1, mode="clip").squeeze(-1)


def _inside(p: jax.Array) -> jax.Array:
    return jnp.clip(p, _EPSILON, 1.0 - _EPSILON)


def _wide(x: ArrayLike) -> jax.Array:
    """As floats of 32 bits at least: in half precision the sums would lose too much."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
