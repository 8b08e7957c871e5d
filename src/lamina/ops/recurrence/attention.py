"""A recurrence that attends to values at each step, whose backward pass is written by hand."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import alike, is_placed
from lamina.ops.attention import masked_softmax, weighted_values
from lamina.ops.dense import dense
from lamina.ops.recurrence.cell import Cell, State
from lamina.ops.recurrence.engine import over_time, pulled_back, shifted

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
    """Outputs ``[time, batch, units]``, attention ``[time, batch, source]``, contexts ``[time,
    batch, channels]``, and the last state."""

    outputs: jax.Array
    attention: jax.Array
    contexts: jax.Array
    state: State


class _Kept(NamedTuple):
    """What the backward pass reads of all steps: the rest of the state is that before them."""

    rest: State
    queries: jax.Array
    gates: State


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
        projected: ``[time, batch, gates]``, the input's share.
        start: the state before the first step, arrays ``[batch, units]``.
        memory: what is attended to.
        weights: of the attention and of the cell.
        plain: leave the backward pass to autodiff.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section A; dot products: Luong, Pham, Manning,
    arXiv 1508.04025, scaled as in Vaswani et al., arXiv 1706.03762.
    """
    if plain or is_placed(projected) or projected.shape[0] == 0:
        return _forward(cell, projected, start, memory, weights, plain=True)[0]

    @jax.custom_vjp
    def run(projected: Any, start: Any, memory: Any, weights: Any) -> Attended:
        return _forward(cell, projected, start, memory, weights)[0]

    def forward(projected: Any, start: Any, memory: Any, weights: Any) -> Any:
        attended, kept = _forward(cell, projected, start, memory, weights)
        return attended, (start, memory, weights, attended, kept)

    def backward(residuals: Any, slopes: Attended) -> Any:
        start, memory, weights, attended, kept = residuals
        return _backward(cell, start, memory, weights, attended, kept, slopes)

    cast(Any, run).defvjp(forward, backward)
    return cast(Any, run)(*alike((projected, start, memory, weights)))


def _joint(weights: AttentionWeights) -> jax.Array:
    """The kernels that h meets, as one: ``[units, size + gates]``."""
    return lax.concatenate([weights.query, weights.recurrent], 1)


def _forward(
    cell: Cell,
    projected: jax.Array,
    start: State,
    memory: Memory,
    weights: AttentionWeights,
    *,
    plain: bool = False,
) -> tuple[Attended, _Kept]:
    """What is attended to, and what the backward pass by hand needs; `plain` is for autodiff."""
    joint, size = _joint(weights), weights.query.shape[1]

    def step(state: State, at: jax.Array) -> tuple[State, Any]:
        both = dense(state[0], joint)
        query, product = lax.split(both, (size, both.shape[1] - size), axis=1)
        attention = masked_softmax(_scores(query, memory.keys, weights.score), memory.mask)
        context = weighted_values(attention, memory.values)
        read = cell.apart(dense(context, weights.context))
        shares = cell.apart(at) if plain else cell.shares_at(projected, at)
        gates = cell.given(tuple(map(lax.add, shares, read)), product, weights.bias)
        after = cell.step(gates, state)
        return after, (after[0], attention, context, _Kept(state[1:], query, gates))

    every_step = projected if plain else jnp.arange(projected.shape[0])
    state, (outputs, attention, contexts, kept) = lax.scan(step, start, every_step)
    return Attended(outputs, attention, contexts, state), kept


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
    start: State,
    memory: Memory,
    weights: AttentionWeights,
    attended: Attended,
    kept: _Kept,
    slopes: Attended,
) -> tuple[jax.Array, State, Memory, AttentionWeights]:
    before = (shifted(start[0], attended.outputs), *kept.rest)
    turned, from_context = _joint(weights).T, weights.context.T

    def step(carry: Any, at: Any) -> Any:
        d_state, d_memory = carry
        d_output, d_attention, d_context, attention, query, gates, state = at
        d_after = (d_state[0] + d_output, *d_state[1:])
        d_gates, d_before = pulled_back(cell.step, (gates, state), d_after)
        d_read = lax.concatenate(d_gates[: cell.gates], 1)
        d_context = d_context + dense(d_read, from_context)
        d_attention = d_attention + _weighing(d_context, memory.values)
        d_scores = _through_softmax(attention, d_attention, memory.mask)
        d_query, d_memory = _through_scores(query, memory.keys, weights.score, d_scores, d_memory)
        d_both = lax.concatenate([d_query, *cell.of_product(d_gates)], 1)
        d_before = (d_before[0] + dense(d_both, turned), *d_before[1:])
        return (d_before, d_memory), (d_read, d_both, d_context, d_scores)

    nothing = None
    if weights.score is not None:
        nothing = (jnp.zeros_like(memory.keys), jnp.zeros_like(weights.score))
    (d_start, d_memory), (d_projected, d_both, d_contexts, d_scores) = lax.scan(
        step,
        (slopes.state, nothing),
        (*slopes[:3], attended.attention, kept.queries, kept.gates, before),
        reverse=True,
    )
    d_keys, d_score = d_memory or (_over_steps(d_scores, kept.queries), None)
    if d_score is None:
        d_keys = d_keys * memory.keys.shape[-1] ** -0.5
    size = weights.query.shape[1]
    d_joint = over_time(before[0], d_both)
    d_weights = AttentionWeights(
        d_joint[:, :size],
        d_score,
        over_time(attended.contexts, d_projected),
        d_joint[:, size:],
        None if weights.bias is None else cell.d_bias(d_projected, d_both[..., size:]),
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
    return d_hidden.sum(1), (d_keys + d_hidden, d_score + (at * hidden).sum((0, 1)))


def _over_steps(left: jax.Array, right: jax.Array) -> jax.Array:
    """``sum over time of left_s right_c``: ``[batch, source, channels]``."""
    return lax.dot_general(left, right, (((0,), (0,)), ((1,), (1,))))
