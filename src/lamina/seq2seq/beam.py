"""Beam search.

Each row has ``beam`` slots, which hold the active hypotheses. A step records for every slot its new
token and the slot of its predecessor. At the end the sequences are read backwards along these back
pointers, so that no step copies the tokens before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lamina.errors import InputError, explain
from lamina.seq2seq.beam_state import Active, BackPointers, Finished, Rules, Search
from lamina.seq2seq.search import Step

__all__ = ["Beams", "beam_search", "repeated"]


class Beams(NamedTuple):
    """The sequences that a beam search found for each row, the best one first.

    Args:
        tokens: token ids ``[batch, beam, target]``, padded after the end token.
        log_probability: log-probability of each sequence, ``[batch, beam]``, in nats; minus
            infinity if there are fewer sequences.
        score: log-probability with the penalties, ``[batch, beam]``.
        attention: attention weights ``[batch, beam, target, source]``, 0 after the end token.
    """

    tokens: jax.Array
    log_probability: jax.Array
    score: jax.Array
    attention: jax.Array


def beam_search(
    step: Step,
    state: Any,
    source: int,
    length: int,
    *,
    beam: int,
    start: int,
    end: int,
    pad: int,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    mask: jax.Array | None = None,
) -> Beams:
    """Search for the most probable sequences by extending ``beam`` hypotheses at once.

    A sequence Y of probability p, whose attention to source position i sums to a_i, has the score::

        log p / ((5 + |Y|) / 6)^length_penalty + coverage_penalty sum_i log(min(a_i, 1))

    Hypotheses among the ``beam`` best of a step that end are finished; the best others stay active.
    A row is done when it has ``beam`` finished hypotheses, and the loop ends when all rows are
    done. Hypotheses cut off at ``length`` rank after finished ones.

    Args:
        step: as for :func:`greedy`, on ``[batch beam]`` rows, the slots of a row adjacent.
        state: the initial state of each row, ``[batch, ...]``.
        source: size of the source axis.
        length: maximum number of tokens, including the end token.
        beam: number of hypotheses, a positive integer; 1 is greedy decoding.
        start: token id before the first.
        end: token id that ends a sequence.
        pad: token id after the end token.
        length_penalty: exponent of the length normalization: 0 (default) favours short sequences,
            1 compares roughly the means over tokens.
        coverage_penalty: weight of the penalty for source positions without attention; 0 by
            default.
        mask: bool ``[batch, source]``, False at padding of the source; None by default.

    Returns:
        The ``beam`` best sequences of each row, as :class:`Beams`.

    Raises:
        InputError: the beam is not a positive integer.

    Source: Wu et al., arXiv 1609.08144, section 7.

    >>> def count(token, state):
    ...     return jax.nn.one_hot(token + 1, 6), state, jnp.ones((2, 1))
    >>> beams = beam_search(count, jnp.zeros((1, 1)), 1, 4, beam=2, start=1, end=4, pad=0)
    >>> beams.tokens[:, 0].tolist()
    [[2, 3, 4, 0]]
    """
    if beam < 1:
        raise InputError(
            explain(
                "A beam search cannot run with this beam size.",
                expected="a positive integer",
                received=f"beam={beam}",
                remedy="Choose beam=5, for example.",
            )
        )
    rules = Rules(beam, end, pad, length_penalty, coverage_penalty, mask)
    batch = jax.tree.leaves(state)[0].shape[0]

    def advance(search: Search) -> Search:
        return _after_step(search, step, rules)

    def unfinished(search: Search) -> jax.Array:
        return (search.at < length) & ~_done(search.finished).all()

    initial = _initial(repeated(state, beam), (batch, beam, source), length, start, pad)
    last: Search = lax.while_loop(unfinished, advance, initial)
    return _backtraced(last.pointers, _with_cut_off(last, rules, length), rules)


def repeated(tree: Any, beam: int) -> Any:
    """Returns arrays ``[batch, ...]`` as ``[batch beam, ...]``, with each row repeated."""

    def repeat(array: jax.Array) -> jax.Array:
        return jnp.repeat(array, beam, 0)

    return jax.tree.map(repeat, tree)


def _initial(state: Any, sizes: tuple[int, int, int], length: int, start: int, pad: int) -> Search:
    batch, beam, source = sizes
    slots = batch, beam
    # Before the first step all slots are equal, so only the first one is active.
    log_p = jnp.where(jnp.arange(beam) == 0, 0.0, -jnp.inf)
    zeros = jnp.zeros(slots, jnp.int32)
    return Search(
        jnp.zeros((), jnp.int32),
        Active(
            zeros + start,
            jnp.zeros(slots, jnp.float32) + log_p,
            state,
            jnp.zeros((*slots, source), jnp.float32),
        ),
        Finished(
            jnp.full(slots, -jnp.inf, jnp.float32),
            jnp.full(slots, -jnp.inf, jnp.float32),
            zeros - 1,
            zeros,
        ),
        BackPointers(
            jnp.full((length, *slots), pad, jnp.int32),
            jnp.zeros((length, *slots), jnp.int32),
            jnp.zeros((length, *slots, source), jnp.float32),
        ),
    )


def _after_step(search: Search, step: Step, rules: Rules) -> Search:
    active, slots = search.active, search.active.token.shape
    logits, state, weights = step(active.token.reshape(-1), active.state)
    attention = weights.reshape(*slots, -1).astype(jnp.float32)
    log_p, token, parent = _continuations(logits, active.log_p, rules.beam)
    coverage = _gathered(active.coverage + attention, parent)
    is_end = token == rules.end
    finished = _with_new(search, rules, (log_p, parent, coverage), is_end)
    # Each slot has at most one end token, so at least half of the continuations stay active.
    log_p, chosen = lax.top_k(jnp.where(is_end, -jnp.inf, log_p), rules.beam)
    token, parent, coverage = (_gathered(array, chosen) for array in (token, parent, coverage))
    rows = (jnp.arange(slots[0], dtype=jnp.int32)[:, None] * rules.beam + parent).reshape(-1)
    state = jax.tree.map(_rows_at(rows), state)
    new = BackPointers(token, parent, attention)
    pointers = _recorded(search.pointers, new, search.at)
    return Search(search.at + 1, Active(token, log_p, state, coverage), finished, pointers)


def _rows_at(rows: jax.Array) -> Callable[[jax.Array], jax.Array]:
    return lambda array: array[rows]


def _recorded(pointers: BackPointers, new: BackPointers, at: jax.Array) -> BackPointers:
    pairs = zip(pointers, new, strict=True)
    return BackPointers(*(lax.dynamic_update_index_in_dim(*pair, at, 0) for pair in pairs))


def _continuations(
    logits: jax.Array, log_p: jax.Array, beam: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the best ``[batch, 2 beam]``: log-probabilities, tokens and previous slots."""
    logits = logits.astype(jnp.float32)
    candidates = min(2 * beam, logits.shape[-1])
    best, token = lax.top_k(logits, candidates)  # of each slot; below, of all slots
    best = (best - jax.nn.logsumexp(logits, -1, keepdims=True)).reshape(*log_p.shape, candidates)
    joint = (best + log_p[..., None]).reshape(log_p.shape[0], -1)
    log_p, chosen = lax.top_k(joint, min(2 * beam, joint.shape[1]))
    return log_p, _gathered(token.reshape(joint.shape), chosen), chosen // candidates


def _with_new(
    search: Search, rules: Rules, continuations: tuple[Any, ...], is_end: jax.Array
) -> Finished:
    """Returns the best finished hypotheses, with those of this step, ``[batch, 2 beam]``."""
    log_p, parent, coverage = (array[:, : rules.beam] for array in continuations)
    ends = is_end[:, : rules.beam] & (log_p > -jnp.inf) & ~_done(search.finished)[:, None]
    score = jnp.where(ends, rules.score(log_p, search.at + 1, coverage), -jnp.inf)
    return _best(
        search.finished, Finished(score, log_p, jnp.broadcast_to(search.at, log_p.shape), parent)
    )


def _with_cut_off(last: Search, rules: Rules, length: int) -> Finished:
    """Returns the finished hypotheses, filled up with those cut off at the maximum length."""
    active, slots = last.active, last.active.log_p.shape
    exists = (active.log_p > -jnp.inf) & ~_done(last.finished)[:, None]
    score = jnp.where(exists, rules.score(active.log_p, length, active.coverage), -jnp.inf)
    order = jnp.broadcast_to(jnp.arange(slots[1], dtype=jnp.int32), slots)
    cut_off = Finished(score, active.log_p, jnp.full(slots, length, jnp.int32), order)
    return _best(last.finished, cut_off, behind=True)


def _best(finished: Finished, new: Finished, behind: bool = False) -> Finished:
    """Returns the best of both; with `behind`, all new ones rank after the others."""
    both = Finished(*(jnp.concatenate(pair, 1) for pair in zip(finished, new, strict=True)))
    first = jnp.where(finished.score > -jnp.inf, jnp.inf, -jnp.inf) if behind else finished.score
    rank = jnp.concatenate([first, new.score], 1)
    _, chosen = lax.top_k(rank, finished.score.shape[1])
    return Finished(*(_gathered(array, chosen) for array in both))


def _done(finished: Finished) -> jax.Array:
    """Returns which rows have ``beam`` finished hypotheses, ``[batch]``."""
    return (finished.score > -jnp.inf).all(1)


def _backtraced(pointers: BackPointers, finished: Finished, rules: Rules) -> Beams:
    """Follows the back pointers from the last step to the first."""

    def back(slot: jax.Array, inputs: Any) -> tuple[jax.Array, Any]:
        step, pointer = inputs
        is_last, is_earlier = step == finished.at, step < finished.at
        token = jnp.where(is_last, rules.end, _gathered(pointer.token, slot))
        parent = jnp.where(is_last, finished.slot, _gathered(pointer.parent, slot))
        attention = _gathered(pointer.attention, parent)
        valid = is_last | is_earlier
        outputs = jnp.where(valid, token, rules.pad), jnp.where(valid[..., None], attention, 0)
        return jnp.where(valid, parent, slot), outputs

    steps = jnp.arange(pointers.token.shape[0], dtype=jnp.int32)
    _, (tokens, attention) = lax.scan(back, finished.slot, (steps, pointers), reverse=True)
    log_p = jnp.where(finished.score > -jnp.inf, finished.log_p, -jnp.inf)
    tokens, attention = jnp.moveaxis(tokens, 0, 2), jnp.moveaxis(attention, 0, 2)
    return Beams(tokens, log_p, finished.score, attention)


def _gathered(array: jax.Array, indices: jax.Array) -> jax.Array:
    """Returns elements ``[batch, k]`` of the second axis of ``[batch, n, ...]``."""
    index = indices.reshape(*indices.shape, *(1,) * (array.ndim - 2))
    return jnp.take_along_axis(array, index, 1)
