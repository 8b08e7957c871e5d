"""Losses of embeddings: cosine similarity and the circle loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.losses.loss import BuiltIn
from lamina.losses.shapes import float_pair
from lamina.narrowing import array_of
from lamina.ops.arrays import as_ids

__all__ = ["Circle", "CosineSimilarity", "circle", "cosine_similarity"]


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """Compute the negative cosine of the angle between vectors, in [-1, 1].

    ``-sum(y_true y_pred) / (|y_true| |y_pred|)``, so -1 for equal directions and 1 for opposite
    ones; a vector of zeros gives 0.

    Args:
        y_true: ``[..., outputs]``, labels.
        y_pred: ``[..., outputs]``, predictions of the same shape.
        axis: axis of the vectors' components; -1 by default.

    Returns:
        The shape of ``y_pred`` without ``axis``, in at least float32.

    Raises:
        InputError: the shapes of ``y_true`` and ``y_pred`` differ.

    >>> cosine_similarity(jnp.array([[0.0, 2.0]]), jnp.array([[0.0, 5.0]])).round(4).tolist()
    [-1.0]
    """
    y, p = (_unit(x, axis) for x in float_pair(y_true, y_pred))
    return -jnp.sum(y * p, axis=axis)


def circle(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    ref_labels: ArrayLike | None = None,
    ref_embeddings: ArrayLike | None = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
) -> jax.Array:
    """Compute the circle loss, which pulls embeddings of one label together and others apart.

    ``softplus(logsumexp(positives) + logsumexp(negatives))``, with the distance ``d = 1 - a.b``
    of two embeddings. A pair of one label adds ``-gamma max(margin + d, 0) (margin - d)`` to the
    positives; a pair of two labels adds ``gamma max(1 + margin - d, 0) (1 - margin - d)`` to the
    negatives.

    Args:
        y_true: ``[batch]``, integer labels.
        y_pred: ``[batch, units]``, embeddings of length 1.
        ref_labels: ``[references]``, labels of other embeddings to compare with; the batch
            itself if None (default).
        ref_embeddings: ``[references, units]``, those embeddings; the batch itself if None
            (default).
        remove_diagonal: whether the pair of an embedding with itself is left out; True by
            default.
        gamma: a positive float, the scale of the similarities; 80.0 by default.
        margin: the relaxation of both decision boundaries, in [0, 1]; 0.4 by default.

    Returns:
        ``[batch]``: one value per embedding, in at least float32.

    Source: Sun et al., Circle loss, arXiv 2002.10857.

    >>> embeddings = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> values = circle(jnp.array([0, 0, 1]), embeddings, gamma=1.0, margin=0.25)
    >>> [f"{value:.3f}" for value in values]
    ['0.633', '0.633', '0.000']
    """
    p = array_of(y_pred)
    p = p.astype(jnp.promote_types(p.dtype, jnp.float32))
    labels = as_ids(y_true).reshape(-1)
    others = p if ref_embeddings is None else array_of(ref_embeddings).astype(p.dtype)
    known = labels if ref_labels is None else as_ids(ref_labels).reshape(-1)
    distance = jnp.maximum(1.0 - p @ others.T, 0.0)
    alike = labels[:, None] == known[None, :]
    positive = alike & ~jnp.eye(*alike.shape, dtype=bool) if remove_diagonal else alike
    near = -gamma * jnp.maximum(margin + distance, 0.0) * (margin - distance)
    far = gamma * jnp.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    return jax.nn.softplus(_logsumexp(near, positive) + _logsumexp(far, ~alike))


@dataclass(eq=False)
class CosineSimilarity(BuiltIn):
    """The negative cosine of the angle between labels and predictions, in [-1, 1].

    ``-sum(y_true y_pred) / (|y_true| |y_pred|)``

    Labels and predictions are vectors ``[batch, ..., units]``. The value of each example is
    :func:`cosine_similarity`.

    Args:
        axis: axis of the vectors' components; -1 by default.
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    >>> round(CosineSimilarity()(jnp.array([[0.0, 2.0]]), jnp.array([[0.0, 5.0]])).item(), 4)
    -1.0
    """

    function = staticmethod(cosine_similarity)
    axis: int = -1
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None


@dataclass(eq=False)
class Circle(BuiltIn):
    """The circle loss, which pulls embeddings of one label together and others apart.

    ``softplus(logsumexp(positives) + logsumexp(negatives))``, see :func:`circle`. Embeddings
    whose loss is 0 are not counted in the mean.

    Labels are integers ``[batch]``, predictions embeddings of length 1, ``[batch, units]``.

    Args:
        gamma: a positive float, the scale of the similarities; 80.0 by default.
        margin: the relaxation of both decision boundaries, in [0, 1]; 0.4 by default.
        remove_diagonal: whether the pair of an embedding with itself is left out; True by
            default.
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    Source: Sun et al., Circle loss, arXiv 2002.10857.

    >>> embeddings = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(Circle(gamma=1.0, margin=0.25)(jnp.array([0, 0, 1]), embeddings).item(), 3)
    0.633
    """

    function = staticmethod(circle)
    gamma: float = 80.0
    margin: float = 0.4
    remove_diagonal: bool = True
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None

    def mask(self, y_true: Any, y_pred: Any) -> jax.Array | None:
        """Select the embeddings whose loss is positive.

        Args:
            y_true: ``[batch]``, integer labels.
            y_pred: ``[batch, units]``, embeddings.

        Returns:
            ``[batch]``, bool.
        """
        return self.per_example(y_true, y_pred) > 0


def _logsumexp(values: jax.Array, where: jax.Array) -> jax.Array:
    """The logsumexp of selected values of each row; -inf with zero gradient if there are none."""
    none = ~where.any(1)
    found = jax.nn.logsumexp(values, axis=1, where=where | none[:, None])
    return jnp.where(none, -jnp.inf, found)


def _unit(x: jax.Array, axis: int) -> jax.Array:
    square = jnp.sum(jnp.square(x), axis=axis, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-12))
