"""The cross-entropy of token ids with label smoothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lamina.ops.cross_entropy import sparse_cross_entropy

__all__ = ["smoothed_cross_entropy"]


def smoothed_cross_entropy(
    labels: jax.Array, logits: jax.Array, smoothing: float = 0.0
) -> tuple[jax.Array, jax.Array]:
    """Returns the cross-entropy with smoothed labels, and whether each prediction is correct.

    With s the fraction of each label that is spread over all classes, and z the logits::

        loss = log(sum_c exp(z_c)) - (1 - s) z_label - s mean_c(z_c)

    No one-hot array is made. A prediction is correct if the label has the largest logit, which
    needs no argmax.

    Args:
        labels: integers ``[...]`` in [0, classes); any other gives NaN.
        logits: ``[..., classes]``.
        smoothing: s, a number in [0, 1]; 0 by default.

    Returns:
        ``(losses, correct)``: ``[...]`` in nats, at least float32, and bool ``[...]``.

    Source: Szegedy et al., arXiv 1512.00567, section 7.

    >>> losses, correct = smoothed_cross_entropy(jnp.array([1]), jnp.array([[0.0, 1.0]]), 0.1)
    >>> print(losses.round(4), correct)
    [0.3633] [ True]
    """
    losses = sparse_cross_entropy(labels, logits, smoothing=smoothing)
    label_logits = jnp.take_along_axis(logits, labels[..., None], -1, mode="clip")[..., 0]
    return losses, label_logits >= logits.max(-1)
