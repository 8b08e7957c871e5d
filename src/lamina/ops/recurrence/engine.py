"""A recurrence over time whose backward pass is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina import activations
from lamina.ops.arrays import alike, is_placed
from lamina.ops.dense import dense
from lamina.ops.recurrence.cell import Cell, State

__all__ = [
    "by_hand",
    "over_time",
    "pulled_back",
    "recur",
    "shifted",
    "where_alive",
]


class _Steps(NamedTuple):
    """What a step takes: ``[time, batch, gates]``, and where its inputs count, or None."""

    projected: jax.Array
    alive: jax.Array | None


class _Weights(NamedTuple):
    """What all steps share: ``[units, gates]``, ``[given]`` and ``[batch, units]``, or None."""

    kernel: jax.Array
    bias: jax.Array | None
    factors: jax.Array | None


class _Kept(NamedTuple):
    """What the backward pass reads of all steps: h after them, the rest of the state before."""

    outputs: jax.Array
    rest: State
    gates: State


class _Way(NamedTuple):
    """How the loop goes over the steps."""

    reverse: bool
    unroll: bool


def recur(
    cell: Cell,
    projected: jax.Array,
    start: State,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    mask: jax.Array | None = None,
    factors: jax.Array | None = None,
    *,
    reverse: bool = False,
    plain: bool = False,
    unroll: bool = False,
) -> tuple[jax.Array, State]:
    """Run a cell over time: ``s_t = cell(projected_t, (h_{t-1} factors) kernel, s_{t-1})``.

    The state's first array is h, the output. The backward pass runs over time for the gradients
    of the gates alone; those of kernel and bias are one product over all steps.

    Args:
        cell: what a step does element by element.
        projected: ``[time, batch, gates]``, the input's share.
        start: the state before the first step, arrays ``[batch, units]``.
        kernel: ``[units, gates]``.
        bias: added to what the cell's step is given, of all gates side by side;
            :meth:`Cell.joint` makes one of two. It costs less here than in `projected`, of which
            it would be one more copy.
        mask: bool, ``[time, batch]``: where False the state stays.
        factors: ``[batch, units]``, for h on its way into the gates.
        reverse: start at the last step; outputs stand where their inputs do.
        plain: leave the backward pass to autodiff, for cells that close over arrays, and for
            forward-mode differentiation.
        unroll: write all steps into the program one after the other, rather than a loop.

    Returns:
        ``(outputs, state)``: ``[time, batch, units]``, and the last state.
    """
    steps, weights = _Steps(projected, mask), _Weights(kernel, bias, factors)
    way = _Way(reverse, unroll)
    if plain or is_placed(projected) or projected.shape[0] == 0:  # there is no step to read
        return _plainly(cell, way, steps, start, weights)

    @jax.custom_vjp
    def run(steps: _Steps, start: State, weights: _Weights) -> tuple[jax.Array, State]:
        kept, state = _forward(cell, way, steps, start, weights)
        return kept.outputs, state

    def forward(steps: _Steps, start: State, weights: _Weights) -> Any:
        kept, state = _forward(cell, way, steps, start, weights)
        return (kept.outputs, state), (steps.alive, start, weights, kept)

    def backward(residuals: Any, slopes: Any) -> Any:
        return _backward(cell, way, *residuals, *slopes)

    cast(Any, run).defvjp(forward, backward)
    return cast(Any, run)(*alike((steps, start, weights)))


def by_hand(*functions: Any) -> bool:
    """Whether activations are known to close over no array."""
    return all(function in _PLAIN for function in functions)


_PLAIN = frozenset(
    {lax.tanh, lax.logistic, jnp.tanh, jax.nn.sigmoid, jax.nn.relu}
    | {getattr(activations, name) for name in activations.__all__ if name[0].islower()}
)


def _plainly(
    cell: Cell, way: _Way, steps: _Steps, start: State, weights: _Weights
) -> tuple[jax.Array, State]:
    """Outputs and the last state, in a way that autodiff takes apart well."""

    def step(state: State, at: _Steps) -> tuple[State, jax.Array]:
        product = dense(_read(state[0], weights), weights.kernel)
        gates = cell.given(cell.apart(at.projected), product, weights.bias)
        after = _where_alive(at.alive, cell.step(gates, state), state)
        return after, after[0]

    state, outputs = lax.scan(step, start, steps, reverse=way.reverse, unroll=way.unroll)
    return outputs, state


def _forward(
    cell: Cell, way: _Way, steps: _Steps, start: State, weights: _Weights
) -> tuple[_Kept, State]:
    """What is kept of all steps, and the last state."""

    def step(state: State, at: tuple[jax.Array, jax.Array | None]) -> tuple[State, _Kept]:
        index, alive = at
        product = dense(_read(state[0], weights), weights.kernel)
        gates = cell.given(cell.shares_at(steps.projected, index), product, weights.bias)
        after = _where_alive(alive, cell.step(gates, state), state)
        return after, _Kept(after[0], state[1:], gates)

    every_step = jnp.arange(steps.projected.shape[0]), steps.alive
    state, kept = lax.scan(step, start, every_step, reverse=way.reverse, unroll=way.unroll)
    return kept, state


def _where_alive(alive: jax.Array | None, after: State, before: State) -> State:
    if alive is None:
        return after
    return tuple(where_alive(alive, *pair) for pair in zip(after, before, strict=True))


def where_alive(alive: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """What is new, ``[batch, ...]``, where a mask ``[batch]`` holds, and elsewhere what is old."""
    return lax.select(lax.broadcast_in_dim(alive, new.shape, (0,)), new, old)


def _read(h: jax.Array, weights: _Weights) -> jax.Array:
    return h if weights.factors is None else h * weights.factors


def _backward(
    cell: Cell,
    way: _Way,
    mask: jax.Array | None,
    start: State,
    weights: _Weights,
    kept: _Kept,
    d_outputs: jax.Array,
    d_last: State,
) -> tuple[_Steps, State, _Weights]:
    before = (shifted(start[0], kept.outputs, way.reverse), *kept.rest)
    turned = lax.transpose(weights.kernel, (1, 0))

    def step(d_state: State, at: Any) -> tuple[State, tuple[jax.Array, State]]:
        gates, alive, state, d_output = at

        def advance(gates: State, state: State) -> State:
            return _where_alive(alive, cell.step(gates, state), state)

        d_after = (d_state[0] + d_output, *d_state[1:])
        d_gates, d_before = pulled_back(advance, (gates, state), d_after)
        d_product = lax.concatenate(cell.of_product(d_gates), 1)
        d_before = (d_before[0] + _read(dense(d_product, turned), weights), *d_before[1:])
        return d_before, (d_product, d_gates[cell.shared : cell.gates])

    d_start, (d_products, d_others) = lax.scan(
        step,
        d_last,
        (kept.gates, mask, before, d_outputs),
        reverse=not way.reverse,
        unroll=way.unroll,
    )
    d_projected = d_products
    if d_others:  # the rest of the gradients are the same
        d_shared = d_products[..., : cell.shared * start[0].shape[1]]
        d_projected = lax.concatenate([d_shared, *d_others], 2)
    d_kernel = over_time(_read(before[0], weights), d_products)
    d_given = None if weights.bias is None else cell.d_bias(d_projected, d_products)
    d_factors = None
    if weights.factors is not None:
        d_factors = (dense(d_products, turned) * before[0]).sum(0)
    return _Steps(d_projected, None), d_start, _Weights(d_kernel, d_given, d_factors)


def pulled_back(
    step: Callable[[State, State], State], inputs: tuple[State, State], slopes: State
) -> tuple[State, State]:
    """The gradients of what a step was given, from those of what it made."""
    _, pull = cast(Any, jax.vjp)(step, *inputs)
    return pull(slopes)


def shifted(start: jax.Array, states: jax.Array, reverse: bool = False) -> jax.Array:
    """The state before each step."""
    if reverse:
        return jnp.concatenate([states[1:], start[None]])
    return jnp.concatenate([start[None], states[:-1]])


def over_time(left: jax.Array, right: jax.Array) -> jax.Array:
    """The gradient of a kernel: ``sum over time and batch of left^T right``, as one product.

    Args:
        left: ``[time, batch, units]``.
        right: ``[time, batch, gates]``.

    Returns:
        ``[units, gates]``.
    """
    left = lax.reshape(left, (left.shape[0] * left.shape[1], left.shape[2]))
    right = lax.reshape(right, (right.shape[0] * right.shape[1], right.shape[2]))
    return lax.dot_general(left, right, (((0,), (0,)), ((), ())))
