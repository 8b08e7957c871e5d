"""Metrics of models of language."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lamina import losses
from lamina.metrics.metric import LossMetric, State

__all__ = ["Perplexity"]


class Perplexity(LossMetric):
    """``exp(H)``, H the mean cross-entropy of the tokens: among how many it is as if guessed.

    Args:
        from_logits: predictions are logits.
        ignore_class: a label that does not count, such as that of what fills up.
        axis: that of the classes.
        name: for logs.

    >>> perplexity = Perplexity(from_logits=True)
    >>> state = perplexity.update(perplexity.init(), jnp.array([0, 3]), jnp.zeros((2, 5)))
    >>> round(perplexity.result(state).item(), 4)
    5.0
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        name: str = "perplexity",
    ) -> None:
        entropy = losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis)
        super().__init__(entropy, name)

    def result(self, state: State) -> jax.Array:
        return jnp.exp(super().result(state))
