"""A recurrence over time whose backward pass is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina import activations
from lamina.ops.arrays import alike, as_rows, is_placed
from lamina.ops.dense import dense
from lamina.ops.dropout import scaled
from lamina.ops.recurrence.axes import (
    alive_at,
    all_with_step,
    before,
    before_all,
    no_steps,
    step_of,
    steps_of,
    time_first,
    where_alive,
    with_step,
)
from lamina.ops.recurrence.cell import Cell, State

__all__ = [
    "back",
    "by_hand",
    "over_time",
    "pulled_back",
    "recur",
    "state_before",
]


class _Steps(NamedTuple):
    """What a step takes: ``[batch, time, gates]``, and where its inputs count, or None."""

    projected: jax.Array
    alive: jax.Array | None


class _Weights(NamedTuple):
    """What all steps share: ``[units, gates]``, ``[given]`` and ``[batch, units]``, or None."""

    kernel: jax.Array
    bias: jax.Array | None
    factors: jax.Array | None


class _Kept(NamedTuple):
    """What the backward pass reads: the state before the first step, ``[batch, units]``, and after
    each, ``[batch, time, units]``; the shares with the sums in them, ``[batch, time, gates]``; and,
    time first, what is in no sum."""

    start: State
    after: State
    shares: jax.Array
    own: State


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
        projected: ``[batch, time, gates]``, the input's share.
        start: the state before the first step, arrays ``[batch, units]``.
        kernel: ``[units, gates]``.
        bias: ``[gates]``, or one for the input's share and one for the state's, ``[2, gates]``.
            It costs less here than in `projected`, of which it would be one more copy.
        mask: bool, ``[batch, time]``: where False the state stays.
        factors: ``[batch, units]``, for h on its way into the gates.
        reverse: start at the last step; outputs stand where their inputs do.
        plain: leave the backward pass to autodiff, for cells that close over arrays, and for
            forward-mode differentiation.
        unroll: write all steps into the program one after the other, rather than a loop.

    Returns:
        ``(outputs, state)``: ``[batch, time, units]``, and the last state.
    """
    steps, weights = _Steps(projected, mask), _Weights(kernel, bias, factors)
    way = _Way(reverse, unroll)
    if plain or is_placed(projected) or projected.shape[1] == 0:  # there is no step to read
        return _plainly(cell, way, steps, start, weights)

    @jax.custom_vjp
    def run(steps: _Steps, start: State, weights: _Weights) -> tuple[jax.Array, State]:
        return _forward(cell, way, steps, start, weights)[0]

    def forward(steps: _Steps, start: State, weights: _Weights) -> Any:
        made, kept = _forward(cell, way, steps, start, weights)
        return made, (steps.alive, weights, kept)

    def backward(residuals: Any, slopes: Any) -> Any:
        return _backward(cell, way, *residuals, *slopes)

    cast(Any, run).defvjp(forward, backward)
    return cast(Any, run)(*alike((steps, start, weights)))


def by_hand(*functions: Any) -> bool:
    """Whether activations are known to close over no array."""
    return all(function in _PLAIN for function in functions)


_FEW = 16  # steps up to which a loop multiplies by a kernel turned, rather than by a turned copy
_LARGE = 2**19  # numbers of a kernel from which on it stands on the left in products backwards
_PLAIN = frozenset(
    {lax.tanh, lax.logistic, jnp.tanh, jax.nn.sigmoid, jax.nn.relu}
    | {getattr(activations, name) for name in activations.__all__ if name[0].islower()}
)


def _plainly(
    cell: Cell, way: _Way, steps: _Steps, start: State, weights: _Weights
) -> tuple[jax.Array, State]:
    """Outputs and the last state, in a way that autodiff takes apart well."""

    def step(state: State, at: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        index, projected = at
        product = dense(_read(state[0], weights), weights.kernel)
        gates = cell.given(cell.apart(projected), product, weights.bias)
        after = _where_alive(alive_at(steps.alive, index), cell.step(gates, state), state)
        return after, after[0]

    every_step = steps_of(steps.projected), time_first(steps.projected)
    state, outputs = lax.scan(step, start, every_step, reverse=way.reverse, unroll=way.unroll)
    return time_first(outputs), state


def _forward(
    cell: Cell, way: _Way, steps: _Steps, start: State, weights: _Weights
) -> tuple[tuple[jax.Array, State], _Kept]:
    """Outputs, the last state, and what is kept of all steps."""

    def step(carry: Any, index: jax.Array) -> tuple[Any, State]:
        shares, every_after, state = carry
        product = dense(_read(state[0], weights), weights.kernel)
        shares = cell.summed_at(shares, product, weights.bias, index)
        own = cell.own(product, weights.bias)
        gates = cell.given_at(shares, own, weights.bias, index)
        after = _where_alive(alive_at(steps.alive, index), cell.step(gates, state), state)
        return (shares, all_with_step(every_after, after, index), after), own

    room = tuple(no_steps(each, steps.projected.shape[1]) for each in start)
    (shares, every_after, state), own = lax.scan(
        step,
        (steps.projected, room, start),
        steps_of(steps.projected),
        reverse=way.reverse,
        unroll=way.unroll,
    )
    return (every_after[0], state), _Kept(start, every_after, shares, own)


def _where_alive(alive: jax.Array | None, after: State, before: State) -> State:
    if alive is None:
        return after
    return tuple(where_alive(alive, *pair) for pair in zip(after, before, strict=True))


def _read(h: jax.Array, weights: _Weights) -> jax.Array:
    """h on its way into the gates, ``[batch, units]`` or ``[batch, time, units]``."""
    if weights.factors is None:
        return h
    return scaled(h, weights.factors if h.ndim == 2 else lax.expand_dims(weights.factors, (1,)))


def _backward(
    cell: Cell,
    way: _Way,
    mask: jax.Array | None,
    weights: _Weights,
    kept: _Kept,
    d_outputs: jax.Array,
    d_last: State,
) -> tuple[_Steps, State, _Weights]:
    time: Any = d_outputs.shape[1]
    to_h, turned = _way_back(weights.kernel, time)

    def read(d_read: jax.Array) -> jax.Array:
        return _read(lax.transpose(d_read, (1, 0)) if turned else d_read, weights)

    def step(carry: Any, at: Any) -> tuple[Any, None]:
        d_products, d_others, d_state, d_read = carry
        index, own = at
        state = state_before(kept.start, kept.after, index, way.reverse)
        gates = cell.given_at(d_products, own, weights.bias, index)
        alive = alive_at(mask, index)

        def advance(gates: State, state: State) -> State:
            return _where_alive(alive, cell.step(gates, state), state)

        d_after = (d_state[0] + read(d_read) + step_of(d_outputs, index), *d_state[1:])
        d_gates, d_before = pulled_back(advance, (gates, state), d_after)
        d_product = lax.concatenate(cell.of_product(d_gates), 1)
        d_products = with_step(d_products, d_product, index)
        d_others = all_with_step(d_others, d_gates[cell.shared : cell.gates], index)
        return (d_products, d_others, d_before, to_h(d_product)), None

    room = no_steps(d_last[0], time)
    d_read = jnp.zeros_like(d_last[0].T if turned else d_last[0])
    # The gradients take the places of the shares.
    (d_products, d_others, d_start, d_read), _ = lax.scan(
        step,
        (kept.shares, (room,) * (cell.gates - cell.shared), d_last, d_read),
        (steps_of(d_outputs), kept.own),
        reverse=not way.reverse,
        unroll=way.unroll,
    )
    d_start = d_start[0] + read(d_read), *d_start[1:]
    d_projected = cell.with_others(d_products, d_others)
    h = before_all(kept.start[0], kept.after[0], way.reverse)
    d_kernel = over_time(_read(h, weights), d_products)
    d_bias = None if weights.bias is None else cell.d_bias(weights.bias, d_projected, d_products)
    d_factors = None
    if weights.factors is not None:
        counts = lax.expand_dims(weights.factors, (1,)) != 0
        d_factors = (back(d_products, weights.kernel) * jnp.where(counts, h, 0)).sum(1)
    return _Steps(d_projected, None), d_start, _Weights(d_kernel, d_bias, d_factors)


def _way_back(kernel: jax.Array, time: Any) -> tuple[Callable[[jax.Array], jax.Array], bool]:
    """The product that takes the gradient of a product ``h kernel`` to that of h; and whether it
    comes turned, ``[units, batch]``.

    XLA on CPU multiplies by a library that copies what stands on the right, which for a large
    kernel takes as long as the product with a few rows.
    """
    if kernel.size >= _LARGE:
        return lambda d: lax.dot_general(kernel, d, (((1,), (1,)), ((), ()))), True
    if isinstance(time, int) and time <= _FEW:
        return lambda d: back(d, kernel), False
    copy = lax.transpose(kernel, (1, 0))
    return lambda d: dense(d, copy), False


def state_before(start: State, after: State, index: jax.Array, reverse: bool = False) -> State:
    """The state before a step, of that after each, ``[batch, time, units]``."""
    return tuple(before(*pair, index, reverse) for pair in zip(start, after, strict=True))


def back(slopes: jax.Array, kernel: jax.Array) -> jax.Array:
    """``slopes kernel^T``, over the last axis of both."""
    found = lax.dot_general(as_rows(slopes), kernel, (((1,), (1,)), ((), ())))
    return lax.reshape(found, (*slopes.shape[:-1], kernel.shape[0]))


def pulled_back(
    step: Callable[[State, State], State], inputs: tuple[State, State], slopes: State
) -> tuple[State, State]:
    """The gradients of what a step was given, from those of what it made."""
    _, pull = cast(Any, jax.vjp)(step, *inputs)
    return pull(slopes)


def over_time(left: jax.Array, right: jax.Array) -> jax.Array:
    """The gradient of a kernel: ``sum over batch and time of left^T right``, as one product.

    Args:
        left: ``[batch, time, units]``.
        right: ``[batch, time, gates]``.

    Returns:
        ``[units, gates]``.
    """
    left = lax.reshape(left, (left.shape[0] * left.shape[1], left.shape[2]))
    right = lax.reshape(right, (right.shape[0] * right.shape[1], right.shape[2]))
    return lax.dot_general(left, right, (((0,), (0,)), ((), ())))
