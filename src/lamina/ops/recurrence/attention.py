"""A recurrence that attends to values at each step, whose backward pass is written by hand."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import alike, is_placed
from lamina.ops.attention import masked_softmax, weighted_values
from lamina.ops.dense import dense
from lamina.ops.recurrence.axes import (
    added_at,
    all_with_step,
    before_all,
    no_steps,
    step_of,
    steps_of,
    time_first,
    with_step,
)
from lamina.ops.recurrence.cell import Cell, State
from lamina.ops.recurrence.engine import back, over_time, pulled_back, state_before

__all__ = ["Attended", "AttentionWeights", "Memory", "attend"]


class Memory(NamedTuple):
    """What is attended to: ``[batch, source, size]``, ``[batch, source, channels]``, and a mask,
    bool, ``[batch, source]``, or None."""

    keys: jax.Array
    values: jax.Array
    mask: jax.Array | None = None


class AttentionWeights(NamedTuple):
    """``[units, size]``, ``[size]`` (None: scores are dot products), ``[channels, gates]``,
    ``[units, gates]``, and what is added to that which the cell's step is given, or None."""

    query: jax.Array
    score: jax.Array | None
    context: jax.Array
    recurrent: jax.Array
    bias: jax.Array | None = None


class Attended(NamedTuple):
    """Outputs ``[batch, time, units]``, attention ``[batch, time, source]``, contexts ``[batch,
    time, channels]``, and the last state."""

    outputs: jax.Array
    attention: jax.Array
    contexts: jax.Array
    state: State


class _Kept(NamedTuple):
    """What the backward pass reads: the state before the first step, ``[batch, units]``, and after
    each, ``[batch, time, units]``; of all steps the queries, ``[batch, time, size]``, and the
    shares with the sums in them, ``[batch, time, gates]``; and, time first, what is in no sum."""

    start: State
    after: State
    queries: jax.Array
    shares: jax.Array
    own: State


def attend(
    cell: Cell,
    projected: jax.Array,
    start: State,
    memory: Memory,
    weights: AttentionWeights,
    *,
    plain: bool = False,
) -> Attended:
    """Run a cell over time with attention. With h the state's first array::

        q_t = h_{t-1} query
        e_ti = score . tanh(q_t + keys_i)       additive, or
        e_ti = q_t . keys_i / sqrt(size)        where there is no score
        w_t = softmax(e_t),    c_t = sum_i w_ti values_i
        s_t = cell(projected_t + c_t context, h_{t-1} recurrent, s_{t-1})

    The backward pass runs over time for the gradients of gates, queries and keys alone. Those of
    the weights and of the values are one product each over all steps, and the hidden layer of
    additive scores, ``[batch, source, size]`` at each step, is computed again, not kept.

    Args:
        cell: what a step does element by element.
        projected: ``[batch, time, gates]``, the input's share.
        start: the state before the first step, arrays ``[batch, units]``.
        memory: what is attended to.
        weights: of the attention and of the cell.
        plain: leave the backward pass to autodiff.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section A; dot products: Luong, Pham, Manning,
    arXiv 1508.04025, scaled as in Vaswani et al., arXiv 1706.03762.
    """
    if plain or is_placed(projected) or projected.shape[1] == 0:
        return _plainly(cell, projected, start, memory, weights)

    @jax.custom_vjp
    def run(projected: Any, start: Any, memory: Any, weights: Any) -> Attended:
        return _forward(cell, projected, start, memory, weights)[0]

    def forward(projected: Any, start: Any, memory: Any, weights: Any) -> Any:
        attended, kept = _forward(cell, projected, start, memory, weights)
        return attended, (memory, weights, attended, kept)

    def backward(residuals: Any, slopes: Attended) -> Any:
        memory, weights, attended, kept = residuals
        return _backward(cell, memory, weights, attended, kept, slopes)

    cast(Any, run).defvjp(forward, backward)
    return cast(Any, run)(*alike((projected, start, memory, weights)))


class _Read(NamedTuple):
    """What a step reads: the query, its weights, the context, and its share of the gates."""

    query: jax.Array
    attention: jax.Array
    context: jax.Array
    share: jax.Array


def _read(h: jax.Array, memory: Memory, weights: AttentionWeights) -> _Read:
    query = dense(h, weights.query)
    attention = masked_softmax(_scores(query, memory.keys, weights.score), memory.mask)
    context = weighted_values(attention, memory.values)
    return _Read(query, attention, context, dense(context, weights.context))


def _plainly(
    cell: Cell, projected: jax.Array, start: State, memory: Memory, weights: AttentionWeights
) -> Attended:
    """What is attended to, in a way that autodiff takes apart well."""

    def step(state: State, at: jax.Array) -> tuple[State, tuple[jax.Array, ...]]:
        read = _read(state[0], memory, weights)
        shares, product = cell.apart(at + read.share), dense(state[0], weights.recurrent)
        state = cell.step(cell.given(shares, product, weights.bias), state)
        return state, (state[0], read.attention, read.context)

    state, stacked = lax.scan(step, start, time_first(projected))
    outputs, attention, contexts = map(time_first, stacked)
    return Attended(outputs, attention, contexts, state)


def _forward(
    cell: Cell, projected: jax.Array, start: State, memory: Memory, weights: AttentionWeights
) -> tuple[Attended, _Kept]:
    """What is attended to, and what the backward pass by hand needs."""

    def step(carry: Any, index: jax.Array) -> tuple[Any, State]:
        shares, stacked, state = carry
        read, product = _read(state[0], memory, weights), dense(state[0], weights.recurrent)
        shares = cell.summed_at(added_at(shares, read.share, index), product, weights.bias, index)
        own = cell.own(product, weights.bias)
        after = cell.step(cell.given_at(shares, own, weights.bias, index), state)
        parts = read.query, read.attention, read.context, *after
        return (shares, all_with_step(stacked, parts, index), after), own

    time = projected.shape[1]
    likes = memory.keys[:, 0], memory.keys[..., 0], memory.values[:, 0], *start
    begin = projected, tuple(no_steps(like, time) for like in likes), start
    (shares, stacked, state), own = lax.scan(step, begin, steps_of(projected))
    queries, attention, contexts, *after = stacked
    kept = _Kept(start, tuple(after), queries, shares, own)
    return Attended(after[0], attention, contexts, state), kept


def _scores(query: jax.Array, keys: jax.Array, score: jax.Array | None) -> jax.Array:
    """``[batch, source]``."""
    if score is None:
        products = lax.dot_general(query, keys, (((1,), (2,)), ((0,), (0,))))
        return products * keys.shape[-1] ** -0.5
    return lax.dot_general(_hidden(query, keys), score, (((2,), (0,)), ((), ())))


def _hidden(query: jax.Array, keys: jax.Array) -> jax.Array:
    return lax.tanh(lax.expand_dims(query, (1,)) + keys)


def _backward(
    cell: Cell,
    memory: Memory,
    weights: AttentionWeights,
    attended: Attended,
    kept: _Kept,
    slopes: Attended,
) -> tuple[jax.Array, State, Memory, AttentionWeights]:
    score = weights.score

    def step(carry: Any, at: Any) -> tuple[Any, None]:
        d_shares, d_others, d_queries, stacked, d_memory, d_state = carry
        index, own = at
        state, query = state_before(kept.start, kept.after, index), step_of(d_queries, index)
        gates = cell.given_at(d_shares, own, weights.bias, index)
        d_after = (d_state[0] + step_of(slopes.outputs, index), *d_state[1:])
        d_gates, d_before = pulled_back(cell.step, (gates, state), d_after)
        d_share = lax.concatenate(d_gates[: cell.gates], 1)
        d_context = step_of(slopes.contexts, index) + back(d_share, weights.context)
        d_attention = step_of(slopes.attention, index) + _weighing(d_context, memory.values)
        attention = step_of(attended.attention, index)
        d_scores = _through_softmax(attention, d_attention, memory.mask)
        d_query, d_memory = _through_scores(query, memory.keys, score, d_scores, d_memory)
        d_product = lax.concatenate(cell.of_product(d_gates), 1)
        d_h = back(d_query, weights.query) + back(d_product, weights.recurrent)
        d_shares = with_step(d_shares, d_share, index)
        d_others = all_with_step(d_others, d_gates[cell.gates :], index)
        d_queries = with_step(d_queries, d_query, index)
        parts = (d_context, d_scores) if score is None else (d_context,)
        stacked = all_with_step(stacked, parts, index)
        d_before = (d_before[0] + d_h, *d_before[1:])
        return (d_shares, d_others, d_queries, stacked, d_memory, d_before), None

    time = slopes.outputs.shape[1]
    room = (no_steps(memory.values[:, 0], time),)
    if score is None:
        room, d_memory = (*room, no_steps(memory.keys[..., 0], time)), None
    else:
        d_memory = jnp.zeros_like(memory.keys), jnp.zeros_like(score)
    d_others = (no_steps(slopes.state[0], time),) * (cell.gates - cell.shared)
    # The gradients of shares and queries take their places.
    begin = kept.shares, d_others, kept.queries, room, d_memory, slopes.state
    every_step = steps_of(slopes.outputs), kept.own
    (d_projected, d_others, d_queries, stacked, d_memory, d_start), _ = lax.scan(
        step, begin, every_step, reverse=True
    )
    d_products = cell.with_others(d_projected, d_others)
    d_contexts, *d_scores = stacked
    if d_memory is None:
        d_keys = _over_steps(d_scores[0], kept.queries)
        d_memory = d_keys * memory.keys.shape[-1] ** -0.5, None
    d_keys, d_score = d_memory
    h = before_all(kept.start[0], kept.after[0])
    d_weights = AttentionWeights(
        over_time(h, d_queries),
        d_score,
        over_time(attended.contexts, d_projected),
        over_time(h, d_products),
        None if weights.bias is None else cell.d_bias(weights.bias, d_projected, d_products),
    )
    d_values = _over_steps(attended.attention, d_contexts)
    return d_projected, d_start, Memory(d_keys, d_values), d_weights


def _weighing(d_context: jax.Array, values: jax.Array) -> jax.Array:
    return lax.dot_general(d_context, values, (((1,), (2,)), ((0,), (0,))))


def _through_softmax(w: jax.Array, d_w: jax.Array, mask: jax.Array | None) -> jax.Array:
    d_scores = w * (d_w - jnp.sum(w * d_w, -1, keepdims=True))
    return d_scores if mask is None else jnp.where(mask, d_scores, 0)


def _through_scores(
    query: jax.Array, keys: jax.Array, score: jax.Array | None, d_scores: jax.Array, so_far: Any
) -> tuple[jax.Array, Any]:
    """The gradient of the query; of keys and score as well, where they are summed step by step."""
    if score is None:
        d_query = weighted_values(d_scores, keys) * keys.shape[-1] ** -0.5
        return d_query, so_far
    d_keys, d_score = so_far
    hidden = _hidden(query, keys)
    at = lax.expand_dims(d_scores, (2,))
    d_hidden = at * (score * (1 - hidden * hidden))
    by_score = lax.dot_general(d_scores, hidden, (((0, 1), (0, 1)), ((), ())))
    return d_hidden.sum(1), (d_keys + d_hidden, d_score + by_score)


def _over_steps(left: jax.Array, right: jax.Array) -> jax.Array:
    """``sum over time of left_s right_c``, of ``[batch, time, ...]``, for each row."""
    return lax.dot_general(left, right, (((1,), (1,)), ((0,), (0,))))
