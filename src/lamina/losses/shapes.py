"""How labels, predictions and weights of slightly different rank are brought together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.narrowing import array_of

__all__ = ["match_labels", "match_ranks", "match_shapes", "spread"]


def match_ranks(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two with one rank, where they differ by a last axis of size one.

    >>> [x.shape for x in match_ranks(jnp.zeros(3), jnp.zeros((3, 1)))]
    [(3, 1), (3, 1)]
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 else (a.squeeze(-1), b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[..., None], b) if a.ndim == 1 else (a, b.squeeze(-1))
    return a, b


def match_shapes(y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two in one shape; a single number may stand for all of `y_true`.

    Raises:
        InputError: the shapes differ; a row and a column would broadcast into a table, unseen.

    >>> [x.shape for x in match_shapes(jnp.zeros(3), jnp.zeros((3, 1)))]
    [(3, 1), (3, 1)]
    """
    y, p = match_ranks(y_true, y_pred)
    if y.ndim and y.shape != p.shape:
        raise _mismatch(y_true, y_pred, "y_true and y_pred of one shape")
    return jnp.broadcast_to(y, p.shape), p


def match_labels(
    y_true: jax.Array, y_pred: jax.Array, axis: int = -1
) -> tuple[jax.Array, jax.Array]:
    """Class numbers without an axis of classes, and predictions, with the classes in `axis`.

    Raises:
        InputError: there is not one label for each prediction.

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
        raise _mismatch(y_true, y_pred, f"y_true {tuple(expected)}, a class number for each")
    return y, y_pred


def spread(weights: ArrayLike, values: jax.Array) -> jax.Array:
    """Weights of examples, spread over all values of each example.

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
            "The sample weights do not fit the values they weigh.",
            expected=f"a shape that {values.shape} begins with",
            received=str(w.shape),
            remedy="Give one weight for each example, or one for each value.",
        )
    )


def _mismatch(y_true: jax.Array, y_pred: jax.Array, expected: str) -> InputError:
    return InputError(
        explain(
            "Labels and predictions do not fit together.",
            expected=expected,
            received=f"y_true {y_true.shape}, y_pred {y_pred.shape}",
            remedy="Reshape one of them, or choose what is made for labels of that form.",
        )
    )
