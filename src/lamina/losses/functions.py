"""Losses as functions ``(y_true, y_pred) -> values``, one value for each example.

All take the mean (or the sum, where it says so) over the last axis. Names, arguments and numbers
are Keras's. Predictions are taken in float32 at least.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.shapes import match_labels, match_shapes
from lamina.narrowing import array_of
from lamina.ops import cross_entropy as entropy

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pair",
    "poisson",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

_EPSILON = 1e-7


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``mean((y - p)^2)``.

    >>> mean_squared_error(jnp.array([[0.0, 1.0]]), jnp.array([[2.0, 1.0]])).tolist()
    [2.0]
    """
    y, p = pair(y_true, y_pred)
    return _mean(jnp.square(y - p))


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``mean(|y - p|)``."""
    y, p = pair(y_true, y_pred)
    return _mean(jnp.abs(y - p))


def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``100 mean(|y - p| / |y|)``, in percent."""
    y, p = pair(y_true, y_pred)
    return 100.0 * _mean(jnp.abs((y - p) / jnp.maximum(jnp.abs(y), _EPSILON)))


def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``mean((log(1 + y) - log(1 + p))^2)`` for y and p from 0 up."""
    y, p = (jnp.log(jnp.maximum(x, _EPSILON) + 1.0) for x in pair(y_true, y_pred))
    return _mean(jnp.square(y - p))


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> jax.Array:
    """Half the squared error up to `delta`, and its tangent from there on (Huber, 1964)."""
    y, p = pair(y_true, y_pred)
    error = jnp.abs(y - p)
    tangent = delta * error - 0.5 * delta * delta
    return _mean(jnp.where(error <= delta, 0.5 * jnp.square(error), tangent))


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``mean(log(cosh(p - y)))``: near half the square for small errors, linear for large ones."""
    y, p = pair(y_true, y_pred)
    error = p - y
    return _mean(error + jax.nn.softplus(-2.0 * error) - jnp.log(jnp.asarray(2.0, p.dtype)))


def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``mean(max(1 - y p, 0))`` for labels y of -1 and 1, or of 0 and 1 (read as -1)."""
    y, p = pair(y_true, y_pred)
    return _mean(jax.nn.relu(1.0 - _signs(y) * p))


def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``mean(max(1 - y p, 0)^2)``, with labels as in :func:`hinge`."""
    y, p = pair(y_true, y_pred)
    return _mean(jnp.square(jax.nn.relu(1.0 - _signs(y) * p)))


def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``max(1 + max((1 - y) p) - sum(y p), 0)`` for one-hot y."""
    y, p = pair(y_true, y_pred)
    return jax.nn.relu(1.0 + jnp.max((1.0 - y) * p, axis=-1) - jnp.sum(y * p, axis=-1))


def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``sum(y log(y / p))`` of distributions y and p (Kullback and Leibler, 1951)."""
    y, p = (jnp.clip(x, _EPSILON, 1.0) for x in pair(y_true, y_pred))
    return jnp.sum(y * jnp.log(y / p), axis=-1)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``mean(p - y log p)``: counts y, expected counts p."""
    y, p = pair(y_true, y_pred)
    return _mean(p - y * jnp.log(p + _EPSILON))


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """Minus the cosine of the angle between y and p: -1 where they point the same way."""
    y, p = (_unit(x, axis) for x in pair(y_true, y_pred))
    return -jnp.sum(y * p, axis=axis)


def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """``mean(-y log p - (1 - y) log(1 - p))``; smoothing draws labels towards 1/2.

    >>> binary_crossentropy(jnp.array([1.0]), jnp.array([100.0]), from_logits=True).item()
    0.0
    """
    y, p = pair(y_true, y_pred)
    y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return _mean(entropy.binary_cross_entropy(y, p, from_logits=from_logits), axis)


def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """``-sum(y log p)`` for one-hot or soft y; smoothing draws y towards the uniform."""
    y, p = pair(y_true, y_pred)
    y = y * (1.0 - label_smoothing) + label_smoothing / y.shape[axis]
    return entropy.cross_entropy(y, p, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> jax.Array:
    """``-log p[y]`` for class numbers y; 0 where y is `ignore_class`.

    Args:
        y_true: [...] class numbers, or [..., 1]. One that is no class gives NaN.
        y_pred: [..., classes] probabilities, or logits.
        from_logits: they are logits.
        ignore_class: a class number, -1 for example, that stands for no label.
        axis: the axis of the classes in `y_pred`.

    >>> labels, logits = jnp.array([0, -1]), jnp.zeros((2, 4))
    >>> print(sparse_categorical_crossentropy(labels, logits, True, ignore_class=-1))
    [1.3862944 0.       ]
    """
    y, p = match_labels(array_of(y_true), array_of(y_pred), axis)
    if ignore_class is None:
        return entropy.sparse_cross_entropy(y, p, from_logits=from_logits, axis=axis)
    kept = y != ignore_class
    p = jnp.where(jnp.expand_dims(kept, axis), p, 1)  # what is ignored must not spoil gradients
    values = entropy.sparse_cross_entropy(
        jnp.where(kept, y, 0), p, from_logits=from_logits, axis=axis
    )
    return jnp.where(kept, values, 0.0)


def pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Labels and predictions as floats of 32 bits at least, in one shape."""
    p = array_of(y_pred)
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    return match_shapes(array_of(y_true).astype(p.dtype), p)


def _mean(values: jax.Array, axis: int = -1) -> jax.Array:
    return values.mean(axis) if values.ndim else values


def _signs(y: jax.Array) -> jax.Array:
    binary = jnp.all((y == 0) | (y == 1))
    return jnp.where(binary, 2.0 * y - 1.0, y)


def _unit(x: jax.Array, axis: int) -> jax.Array:
    square = jnp.sum(jnp.square(x), axis=axis, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-12))
