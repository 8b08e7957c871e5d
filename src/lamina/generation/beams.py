"""Beam search over the tokens of a model.

Hypotheses of a row are in slots. A step records for each slot its token and the slot before it; at
the end the best sequence is read backwards along these pointers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lamina.generation.loop import seen_tokens
from lamina.generation.options import Numbers, Options
from lamina.generation.sampling import penalized
from lamina.generation.stepping import Stepper, beam_rows
from lamina.seq2seq.beam import repeated

__all__ = ["Finished", "Search", "advance", "begin", "best_sequences"]

_IMPOSSIBLE = -1e9


class Finished(NamedTuple):
    """The best finished hypotheses of each row, the best one first.

    Attributes:
        score: ``[batch, beams]``; very low if there are fewer.
        step: the step of the last token, ``[batch, beams]``.
        token: the last token.
        slot: the slot before the last token.
    """

    score: jax.Array
    step: jax.Array
    token: jax.Array
    slot: jax.Array


class Search(NamedTuple):
    """The carry of the loop.

    Attributes:
        step: number of steps done.
        token: the last token of each slot, ``[batch, beams]``.
        log_p: log-probability of each slot, ``[batch, beams]``.
        state: the state of the stepper, on ``batch beams`` rows.
        tokens: the token of each slot in each step, ``[room, batch, beams]``.
        parents: the slot before it, ``[room, batch, beams]``.
        finished: the best finished hypotheses.
        open: bool ``[batch]``, whether the search may find better hypotheses.
        broken: bool ``[batch]``, whether a logit was NaN.
        seen: bool ``[batch beams, vocabulary]``, tokens that occurred; None without a penalty.
    """

    step: jax.Array
    token: jax.Array
    log_p: jax.Array
    state: Any
    tokens: jax.Array
    parents: jax.Array
    finished: Finished
    open: jax.Array
    broken: jax.Array
    seen: jax.Array | None


def begin(
    stepper: Stepper,
    tokens: jax.Array,
    padding: jax.Array,
    room: int,
    total: int,
    vocabulary: int,
    options: Options,
) -> Search:
    """Returns the carry before the first new token; the arguments are those of greedy decoding."""
    batch, beams = tokens.shape[0], options.beams
    zeros = jnp.zeros((batch, beams), jnp.int32)
    seen = seen_tokens(tokens, padding, vocabulary) if options.penalizes else None
    # Before the first step all slots are equal, so only the first one counts.
    log_p = jnp.where(jnp.arange(beams) == 0, 0.0, _IMPOSSIBLE).astype(jnp.float32)
    pointers = jnp.zeros((room, batch, beams), jnp.int32)
    return Search(
        jnp.zeros((), jnp.int32),
        zeros + tokens[:, -1:],
        jnp.broadcast_to(log_p, zeros.shape),
        stepper.begin(tokens[:, :-1], padding, total),
        pointers + options.pad,
        pointers,
        Finished(jnp.full(zeros.shape, _IMPOSSIBLE, jnp.float32), zeros - 1, zeros, zeros),
        jnp.ones((batch,), bool),
        jnp.zeros((batch,), bool),
        None if seen is None else repeated(seen, beams),
    )


def advance(
    stepper: Stepper,
    search: Search,
    width: int,
    until: jax.Array,
    key: jax.Array,
    options: Options,
    numbers: Numbers,
) -> Search:
    """Returns the carry at the end of the search; the arguments are those of greedy decoding.

    A sequence of log-probability p and n new tokens has the score ``p / n^length_penalty``. Of the
    best continuations of a step, those that end are finished if they are among the best ``beams``,
    and the best others go on. A row ends when it has ``beams`` finished hypotheses, and the best
    running one has a lower score.
    """

    def unfinished(at: Search) -> jax.Array:
        return (at.step < until) & at.open.any() & ~at.broken.any()

    def step(at: Search) -> Search:
        return _step(stepper, at, width, options, numbers)

    return lax.while_loop(unfinished, step, search)


def _step(stepper: Stepper, at: Search, width: int, options: Options, numbers: Numbers) -> Search:
    slots, count = at.token.shape, at.step + 1
    logits, state = stepper.step(at.state, at.token.reshape(-1), width, at.step)
    log_p, token, parent, broken = _continuations(logits, at, options, numbers)
    ends = jnp.isin(token, numbers.stop) | (count >= numbers.limit)
    factor = count.astype(jnp.float32) ** numbers.length_penalty
    finished = _with_new(at, Finished(log_p / factor, at.step, token, parent), ends)
    log_p, chosen = lax.top_k(log_p + jnp.where(ends, _IMPOSSIBLE, 0), slots[1])
    token, parent = (jnp.take_along_axis(array, chosen, 1) for array in (token, parent))
    seen = at.seen
    if seen is not None:
        seen = seen[beam_rows(parent)].at[jnp.arange(token.size), token.reshape(-1)].set(True)
    full = (finished.score > _IMPOSSIBLE / 2).all(1)
    improves = log_p[:, 0] / factor > finished.score.min(1)
    return Search(
        count,
        token,
        log_p,
        stepper.reordered(state, parent, at.step),
        lax.dynamic_update_index_in_dim(at.tokens, token, at.step, 0),
        lax.dynamic_update_index_in_dim(at.parents, parent, at.step, 0),
        finished,
        at.open & (~full | improves),
        at.broken | broken,
        seen,
    )


def _continuations(
    logits: jax.Array, at: Search, options: Options, numbers: Numbers
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Returns the best ``[batch, k]`` log-probabilities, tokens and slots, and which are NaN."""
    batch, beams = at.token.shape
    logits = logits.astype(jnp.float32)
    normalizer = jax.nn.logsumexp(logits, -1, keepdims=True)
    count = max(2, 1 + numbers.stop.shape[0]) * beams
    candidates = min(count, logits.shape[-1])
    if at.seen is None:
        best, token = lax.top_k(logits, candidates)  # of each slot; below, of all slots
        best = best - normalizer
    else:
        log_p = penalized(logits - normalizer, at.seen, numbers.repetition_penalty)
        best, token = lax.top_k(log_p, candidates)
    joint = (best.reshape(batch, beams, -1) + at.log_p[..., None]).reshape(batch, -1)
    log_p, chosen = lax.top_k(joint, min(count, joint.shape[1]))
    token = jnp.take_along_axis(token.reshape(joint.shape), chosen, 1)
    broken = jnp.isnan(normalizer).reshape(batch, beams).any(1) & at.open
    return log_p, token, chosen // candidates, broken


def _with_new(at: Search, new: Finished, ends: jax.Array) -> Finished:
    """Returns the best finished hypotheses, with those of the best slots that end in this step."""
    beams = at.token.shape[1]
    counts = ends[:, :beams] & at.open[:, None]
    score = jnp.where(counts, new.score[:, :beams], _IMPOSSIBLE)
    index = jnp.broadcast_to(new.step, score.shape)
    added = Finished(score, index, new.token[:, :beams], new.slot[:, :beams])
    both = [jnp.concatenate(pair, 1) for pair in zip(at.finished, added, strict=True)]
    _, chosen = lax.top_k(both[0], beams)
    return Finished(*(jnp.take_along_axis(array, chosen, 1) for array in both))


def best_sequences(search: Search, options: Options) -> tuple[jax.Array, jax.Array]:
    """Returns the best tokens of each row, ``[batch, room]``, padded, and their number."""
    finished = Finished(*(array[:, :1] for array in search.finished))

    def back(slot: jax.Array, step: Any) -> tuple[jax.Array, jax.Array]:
        index, tokens, parents = step
        is_last, is_earlier = index == finished.step, index < finished.step
        token = jnp.where(is_last, finished.token, jnp.take_along_axis(tokens, slot, 1))
        parent = jnp.where(is_last, finished.slot, jnp.take_along_axis(parents, slot, 1))
        token = jnp.where(is_last | is_earlier, token, options.pad)
        return jnp.where(is_last | is_earlier, parent, slot), token[:, 0]

    steps = jnp.arange(search.tokens.shape[0]), search.tokens, search.parents
    _, tokens = lax.scan(back, finished.slot, steps, reverse=True)
    return tokens.T, finished.step[:, 0] + 1
