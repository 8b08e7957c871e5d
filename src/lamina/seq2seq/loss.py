"""The loss of ids, in the fewest passes over the logits."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lamina.ops.cross_entropy import sparse_cross_entropy

__all__ = ["smoothed_cross_entropy"]


def smoothed_cross_entropy(
    labels: jax.Array, logits: jax.Array, smoothing: float = 0.0
) -> tuple[jax.Array, jax.Array]:
    """The cross-entropy of ids with smoothed labels, and whether an id was the likeliest.

    With the share s of each label spread evenly over all ids, and z the logits::

        loss = log(sum_c exp(z_c)) - (1 - s) z_label - s mean_c(z_c)

    No one-hot array is made. The likeliest id is known from the largest logit: a search for its
    place would take longer than the loss.

    Args:
        labels: ``[...]``, whole numbers below classes; any other gives NaN.
        logits: ``[..., classes]``.
        smoothing: s, from 0 to 1.

    Returns:
        ``[...]`` in nats, float32 at least, and bool ``[...]``.

    Source: Szegedy et al., arXiv 1512.00567, section 7.

    >>> losses, right = smoothed_cross_entropy(jnp.array([1]), jnp.array([[0.0, 1.0]]), 0.1)
    >>> print(losses.round(4), right)
    [0.3633] [ True]
    """
    losses = sparse_cross_entropy(labels, logits, smoothing=smoothing)
    picked = jnp.take_along_axis(logits, labels[..., None], -1, mode="clip")[..., 0]
    return losses, picked >= logits.max(-1)
