"""A recurrence with attention at each step, and its custom backward pass."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import alike, is_placed
from lamina.ops.attention import masked_softmax, weighted_values
from lamina.ops.dense import dense
from lamina.ops.recurrence.cell import Cell, State
from lamina.ops.recurrence.custom_vjp import back, over_time, pulled_back, state_before
from lamina.ops.recurrence.steps import (
    add_to_step,
    empty_steps,
    step_of,
    steps_of,
    time_first,
    values_before,
    with_step,
    with_steps,
)

__all__ = ["Attended", "AttentionWeights", "Memory", "attend"]


class Memory(NamedTuple):
    """The source of the attention: keys ``[batch, source, size]``, values ``[batch, source,
    channels]``, and a padding mask, bool ``[batch, source]``, or None."""

    keys: jax.Array
    values: jax.Array
    mask: jax.Array | None = None


class AttentionWeights(NamedTuple):
    """The weights of attention and cell.

    Args:
        query: ``[units, size]``.
        score: ``[size]`` for additive scores, None for dot products.
        context: ``[channels, gates]``.
        recurrent: ``[units, gates]``.
        bias: ``[gates]``, or one row for the input and one for the product, ``[2, gates]``; None
            by default.
    """

    query: jax.Array
    score: jax.Array | None
    context: jax.Array
    recurrent: jax.Array
    bias: jax.Array | None = None


class Attended(NamedTuple):
    """Outputs ``[batch, time, units]``, attention weights ``[batch, time, source]``, contexts
    ``[batch, time, channels]``, and the final state."""

    outputs: jax.Array
    attention: jax.Array
    contexts: jax.Array
    state: State


class _Residuals(NamedTuple):
    """The residuals of the backward pass: the initial state, ``[batch, units]``, the state after
    each step, ``[batch, time, units]``, the queries, ``[batch, time, size]``, the pre-activations
    that are sums, ``[batch, time, gates]``, and, time first, those of the product that are not."""

    start: State
    after: State
    queries: jax.Array
    sums: jax.Array
    unshared: State


def attend(
    cell: Cell,
    projected: jax.Array,
    start: State,
    memory: Memory,
    weights: AttentionWeights,
    *,
    plain: bool = False,
) -> Attended:
    """Run a cell over time with attention.

    With h the state's first array::

        q_t = h_{t-1} query
        e_ti = score . tanh(q_t + keys_i)       additive, or
        e_ti = q_t . keys_i / sqrt(size)        dot product
        w_t = softmax(e_t),    c_t = sum_i w_ti values_i
        s_t = cell(projected_t + c_t context, h_{t-1} recurrent, s_{t-1})

    The loop of the backward pass computes the gradients of gates, queries and keys. Those of the
    weights and of the values are one matrix product each over all steps. The hidden layer of
    additive scores, ``[batch, source, size]`` at each step, is recomputed instead of stored.

    Args:
        cell: the elementwise part of a step.
        projected: the projected input, ``[batch, time, gates]``.
        start: the initial state, arrays ``[batch, units]``.
        memory: keys, values and mask of the source.
        weights: the weights of the attention and of the cell.
        plain: differentiate by JAX instead; False by default.

    Returns:
        Outputs, attention weights and contexts of all steps, and the final state.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section A; dot products: Luong, Pham, Manning,
    arXiv 1508.04025, scaled as in Vaswani et al., arXiv 1706.03762.
    """
    if plain or is_placed(projected) or projected.shape[1] == 0:
        return _by_autodiff(cell, projected, start, memory, weights)

    @jax.custom_vjp
    def run(projected: Any, start: Any, memory: Any, weights: Any) -> Attended:
        return _forward(cell, projected, start, memory, weights)[0]

    def forward(projected: Any, start: Any, memory: Any, weights: Any) -> Any:
        attended, residuals = _forward(cell, projected, start, memory, weights)
        return attended, (memory, weights, attended, residuals)

    def backward(saved: Any, gradients: Attended) -> Any:
        memory, weights, attended, residuals = saved
        return _backward(cell, memory, weights, attended, residuals, gradients)

    cast(Any, run).defvjp(forward, backward)
    return cast(Any, run)(*alike((projected, start, memory, weights)))


class _Attention(NamedTuple):
    """The attention of one step; `projected` is the context's part of the gates."""

    query: jax.Array
    weights: jax.Array
    context: jax.Array
    projected: jax.Array


def _attention(h: jax.Array, memory: Memory, weights: AttentionWeights) -> _Attention:
    query = dense(h, weights.query)
    attention = masked_softmax(_scores(query, memory.keys, weights.score), memory.mask)
    context = weighted_values(attention, memory.values)
    return _Attention(query, attention, context, dense(context, weights.context))


def _by_autodiff(
    cell: Cell, projected: jax.Array, start: State, memory: Memory, weights: AttentionWeights
) -> Attended:
    """Returns outputs, attention and the final state, for differentiation by JAX."""

    def step(state: State, projected: jax.Array) -> tuple[State, tuple[jax.Array, ...]]:
        attention = _attention(state[0], memory, weights)
        parts = cell.split(projected + attention.projected)
        product = dense(state[0], weights.recurrent)
        state = cell.step(cell.preactivations(parts, product, weights.bias), state)
        return state, (state[0], attention.weights, attention.context)

    state, stacked = lax.scan(step, start, time_first(projected))
    outputs, attention, contexts = map(time_first, stacked)
    return Attended(outputs, attention, contexts, state)


def _forward(
    cell: Cell, projected: jax.Array, start: State, memory: Memory, weights: AttentionWeights
) -> tuple[Attended, _Residuals]:
    """Returns outputs, attention, the final state and the residuals."""

    def step(carry: Any, index: jax.Array) -> tuple[Any, State]:
        sums, stacked, state = carry
        attention = _attention(state[0], memory, weights)
        product = dense(state[0], weights.recurrent)
        sums = add_to_step(sums, attention.projected, index)
        sums = cell.add_product(sums, product, weights.bias, index)
        unshared = cell.unshared(product, weights.bias)
        after = cell.step(cell.preactivations_at(sums, unshared, weights.bias, index), state)
        results = attention.query, attention.weights, attention.context, *after
        return (sums, with_steps(stacked, results, index), after), unshared

    time = projected.shape[1]
    likes = memory.keys[:, 0], memory.keys[..., 0], memory.values[:, 0], *start
    initial = projected, tuple(empty_steps(like, time) for like in likes), start
    (sums, stacked, state), unshared = lax.scan(step, initial, steps_of(projected))
    queries, attention, contexts, *after = stacked
    residuals = _Residuals(start, tuple(after), queries, sums, unshared)
    return Attended(after[0], attention, contexts, state), residuals


def _scores(query: jax.Array, keys: jax.Array, score: jax.Array | None) -> jax.Array:
    """Returns the scores, ``[batch, source]``."""
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
    residuals: _Residuals,
    gradients: Attended,
) -> tuple[jax.Array, State, Memory, AttentionWeights]:
    score = weights.score

    def step(carry: Any, inputs: Any) -> tuple[Any, None]:
        d_sums, d_others, d_queries, stacked, d_memory, d_state = carry
        index, unshared = inputs
        state, query = (
            state_before(residuals.start, residuals.after, index),
            step_of(d_queries, index),
        )
        gates = cell.preactivations_at(d_sums, unshared, weights.bias, index)
        d_after = (d_state[0] + step_of(gradients.outputs, index), *d_state[1:])
        d_gates, d_before = pulled_back(cell.step, (gates, state), d_after)
        d_input = lax.concatenate(d_gates[: cell.gates], 1)
        d_context = step_of(gradients.contexts, index) + back(d_input, weights.context)
        d_attention = step_of(gradients.attention, index) + _d_weights(d_context, memory.values)
        attention = step_of(attended.attention, index)
        d_scores = _through_softmax(attention, d_attention, memory.mask)
        d_query, d_memory = _through_scores(query, memory.keys, score, d_scores, d_memory)
        d_product = lax.concatenate(cell.of_product(d_gates), 1)
        d_h = back(d_query, weights.query) + back(d_product, weights.recurrent)
        d_sums = with_step(d_sums, d_input, index)
        d_others = with_steps(d_others, d_gates[cell.gates :], index)
        d_queries = with_step(d_queries, d_query, index)
        results = (d_context, d_scores) if score is None else (d_context,)
        stacked = with_steps(stacked, results, index)
        d_before = (d_before[0] + d_h, *d_before[1:])
        return (d_sums, d_others, d_queries, stacked, d_memory, d_before), None

    time = gradients.outputs.shape[1]
    stacked = (empty_steps(memory.values[:, 0], time),)
    if score is None:
        stacked, d_memory = (*stacked, empty_steps(memory.keys[..., 0], time)), None
    else:
        d_memory = jnp.zeros_like(memory.keys), jnp.zeros_like(score)
    d_others = (empty_steps(gradients.state[0], time),) * (cell.gates - cell.shared)
    # The gradients overwrite the pre-activations and the queries.
    initial = residuals.sums, d_others, residuals.queries, stacked, d_memory, gradients.state
    steps = steps_of(gradients.outputs), residuals.unshared
    (d_projected, d_others, d_queries, stacked, d_memory, d_start), _ = lax.scan(
        step, initial, steps, reverse=True
    )
    d_products = cell.with_unshared(d_projected, d_others)
    d_contexts, *d_scores = stacked
    if d_memory is None:
        d_keys = _over_steps(d_scores[0], residuals.queries)
        d_memory = d_keys * memory.keys.shape[-1] ** -0.5, None
    d_keys, d_score = d_memory
    h = values_before(residuals.start[0], residuals.after[0])
    d_weights = AttentionWeights(
        over_time(h, d_queries),
        d_score,
        over_time(attended.contexts, d_projected),
        over_time(h, d_products),
        None if weights.bias is None else cell.d_bias(weights.bias, d_projected, d_products),
    )
    d_values = _over_steps(attended.attention, d_contexts)
    return d_projected, d_start, Memory(d_keys, d_values), d_weights


def _d_weights(d_context: jax.Array, values: jax.Array) -> jax.Array:
    return lax.dot_general(d_context, values, (((1,), (2,)), ((0,), (0,))))


def _through_softmax(w: jax.Array, d_w: jax.Array, mask: jax.Array | None) -> jax.Array:
    d_scores = w * (d_w - jnp.sum(w * d_w, -1, keepdims=True))
    return d_scores if mask is None else jnp.where(mask, d_scores, 0)


def _through_scores(
    query: jax.Array, keys: jax.Array, score: jax.Array | None, d_scores: jax.Array, totals: Any
) -> tuple[jax.Array, Any]:
    """Returns the gradient of the query, and for additive scores the sums of d_keys and d_score."""
    if score is None:
        d_query = weighted_values(d_scores, keys) * keys.shape[-1] ** -0.5
        return d_query, totals
    d_keys, d_score = totals
    hidden = _hidden(query, keys)
    d_hidden = lax.expand_dims(d_scores, (2,)) * (score * (1 - hidden * hidden))
    d_score_of_step = lax.dot_general(d_scores, hidden, (((0, 1), (0, 1)), ((), ())))
    return d_hidden.sum(1), (d_keys + d_hidden, d_score + d_score_of_step)


def _over_steps(left: jax.Array, right: jax.Array) -> jax.Array:
    """Returns ``sum over time of left_s right_c`` of each row, from ``[batch, time, ...]``."""
    return lax.dot_general(left, right, (((1,), (1,)), ((0,), (0,))))
