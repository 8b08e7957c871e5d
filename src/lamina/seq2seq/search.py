"""Decoding one token at a time, greedily or by sampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lamina.errors import InputError, explain

__all__ = ["Decoded", "Step", "argmax", "greedy", "sample"]

Step = Callable[[jax.Array, Any], tuple[jax.Array, Any, jax.Array]]
"""A step of inference: of the last tokens ``[batch]`` and the state, the logits
``[batch, vocabulary]``, the next state and the attention weights ``[batch, source]``."""

_Choose = Callable[[jax.Array, jax.Array], jax.Array]


class Decoded(NamedTuple):
    """Decoded sequences.

    Args:
        tokens: token ids ``[batch, target]``, padded after the end token.
        log_probability: log-probability of each sequence, ``[batch]``, in nats.
        attention: attention weights ``[batch, target, source]``, 0 after the end token.
    """

    tokens: jax.Array
    log_probability: jax.Array
    attention: jax.Array


class _Progress(NamedTuple):
    """The carry of the loop: the number of steps, and for each row the last token, its state,
    whether it has ended, and its output."""

    position: jax.Array
    token: jax.Array
    state: Any
    ended: jax.Array
    decoded: Decoded


def greedy(
    step: Step, state: Any, source: int, length: int, *, start: int, end: int, pad: int
) -> Decoded:
    """Choose the most probable token at each step, until all rows have ended.

    Args:
        step: function of the last tokens ``[batch]`` and the state that returns the logits
            ``[batch, vocabulary]``, the next state and the attention weights ``[batch, source]``.
        state: the initial state, an array ``[batch, ...]`` or a tree of such arrays.
        source: size of the source axis.
        length: maximum number of tokens, including the end token.
        start: token id before the first.
        end: token id that ends a sequence.
        pad: token id after the end token.

    Returns:
        Token ids, log-probabilities and attention weights, as :class:`Decoded`.

    >>> def count(token, state):
    ...     return jax.nn.one_hot(token + 1, 6), state, jnp.ones((1, 1))
    >>> greedy(count, jnp.zeros((1, 1)), 1, 8, start=1, end=4, pad=0).tokens.tolist()
    [[2, 3, 4, 0, 0, 0, 0, 0]]
    """

    def choose(logits: jax.Array, index: jax.Array) -> jax.Array:
        return argmax(logits)

    return _decode(step, state, source, length, choose, (start, end, pad))


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
    """Sample a token at each step from ``softmax(logits / temperature)``.

    Args:
        step, state, source, length, start, end, pad: as for :func:`greedy`.
        key: a jax.random key; the same key gives the same tokens.
        temperature: divisor of the logits, positive; 1 by default. Towards 0 the result is that of
            greedy decoding.
        top_k: sample from the k most probable tokens, a positive integer; all if None (default).
        top_p: sample from the most probable tokens whose probabilities sum to at least p, in
            (0, 1], after ``top_k``; all if None (default).

    Returns:
        As :func:`greedy`. The log-probability is the model's, at temperature 1.

    Raises:
        InputError: an option is out of range.

    Source: top-k: Fan, Lewis, Dauphin, arXiv 1805.04833; top-p: Holtzman et al., arXiv 1904.09751.

    >>> def count(token, state):
    ...     return jax.nn.one_hot(token + 1, 6), state, jnp.ones((1, 1))
    >>> key, options = jax.random.key(0), {"start": 1, "end": 4, "pad": 0}
    >>> sample(count, jnp.zeros((1, 1)), 1, 4, key, top_k=1, **options).tokens.tolist()
    [[2, 3, 4, 0]]
    """
    _check(temperature > 0, "temperature", temperature, "a positive number")
    _check(top_k is None or top_k >= 1, "top_k", top_k, "a positive integer")
    _check(top_p is None or 0 < top_p <= 1, "top_p", top_p, "a number in (0, 1]")

    def choose(logits: jax.Array, index: jax.Array) -> jax.Array:
        candidates = _candidates(logits / temperature, top_k, top_p)
        token = jax.random.categorical(jax.random.fold_in(key, index), candidates)
        return token.astype(jnp.int32)

    return _decode(step, state, source, length, choose, (start, end, pad))


def _decode(
    step: Step, state: Any, source: int, length: int, choose: _Choose, special: tuple[int, int, int]
) -> Decoded:
    start, end, pad = special
    batch = jax.tree.leaves(state)[0].shape[0]

    def advance(carry: _Progress) -> _Progress:
        logits, state, weights = step(carry.token, carry.state)
        logits = logits.astype(jnp.float32)
        token = choose(logits, carry.position)
        token_logits = jnp.take_along_axis(logits, token[:, None], -1)[:, 0]
        log_p = token_logits - jax.nn.logsumexp(logits, -1)
        token = jnp.where(carry.ended, pad, token)
        weights = jnp.where(carry.ended[:, None], 0, weights).astype(jnp.float32)
        decoded = Decoded(
            lax.dynamic_update_index_in_dim(carry.decoded.tokens, token, carry.position, 1),
            carry.decoded.log_probability + jnp.where(carry.ended, 0, log_p),
            lax.dynamic_update_index_in_dim(carry.decoded.attention, weights, carry.position, 1),
        )
        return _Progress(carry.position + 1, token, state, carry.ended | (token == end), decoded)

    def unfinished(carry: _Progress) -> jax.Array:
        return (carry.position < length) & ~carry.ended.all()

    initial = _Progress(
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
    return lax.while_loop(unfinished, advance, initial).decoded


def argmax(logits: jax.Array) -> jax.Array:
    """Returns the index of the largest logit of each row, the first one of equals.

    On a CPU, jnp.argmax is several times slower, because XLA reduces pairs of value and index.
    """
    indices = lax.broadcasted_iota(jnp.int32, logits.shape, 1)
    last = logits.shape[1] - 1
    return jnp.where(logits >= logits.max(1, keepdims=True), indices, last).min(1)


def _candidates(logits: jax.Array, top_k: int | None, top_p: float | None) -> jax.Array:
    """Returns the logits, with minus infinity for tokens outside of top_k and top_p."""
    if top_k is not None and top_k < logits.shape[-1]:
        smallest = lax.top_k(logits, top_k)[0][:, -1:]
        logits = jnp.where(logits < smallest, -jnp.inf, logits)
    if top_p is not None and top_p < 1:
        descending = -jnp.sort(-logits, -1)
        before = jnp.cumsum(jax.nn.softmax(descending, -1), -1) - jax.nn.softmax(descending, -1)
        smallest = jnp.where(before < top_p, descending, jnp.inf).min(-1, keepdims=True)
        logits = jnp.where(logits < smallest, -jnp.inf, logits)
    return logits


def _check(valid: bool, name: str, value: object, expected: str) -> None:
    if not valid:
        raise InputError(
            explain(
                f"A sequence cannot be sampled with this {name}.",
                expected=expected,
                received=f"{name}={value!r}",
                remedy=f"Correct {name}, or leave it out.",
            )
        )
