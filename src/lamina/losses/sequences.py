"""Losses of sequences whose labels are not aligned with the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.narrowing import array_of

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["ctc"]


def ctc(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """``-log p(labels)``, summed over all alignments of the labels with the steps.

    Args:
        y_true: [batch, labels] class numbers from 1; 0 fills up short ones.
        y_pred: [batch, steps, classes] logits; class 0 is the blank.

    Returns:
        [batch], float32 at least.

    Raises:
        InputError: the shapes are others.

    Source: Graves et al., Connectionist temporal classification, ICML 2006.
    """
    labels, logits = array_of(y_true), array_of(y_pred)
    if labels.ndim != 2 or logits.ndim != 3 or labels.shape[0] != logits.shape[0]:
        raise InputError(
            explain(
                "Labels and predictions do not fit CTC.",
                expected="y_true [batch, labels], y_pred [batch, steps, classes]",
                received=f"y_true {labels.shape}, y_pred {logits.shape}",
                remedy="Fill labels up with zeros to one length.",
            )
        )
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    lengths = (labels != 0).sum(-1, keepdims=True)
    filled = (jnp.arange(labels.shape[1]) >= lengths).astype(logits.dtype)
    loss: Any = optax.ctc_loss
    return loss(logits, jnp.zeros(logits.shape[:2], logits.dtype), labels, filled, blank_id=0)
