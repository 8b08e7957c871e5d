"""Searching for the text that a decoder finds most likely."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["Decoded", "greedy"]

Step = Callable[[jax.Array, Any], tuple[jax.Array, Any, jax.Array]]


class Decoded(NamedTuple):
    """What a search wrote: ids ``[batch, target]``, padded behind the end mark; the logarithm of
    their probability ``[batch]``; attention weights ``[batch, target, source]``, 0 behind it."""

    tokens: jax.Array
    log_probability: jax.Array
    attention: jax.Array


class _Progress(NamedTuple):
    at: jax.Array
    token: jax.Array
    state: Any
    ended: jax.Array
    decoded: Decoded


def greedy(
    step: Step, state: Any, source: int, length: int, *, start: int, end: int, pad: int
) -> Decoded:
    """Write the likeliest id at each step, until every row has ended or is full.

    Args:
        step: gives logits ``[batch, vocabulary]``, the next state and attention weights
            ``[batch, source]`` from the last ids ``[batch]`` and the state.
        state: the first state, an array ``[batch, ...]`` or a tree of such arrays.
        source: the size of the source axis.
        length: the most ids a row may have, the end mark included.
        start: the id before the first.
        end: the id that ends a row.
        pad: the id behind it.

    >>> def count(token, state):
    ...     return jax.nn.one_hot(token + 1, 6), state, jnp.ones((1, 1))
    >>> greedy(count, jnp.zeros((1, 1)), 1, 8, start=1, end=4, pad=0).tokens.tolist()
    [[2, 3, 4, 0, 0, 0, 0, 0]]
    """
    batch = jax.tree.leaves(state)[0].shape[0]

    def advance(now: _Progress) -> _Progress:
        logits, state, weights = step(now.token, now.state)
        token = jnp.where(now.ended, pad, jnp.argmax(logits, -1).astype(jnp.int32))
        gained = jnp.where(now.ended, 0, jnp.max(jax.nn.log_softmax(logits), -1))
        weights = jnp.where(now.ended[:, None], 0, weights).astype(jnp.float32)
        decoded = Decoded(
            lax.dynamic_update_index_in_dim(now.decoded.tokens, token, now.at, 1),
            now.decoded.log_probability + gained.astype(jnp.float32),
            lax.dynamic_update_index_in_dim(now.decoded.attention, weights, now.at, 1),
        )
        return _Progress(now.at + 1, token, state, now.ended | (token == end), decoded)

    def goes_on(now: _Progress) -> jax.Array:
        return (now.at < length) & ~now.ended.all()

    begin = _Progress(
        jnp.zeros((), jnp.int32),
        jnp.full((batch,), start, jnp.int32),
        state,
        jnp.zeros((batch,), bool),
        Decoded(
            jnp.full((batch, length), pad, jnp.int32),
            jnp.zeros((batch,), jnp.float32),
            jnp.zeros((batch, length, source), jnp.float32),
        ),
    )
    return lax.while_loop(goes_on, advance, begin).decoded
