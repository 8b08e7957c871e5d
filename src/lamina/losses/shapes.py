"""Matching the shapes of labels, predictions and sample weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.narrowing import array_of

__all__ = ["float_pair", "last_mean", "match_labels", "match_ranks", "match_shapes", "spread"]


def float_pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Convert labels and predictions to one floating dtype and one shape.

    Args:
        y_true: ``[...]``, labels.
        y_pred: ``[...]``, predictions.

    Returns:
        Both, in the dtype of ``y_pred`` but at least in float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> [x.dtype.name for x in float_pair(jnp.array([1]), jnp.ones(1, "bfloat16"))]
    ['float32', 'float32']
    """
    p = array_of(y_pred)
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    return match_shapes(array_of(y_true).astype(p.dtype), p)


def last_mean(values: jax.Array, axis: int = -1) -> jax.Array:
    """Average over an axis; a scalar is returned as it is.

    Args:
        values: ``[...]``.
        axis: axis of the mean; -1 by default.

    Returns:
        The shape of ``values`` without ``axis``.

    >>> last_mean(jnp.array([[1.0, 3.0]])).tolist(), last_mean(jnp.array(2.0)).item()
    ([2.0], 2.0)
    """
    return values.mean(axis) if values.ndim else values


def match_ranks(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Give two arrays the same rank, where they differ by a last axis of size 1.

    Args:
        a: ``[...]`` or ``[..., 1]``.
        b: ``[...]`` or ``[..., 1]``.

    Returns:
        Both arrays; unchanged where their ranks differ otherwise.

    >>> [x.shape for x in match_ranks(jnp.zeros(3), jnp.zeros((3, 1)))]
    [(3, 1), (3, 1)]
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 else (a.squeeze(-1), b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[..., None], b) if a.ndim == 1 else (a, b.squeeze(-1))
    return a, b


def match_shapes(y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Give labels and predictions the same shape; a scalar label is broadcast.

    Other shapes are not broadcast: a row and a column would give a matrix unnoticed.

    Args:
        y_true: ``[...]``, labels, or a scalar.
        y_pred: ``[...]``, predictions.

    Returns:
        Both arrays, of one shape.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> [x.shape for x in match_shapes(jnp.zeros(3), jnp.zeros((3, 1)))]
    [(3, 1), (3, 1)]
    """
    y, p = match_ranks(y_true, y_pred)
    if y.ndim and y.shape != p.shape:
        raise _mismatch(y_true, y_pred, "y_true and y_pred of the same shape")
    return jnp.broadcast_to(y, p.shape), p


def match_labels(
    y_true: jax.Array, y_pred: jax.Array, axis: int = -1
) -> tuple[jax.Array, jax.Array]:
    """Remove a class axis of size 1 from integer labels.

    Args:
        y_true: ``[...]`` or ``[..., 1]``, integer class labels.
        y_pred: ``[..., classes]``, predictions.
        axis: axis of the classes in ``y_pred``; -1 by default.

    Returns:
        The labels ``[...]``, and the predictions as they are.

    Raises:
        InputError: ``y_true`` does not have one label per prediction.

    >>> [x.shape for x in match_labels(jnp.zeros((3, 1)), jnp.zeros((3, 5)))]
    [(3,), (3, 5)]
    """
    y = y_true
    if y.ndim == y_pred.ndim and y.ndim and y.shape[axis] == 1:
        y = y.squeeze(axis)
    expected = list(y_pred.shape)
    if expected:
        expected.pop(axis)
    if not y_pred.ndim or list(y.shape) != expected:
        raise _mismatch(y_true, y_pred, f"y_true {tuple(expected)}, one class label per prediction")
    return y, y_pred


def spread(weights: ArrayLike, values: jax.Array) -> jax.Array:
    """Broadcast weights of examples to all values of each example.

    Args:
        weights: ``[batch]``, or any leading part of the shape of ``values``.
        values: ``[batch, ...]``.

    Returns:
        The weights in the shape and dtype of ``values``.

    Raises:
        InputError: the shapes do not match.

    >>> spread(jnp.array([1.0, 2.0]), jnp.zeros((2, 3))).tolist()
    [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    """
    w = array_of(weights).astype(values.dtype)
    while w.ndim > values.ndim and w.shape[-1] == 1:
        w = w.squeeze(-1)
    column = w.reshape(w.shape + (1,) * (values.ndim - w.ndim))
    if column.ndim == values.ndim and all(
        n in (1, m) for n, m in zip(column.shape, values.shape, strict=True)
    ):
        return jnp.broadcast_to(column, values.shape)
    raise InputError(
        explain(
            "The shape of the sample weights does not match the values.",
            expected=f"{values.shape}, or its leading axes alone",
            received=str(w.shape),
            remedy="Pass one weight per example, or one per value.",
        )
    )


def _mismatch(y_true: jax.Array, y_pred: jax.Array, expected: str) -> InputError:
    return InputError(
        explain(
            "The shapes of labels and predictions do not match.",
            expected=expected,
            received=f"y_true {y_true.shape}, y_pred {y_pred.shape}",
            remedy="Reshape one of them, or choose a loss or metric for labels of that shape.",
        )
    )
