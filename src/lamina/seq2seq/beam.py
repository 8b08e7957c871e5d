"""Beam search: the likeliest texts, found by following several of them at once.

What is followed is a slot of a row. Each step notes, for every slot, the id it wrote and the slot
it came from; texts are read off these notes at the end, backwards, so that no step copies what was
written before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lamina.errors import InputError, explain
from lamina.seq2seq.search import Step

__all__ = ["Beams", "beam_search", "repeated"]


_LEAST = 1e-30  # what a place of the source was seen, at least, so that its logarithm is finite


class Beams(NamedTuple):
    """The texts a beam search found for each row, the best first: ids ``[batch, beam, target]``,
    padded behind the end mark; the logarithm of their probability, and their score, ``[batch,
    beam]``, minus infinity where there are not so many texts; attention weights ``[batch, beam,
    target, source]``, 0 behind the end mark."""

    tokens: jax.Array
    log_probability: jax.Array
    score: jax.Array
    attention: jax.Array


class _Alive(NamedTuple):
    """What is being followed: last ids and log-probabilities ``[batch, beam]``, states ``[batch
    beam, ...]``, and how much of the source each has seen, ``[batch, beam, source]``."""

    token: jax.Array
    log_p: jax.Array
    state: Any
    seen: jax.Array


class _Ended(NamedTuple):
    """The best texts so far, ``[batch, beam]``: the step that wrote their last id, and the slot
    that they stood in before it."""

    score: jax.Array
    log_p: jax.Array
    at: jax.Array
    slot: jax.Array


class _Notes(NamedTuple):
    """Of each step and slot: the id, the slot it came from ``[target, batch, beam]``, and where
    the slot looked as it went on, ``[target, batch, beam, source]``."""

    token: jax.Array
    parent: jax.Array
    attention: jax.Array


class _Search(NamedTuple):
    at: jax.Array
    alive: _Alive
    ended: _Ended
    notes: _Notes


class _Rules(NamedTuple):
    """What does not change during a search."""

    beam: int
    end: int
    pad: int
    length_penalty: float
    coverage_penalty: float
    mask: jax.Array | None

    def score(self, log_p: jax.Array, size: Any, seen: jax.Array) -> jax.Array:
        """Of texts ``[batch, beam]`` of a size that have seen ``[batch, beam, source]``."""
        score = log_p / ((5.0 + size) / 6.0) ** self.length_penalty
        if not self.coverage_penalty:
            return score
        covered = jnp.log(jnp.clip(seen, _LEAST, 1))
        if self.mask is not None:
            covered = jnp.where(self.mask[:, None], covered, 0)
        return score + self.coverage_penalty * covered.sum(-1)


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
    """Follow the ``beam`` likeliest beginnings of a text, until a row has as many whole texts.

    A text Y of probability p, which gave the place i of the source attention a_i in all, scores::

        log p / ((5 + |Y|) / 6)^length_penalty + coverage_penalty sum_i log(min(a_i, 1))

    Of the ``beam`` best continuations of each step, those that end are whole; the others are
    followed, and as many more as there is room for. Texts cut off at ``length`` stand behind whole
    ones. All is one loop, compiled once, that stops when all rows are done.

    Args:
        step: as for :func:`greedy`, on ``[batch beam]`` rows, those of a text together.
        state: the first state of each text, ``[batch, ...]``.
        source: the size of the source axis.
        length: the most ids a text may have, the end mark included.
        beam: how many beginnings are followed; 1 gives what :func:`greedy` gives.
        start: the id before the first.
        end: the id that ends a text.
        pad: the id behind it.
        length_penalty: 0 favours short texts, 1 about compares means over the ids.
        coverage_penalty: how much it costs to leave places of the source unseen.
        mask: bool, ``[batch, source]``, False where the source is padding.

    Raises:
        InputError: the beam is not above 0.

    Source: Wu et al., arXiv 1609.08144, section 7.

    >>> def count(token, state):
    ...     return jax.nn.one_hot(token + 1, 6), state, jnp.ones((2, 1))
    >>> found = beam_search(count, jnp.zeros((1, 1)), 1, 4, beam=2, start=1, end=4, pad=0)
    >>> found.tokens[:, 0].tolist()
    [[2, 3, 4, 0]]
    """
    if beam < 1:
        raise InputError(
            explain(
                "A beam search cannot follow this many texts.",
                expected="a beam of 1 or more",
                received=f"beam={beam}",
                remedy="Choose 5, for example.",
            )
        )
    rules = _Rules(beam, end, pad, length_penalty, coverage_penalty, mask)
    batch = jax.tree.leaves(state)[0].shape[0]

    def advance(now: _Search) -> _Search:
        return _advanced(now, step, rules)

    def goes_on(now: _Search) -> jax.Array:
        return (now.at < length) & ~_done(now.ended).all()

    begin = _begun(repeated(state, beam), (batch, beam, source), length, start, pad)
    last: _Search = lax.while_loop(goes_on, advance, begin)
    return _read_off(last.notes, _with_cut_off(last, rules, length), rules)


def repeated(tree: Any, beam: int) -> Any:
    """Arrays ``[batch, ...]`` as ``[batch beam, ...]``, each row as often as the beam is wide."""

    def repeat(array: jax.Array) -> jax.Array:
        return jnp.repeat(array, beam, 0)

    return jax.tree.map(repeat, tree)


def _begun(state: Any, sizes: tuple[int, int, int], length: int, start: int, pad: int) -> _Search:
    batch, beam, source = sizes
    slots = batch, beam
    # All slots are alike before the first step: one of them is enough.
    log_p = jnp.where(jnp.arange(beam) == 0, 0.0, -jnp.inf)
    zeros = jnp.zeros(slots, jnp.int32)
    return _Search(
        jnp.zeros((), jnp.int32),
        _Alive(
            zeros + start,
            jnp.zeros(slots, jnp.float32) + log_p,
            state,
            jnp.zeros((*slots, source), jnp.float32),
        ),
        _Ended(
            jnp.full(slots, -jnp.inf, jnp.float32),
            jnp.full(slots, -jnp.inf, jnp.float32),
            zeros - 1,
            zeros,
        ),
        _Notes(
            jnp.full((length, *slots), pad, jnp.int32),
            jnp.zeros((length, *slots), jnp.int32),
            jnp.zeros((length, *slots, source), jnp.float32),
        ),
    )


def _advanced(now: _Search, step: Step, rules: _Rules) -> _Search:
    alive, slots = now.alive, now.alive.token.shape
    logits, state, weights = step(alive.token.reshape(-1), alive.state)
    attention = weights.reshape(*slots, -1).astype(jnp.float32)
    log_p, token, parent = _continuations(logits, alive.log_p, rules.beam)
    seen = _taken(alive.seen + attention, parent)
    is_end = token == rules.end
    ended = _with_new(now, rules, (log_p, parent, seen), is_end)
    # No slot has more than one end, so that half of the continuations go on, or more.
    log_p, chosen = lax.top_k(jnp.where(is_end, -jnp.inf, log_p), rules.beam)
    token, parent, seen = (_taken(array, chosen) for array in (token, parent, seen))
    rows = (jnp.arange(slots[0], dtype=jnp.int32)[:, None] * rules.beam + parent).reshape(-1)
    state = jax.tree.map(_rows_at(rows), state)
    notes = _noted(now.notes, _Notes(token, parent, attention), now.at)
    return _Search(now.at + 1, _Alive(token, log_p, state, seen), ended, notes)


def _rows_at(rows: jax.Array) -> Callable[[jax.Array], jax.Array]:
    return lambda array: array[rows]


def _noted(notes: _Notes, new: _Notes, at: jax.Array) -> _Notes:
    pairs = zip(notes, new, strict=True)
    return _Notes(*(lax.dynamic_update_index_in_dim(every, one, at, 0) for every, one in pairs))


def _continuations(
    logits: jax.Array, log_p: jax.Array, beam: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The best ``[batch, 2 beam]``: log-probabilities, ids, and the slots they come from."""
    logits = logits.astype(jnp.float32)
    several = min(2 * beam, logits.shape[-1])
    best, token = lax.top_k(logits, several)  # of each slot, then of all
    best = (best - jax.nn.logsumexp(logits, -1, keepdims=True)).reshape(*log_p.shape, several)
    joint = (best + log_p[..., None]).reshape(log_p.shape[0], -1)
    log_p, chosen = lax.top_k(joint, min(2 * beam, joint.shape[1]))
    return log_p, _taken(token.reshape(joint.shape), chosen), chosen // several


def _with_new(now: _Search, rules: _Rules, found: tuple[Any, ...], is_end: jax.Array) -> _Ended:
    """The best texts, those among them that ended in this step; found is ``[batch, 2 beam]``."""
    log_p, parent, seen = (array[:, : rules.beam] for array in found)
    counts = is_end[:, : rules.beam] & (log_p > -jnp.inf) & ~_done(now.ended)[:, None]
    score = jnp.where(counts, rules.score(log_p, now.at + 1, seen), -jnp.inf)
    return _best(now.ended, _Ended(score, log_p, jnp.broadcast_to(now.at, log_p.shape), parent))


def _with_cut_off(last: _Search, rules: _Rules, length: int) -> _Ended:
    """The best texts, those cut off filling up what whole ones have left."""
    alive, slots = last.alive, last.alive.log_p.shape
    counts = (alive.log_p > -jnp.inf) & ~_done(last.ended)[:, None]
    score = jnp.where(counts, rules.score(alive.log_p, length, alive.seen), -jnp.inf)
    order = jnp.broadcast_to(jnp.arange(slots[1], dtype=jnp.int32), slots)
    cut_off = _Ended(score, alive.log_p, jnp.full(slots, length, jnp.int32), order)
    return _best(last.ended, cut_off, behind=True)


def _best(ended: _Ended, new: _Ended, behind: bool = False) -> _Ended:
    """The best of both; behind: new ones come after those that are there."""
    both = _Ended(*(jnp.concatenate(pair, 1) for pair in zip(ended, new, strict=True)))
    there = jnp.where(ended.score > -jnp.inf, jnp.inf, -jnp.inf) if behind else ended.score
    rank = jnp.concatenate([there, new.score], 1)
    _, chosen = lax.top_k(rank, ended.score.shape[1])
    return _Ended(*(_taken(array, chosen) for array in both))


def _done(ended: _Ended) -> jax.Array:
    """Which rows have found as many whole texts as are asked for."""
    return (ended.score > -jnp.inf).all(1)


def _read_off(notes: _Notes, ended: _Ended, rules: _Rules) -> Beams:
    def back(slot: jax.Array, at: Any) -> tuple[jax.Array, Any]:
        step, note = at
        is_last, within = step == ended.at, step < ended.at
        token = jnp.where(is_last, rules.end, _taken(note.token, slot))
        parent = jnp.where(is_last, ended.slot, _taken(note.parent, slot))
        looked = _taken(note.attention, parent)
        written = is_last | within
        shown = jnp.where(written, token, rules.pad), jnp.where(written[..., None], looked, 0)
        return jnp.where(written, parent, slot), shown

    steps = jnp.arange(notes.token.shape[0], dtype=jnp.int32)
    _, (tokens, attention) = lax.scan(back, ended.slot, (steps, notes), reverse=True)
    log_p = jnp.where(ended.score > -jnp.inf, ended.log_p, -jnp.inf)
    by_text = jnp.moveaxis(tokens, 0, 2), jnp.moveaxis(attention, 0, 2)
    return Beams(by_text[0], log_p, ended.score, by_text[1])


def _taken(array: jax.Array, places: jax.Array) -> jax.Array:
    """``[batch, n, ...]`` at ``[batch, k]`` of the second axis."""
    index = places.reshape(*places.shape, *(1,) * (array.ndim - 2))
    return jnp.take_along_axis(array, index, 1)
