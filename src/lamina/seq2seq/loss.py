"""The loss of ids, in the fewest passes over the logits."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp

__all__ = ["smoothed_cross_entropy"]


def smoothed_cross_entropy(
    labels: jax.Array, logits: jax.Array, smoothing: float = 0.0
) -> tuple[jax.Array, jax.Array]:
    """The cross-entropy of ids with smoothed labels, and whether an id was the likeliest.

    With the share s of each label spread evenly over all ids, and z the logits::

        loss = log(sum_c exp(z_c)) - (1 - s) z_label - s mean_c(z_c)

    No one-hot array is made; the backward pass reads the logits once. The likeliest id is known
    from the largest logit, which the sum needs anyway: a search for its place would take longer
    than the loss.

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

    @jax.custom_vjp
    def run(labels: jax.Array, logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        return forward(labels, logits)[0]

    def forward(labels: jax.Array, logits: jax.Array) -> tuple[Any, Any]:
        scores = _wide(logits)
        highest = scores.max(-1)
        total = highest + jnp.log(jnp.exp(scores - highest[..., None]).sum(-1))
        picked = jnp.take_along_axis(scores, labels[..., None], -1, mode="clip")[..., 0]
        losses = total - picked
        if smoothing:
            losses = losses + smoothing * (picked - scores.mean(-1))
        known = (labels >= 0) & (labels < scores.shape[-1])
        told = jnp.where(known, losses, jnp.nan), picked >= highest
        return told, (labels, logits, total)

    def backward(residuals: Any, slopes: Any) -> tuple[None, jax.Array]:
        labels, logits, total = residuals
        share = smoothing / logits.shape[-1]
        is_label = jnp.arange(logits.shape[-1], dtype=labels.dtype) == labels[..., None]
        wanted = jnp.where(is_label, 1 - smoothing + share, share)
        slope = (jnp.exp(_wide(logits) - total[..., None]) - wanted) * slopes[0][..., None]
        return None, slope.astype(logits.dtype)

    cast(Any, run).defvjp(forward, backward)
    return cast(Any, run)(labels, logits)


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
