"""The choice of the next token from logits: greedy, or by sampling with filters."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.generation.options import Numbers, Options
from lamina.seq2seq.search import argmax

__all__ = ["choose", "nucleus_threshold", "penalized"]


def penalized(logits: jax.Array, seen: jax.Array, penalty: Any) -> jax.Array:
    """Returns logits with a penalty for tokens that occurred before.

    Positive logits are divided by the penalty, and negative ones multiplied by it.

    Args:
        logits: ``[..., vocabulary]``.
        seen: bool ``[..., vocabulary]``, the tokens of the prompt and those generated.
        penalty: a positive number; above 1 such tokens become less probable.

    Source: Keskar et al., arXiv 1909.05858.

    >>> penalized(jnp.array([2.0, -2.0, 2.0]), jnp.array([True, True, False]), 2.0).tolist()
    [1.0, -4.0, 2.0]
    """
    return jnp.where(seen, jnp.where(logits > 0, logits / penalty, logits * penalty), logits)


def choose(logits: jax.Array, key: jax.Array, options: Options, numbers: Numbers) -> jax.Array:
    """Returns the next token of each row, int32 ``[batch]``.

    Args:
        logits: float32 ``[batch, vocabulary]``.
        key: a key of this step.
        options: the options that select the program.
        numbers: temperature and top_p.
    """
    if not options.samples:
        return argmax(logits).astype(jnp.int32)
    logits = logits / numbers.temperature
    if options.top_k is not None and options.top_k < logits.shape[-1]:
        values, ids = lax.top_k(logits, options.top_k)
        if options.has_top_p:
            probabilities = jax.nn.softmax(values, -1)
            before = jnp.cumsum(probabilities, -1) - probabilities
            values = jnp.where(before < numbers.top_p, values, -jnp.inf)
        chosen = jax.random.categorical(key, values)
        return jnp.take_along_axis(ids, chosen[:, None], 1)[:, 0]
    if options.has_top_p:
        probabilities = jax.nn.softmax(logits, -1)
        threshold = nucleus_threshold(probabilities, numbers.top_p)
        logits = jnp.where(probabilities >= threshold, logits, -jnp.inf)
    return jax.random.categorical(key, logits).astype(jnp.int32)


def nucleus_threshold(probabilities: jax.Array, top_p: Any) -> jax.Array:
    """Returns the smallest probability of the most probable tokens that sum to at least top_p.

    The threshold is found by bisection over the bits of the numbers, which takes a few sums and no
    sort.

    Args:
        probabilities: float32 ``[batch, vocabulary]``.
        top_p: a number in (0, 1].

    Returns:
        ``[batch, 1]``.

    >>> nucleus_threshold(jnp.array([[0.125, 0.5, 0.25, 0.125]]), 0.6).tolist()
    [[0.25]]
    """
    # The bits of numbers from 0 up have the order of the numbers.
    bits: jax.Array = lax.bitcast_convert_type(probabilities, jnp.int32)

    def bisect(index: Any, lowest: jax.Array) -> jax.Array:
        higher = lowest | (1 << (30 - index))
        kept = jnp.where(bits >= higher, probabilities, 0).sum(-1, keepdims=True)
        return jnp.where(kept >= top_p, higher, lowest)

    zeros = jnp.zeros((bits.shape[0], 1), jnp.int32)
    lowest = cast(Any, lax).fori_loop(0, 31, bisect, zeros)
    return lax.bitcast_convert_type(lowest, jnp.float32)
