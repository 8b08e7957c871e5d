"""Writing id by id: what is likeliest at each step, or what chance draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lamina.errors import InputError, explain

__all__ = ["Decoded", "Step", "greedy", "likeliest", "sample"]

Step = Callable[[jax.Array, Any], tuple[jax.Array, Any, jax.Array]]
"""Logits ``[batch, vocabulary]``, the next state and attention weights ``[batch, source]``, from
the last ids ``[batch]`` and the state."""

_Choose = Callable[[jax.Array, jax.Array], jax.Array]


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

    def choose(logits: jax.Array, at: jax.Array) -> jax.Array:
        return likeliest(logits)

    return _write(step, state, source, length, choose, (start, end, pad))


def sample(
    step: Step,
    state: Any,
    source: int,
    length: int,
    key: jax.Array,
    *,
    start: int,
    end: int,
    pad: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Decoded:
    """Draw an id at each step, with the probabilities of ``softmax(logits / temperature)``.

    Args:
        step: and the others: as for :func:`greedy`.
        key: a jax.random key; the same key gives the same ids.
        temperature: above 0; towards 0 it becomes the greedy search.
        top_k: draw from the k likeliest ids alone.
        top_p: draw from the fewest ids whose probabilities reach p together; after ``top_k``.

    Returns:
        As :func:`greedy`; the logarithm of probability is that under the model, temperature 1.

    Raises:
        InputError: an option is out of range.

    Source: top-k: Fan, Lewis, Dauphin, arXiv 1805.04833; top-p: Holtzman et al., arXiv 1904.09751.

    >>> def count(token, state):
    ...     return jax.nn.one_hot(token + 1, 6), state, jnp.ones((1, 1))
    >>> key, options = jax.random.key(0), {"start": 1, "end": 4, "pad": 0}
    >>> sample(count, jnp.zeros((1, 1)), 1, 4, key, top_k=1, **options).tokens.tolist()
    [[2, 3, 4, 0]]
    """
    _check(temperature > 0, "temperature", temperature, "a number above 0")
    _check(top_k is None or top_k >= 1, "top_k", top_k, "a whole number above 0")
    _check(top_p is None or 0 < top_p <= 1, "top_p", top_p, "a number above 0, at most 1")

    def choose(logits: jax.Array, at: jax.Array) -> jax.Array:
        narrowed = _narrowed(logits / temperature, top_k, top_p)
        drawn = jax.random.categorical(jax.random.fold_in(key, at), narrowed)
        return drawn.astype(jnp.int32)

    return _write(step, state, source, length, choose, (start, end, pad))


def _write(
    step: Step, state: Any, source: int, length: int, choose: _Choose, marks: tuple[int, int, int]
) -> Decoded:
    start, end, pad = marks
    batch = jax.tree.leaves(state)[0].shape[0]

    def advance(now: _Progress) -> _Progress:
        logits, state, weights = step(now.token, now.state)
        logits = logits.astype(jnp.float32)
        token = choose(logits, now.at)
        picked = jnp.take_along_axis(logits, token[:, None], -1)[:, 0]
        gained = picked - jax.nn.logsumexp(logits, -1)
        token = jnp.where(now.ended, pad, token)
        weights = jnp.where(now.ended[:, None], 0, weights).astype(jnp.float32)
        decoded = Decoded(
            lax.dynamic_update_index_in_dim(now.decoded.tokens, token, now.at, 1),
            now.decoded.log_probability + jnp.where(now.ended, 0, gained),
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


def likeliest(logits: jax.Array) -> jax.Array:
    """The place of the largest logit of each row, the first of equals.

    XLA's own search takes many times as long on a CPU, since it compares pairs.
    """
    places = lax.broadcasted_iota(jnp.int32, logits.shape, 1)
    last = logits.shape[1] - 1
    return jnp.where(logits >= logits.max(1, keepdims=True), places, last).min(1)


def _narrowed(logits: jax.Array, top_k: int | None, top_p: float | None) -> jax.Array:
    """Logits, minus infinity where an id is not to be drawn."""
    if top_k is not None and top_k < logits.shape[-1]:
        least = lax.top_k(logits, top_k)[0][:, -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    if top_p is not None and top_p < 1:
        falling = -jnp.sort(-logits, -1)
        before = jnp.cumsum(jax.nn.softmax(falling, -1), -1) - jax.nn.softmax(falling, -1)
        least = jnp.where(before < top_p, falling, jnp.inf).min(-1, keepdims=True)
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return logits


def _check(is_right: bool, name: str, value: object, expected: str) -> None:
    if not is_right:
        raise InputError(
            explain(
                f"A sequence cannot be sampled with this {name}.",
                expected=expected,
                received=f"{name}={value!r}",
                remedy=f"Correct {name}, or leave it out.",
            )
        )
