"""The state of a beam search, and its scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Active", "BackPointers", "Finished", "Rules", "Search"]

_MINIMUM_COVERAGE = 1e-30  # keeps the logarithm finite


class Active(NamedTuple):
    """The active hypotheses: last tokens and log-probabilities ``[batch, beam]``, states ``[batch
    beam, ...]``, and the attention that each source position has received, ``[batch, beam,
    source]``."""

    token: jax.Array
    log_p: jax.Array
    state: Any
    coverage: jax.Array


class Finished(NamedTuple):
    """The best finished hypotheses, ``[batch, beam]``: scores, log-probabilities, the step of the
    end token and the slot before it."""

    score: jax.Array
    log_p: jax.Array
    at: jax.Array
    slot: jax.Array


class BackPointers(NamedTuple):
    """Of each step and slot: the token and the slot of the predecessor, ``[target, batch, beam]``,
    and the attention weights, ``[target, batch, beam, source]``."""

    token: jax.Array
    parent: jax.Array
    attention: jax.Array


class Search(NamedTuple):
    """The carry of the loop: the number of steps, and all hypotheses."""

    at: jax.Array
    active: Active
    finished: Finished
    pointers: BackPointers


class Rules(NamedTuple):
    """The options of a search."""

    beam: int
    end: int
    pad: int
    length_penalty: float
    coverage_penalty: float
    mask: jax.Array | None

    def score(self, log_p: jax.Array, length: Any, coverage: jax.Array) -> jax.Array:
        """Returns the scores ``[batch, beam]`` of hypotheses of a length and a coverage."""
        score = log_p / ((5.0 + length) / 6.0) ** self.length_penalty
        if not self.coverage_penalty:
            return score
        penalties = jnp.log(jnp.clip(coverage, _MINIMUM_COVERAGE, 1))
        if self.mask is not None:
            penalties = jnp.where(self.mask[:, None], penalties, 0)
        return score + self.coverage_penalty * penalties.sum(-1)
