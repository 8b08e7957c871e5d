"""Losses of predicted distributions and rates: Kullback-Leibler divergence, Poisson."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import float_pair, last_mean

__all__ = ["KLDivergence", "Poisson", "kl_divergence", "poisson"]

_EPSILON = 1e-7


def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the divergence of distributions, in nats: ``sum(y_true log(y_true / y_pred))``.

    Both are clipped to [1e-7, 1].

    Args:
        y_true: ``[..., classes]``, probabilities that sum to 1.
        y_pred: ``[..., classes]``, predicted probabilities.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Kullback and Leibler, On information and sufficiency, 1951.

    >>> f"{kl_divergence(jnp.array([0.5, 0.5]), jnp.array([0.25, 0.75])):.4f}"
    '0.1438'
    """
    y, p = (jnp.clip(x, _EPSILON, 1.0) for x in float_pair(y_true, y_pred))
    return jnp.sum(y * jnp.log(y / p), axis=-1)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute the Poisson loss over the last axis: ``mean(y_pred - y_true log(y_pred + 1e-7))``.

    It is the negative log-likelihood of counts under Poisson distributions, without the term
    that does not depend on the prediction.

    Args:
        y_true: ``[..., outputs]``, counts.
        y_pred: ``[..., outputs]``, predicted rates, positive.

    Returns:
        ``[...]``: one value per example, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> f"{poisson(jnp.array([3.0, 0.0]), jnp.array([1.0, 1.0])):.4f}"
    '1.0000'
    """
    y, p = float_pair(y_true, y_pred)
    return last_mean(p - y * jnp.log(p + _EPSILON))


@dataclass(eq=False)
class KLDivergence(BuiltIn):
    """The Kullback-Leibler divergence, in nats: ``sum(y_true log(y_true / y_pred))``.

    Labels and predictions are distributions ``[batch, ..., classes]``. The value of each
    example is :func:`kl_divergence`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    Source: Kullback and Leibler, On information and sufficiency, 1951.

    >>> loss = KLDivergence()
    >>> round(loss(jnp.array([[0.5, 0.5]]), jnp.array([[0.25, 0.75]])).item(), 4)
    0.1438
    """

    function = staticmethod(kl_divergence)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class Poisson(BuiltIn):
    """The negative log-likelihood of counts: ``mean(y_pred - y_true log(y_pred + 1e-7))``.

    Labels are counts and predictions rates, both ``[batch, ..., outputs]``. The mean over the
    outputs is :func:`poisson`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> round(Poisson()(jnp.array([[3.0, 0.0]]), jnp.array([[1.0, 1.0]])).item(), 4)
    1.0
    """

    function = staticmethod(poisson)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None
