"""Cross-entropy of predicted distributions, from logits or from probabilities."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

__all__ = ["binary_cross_entropy", "cross_entropy", "sparse_cross_entropy"]

_EPSILON = 1e-7  # Keras's: probabilities are kept this far from 0 and 1


def sparse_cross_entropy(
    labels: ArrayLike, predictions: ArrayLike, *, from_logits: bool = True, axis: int = -1
) -> jax.Array:
    """Cross-entropy with one right class for each prediction, given by its number.

    ``log(sum_c exp(z_c)) - z_label`` for logits z, with no one-hot array, forward or backward;
    ``-log(p_label / sum_c p_c)`` for probabilities.

    Args:
        labels: [...] whole numbers below classes; any other gives NaN, so that it does not pass
            unseen.
        predictions: [..., classes], or with the classes in `axis`.
        from_logits: predictions are logits, not probabilities.

    Returns:
        [...] in nats, float32 at least.

    >>> print(sparse_cross_entropy(jnp.array([1, 2]), jnp.zeros((2, 2))))
    [0.6931472       nan]
    """
    scores = jnp.moveaxis(_wide(predictions), axis, -1)
    numbers = jnp.asarray(labels).astype(jnp.int32)
    losses = _from_logits(numbers, scores) if from_logits else _from_shares(numbers, scores)
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


@jax.custom_jvp
def _from_logits(labels: jax.Array, logits: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(logits, axis=-1) - _picked(labels, logits)


@_from_logits.defjvp
def _from_logits_jvp(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """``sum_c (p_c - [c = label]) dz_c``: one pass, and no scatter, when it is transposed."""
    labels, logits = primals
    total = jax.nn.logsumexp(logits, axis=-1)
    classes = jnp.arange(logits.shape[-1], dtype=labels.dtype)
    slope = jnp.exp(logits - total[..., None]) - (classes == labels[..., None])
    return total - _picked(labels, logits), jnp.sum(slope * tangents[1], axis=-1)


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
