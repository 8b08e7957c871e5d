"""Connectionist temporal classification: losses of sequences without an alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.losses.loss import BuiltIn
from lamina.narrowing import array_of

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["CTC", "ctc"]


def ctc(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Compute ``-log p(labels)``, summed over all alignments of the labels with the steps.

    Args:
        y_true: ``[batch, labels]``, integer class labels from 1; 0 pads short sequences.
        y_pred: ``[batch, steps, classes]``, logits; class 0 is the blank.

    Returns:
        ``[batch]``: one value per sequence in nats, in at least float32.

    Raises:
        InputError: the shapes are not of this form.

    Source: Graves et al., Connectionist temporal classification, ICML 2006.

    >>> f"{ctc(jnp.array([[1]]), jnp.zeros((1, 1, 2)))[0]:.4f}"
    '0.6931'
    """
    labels, logits = array_of(y_true), array_of(y_pred)
    if labels.ndim != 2 or logits.ndim != 3 or labels.shape[0] != logits.shape[0]:
        raise InputError(
            explain(
                "Labels and predictions do not have the shapes of CTC.",
                expected="y_true [batch, labels], y_pred [batch, steps, classes]",
                received=f"y_true {labels.shape}, y_pred {logits.shape}",
                remedy="Pad the labels with zeros to one length.",
            )
        )
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    lengths = (labels != 0).sum(-1, keepdims=True)
    padding = (jnp.arange(labels.shape[1]) >= lengths).astype(logits.dtype)
    loss: Any = optax.ctc_loss
    return loss(logits, jnp.zeros(logits.shape[:2], logits.dtype), labels, padding, blank_id=0)


@dataclass(eq=False)
class CTC(BuiltIn):
    """The CTC loss, ``-log p(labels)`` summed over all alignments with the steps.

    Labels are integers from 1, ``[batch, labels]``, padded with 0; predictions are logits
    ``[batch, steps, classes]``, with class 0 as the blank. The value of each sequence is
    :func:`ctc`.

    Args:
        reduction: how the values are combined, as for :class:`Loss`;
            ``"sum_over_batch_size"`` by default.
        name: name in logs; the class's name in snake case if None (default).
        dtype: floating dtype of the computation; None (default) computes in the dtype of
            ``y_pred``, but at least in float32.

    Raises:
        InputError: the reduction is unknown.

    Source: Graves et al., Connectionist temporal classification, ICML 2006.

    >>> round(CTC()(jnp.array([[1]]), jnp.zeros((1, 1, 2))).item(), 4)
    0.6931
    """

    function = staticmethod(ctc)
    reduction: str | None = "sum_over_batch_size"
    name: str | None = None
    dtype: Any = None
