"""A recurrence over time with a custom backward pass."""

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
from lamina.ops.recurrence.cell import Cell, State
from lamina.ops.recurrence.steps import (
    empty_steps,
    step_of,
    steps_of,
    time_first,
    valid_at,
    value_before,
    values_before,
    where_valid,
    with_step,
    with_steps,
)

__all__ = [
    "back",
    "has_custom_vjp",
    "over_time",
    "pulled_back",
    "recur",
    "state_before",
]


class _Steps(NamedTuple):
    """The inputs of the steps, ``[batch, time, gates]``, and the padding mask, or None."""

    projected: jax.Array
    mask: jax.Array | None


class _Weights(NamedTuple):
    """The recurrent kernel ``[units, gates]``, the bias, the dropout factors ``[batch, units]``."""

    kernel: jax.Array
    bias: jax.Array | None
    factors: jax.Array | None


class _Residuals(NamedTuple):
    """The residuals of the backward pass: the initial state, ``[batch, units]``, the state after
    each step, ``[batch, time, units]``, the pre-activations that are sums, ``[batch, time,
    gates]``, and, time first, those of the product that are not."""

    start: State
    after: State
    sums: jax.Array
    unshared: State


class _Loop(NamedTuple):
    """The options of the loop over the steps."""

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

    The state's first array is h, the output. The loop of the backward pass computes the gradients
    of the gates; those of kernel and bias are one matrix product over all steps.

    Args:
        cell: the elementwise part of a step.
        projected: the projected input, ``[batch, time, gates]``.
        start: the initial state, arrays ``[batch, units]``.
        kernel: ``[units, gates]``.
        bias: ``[gates]``, or one row for the input and one for the product, ``[2, gates]``. Adding
            it to `projected` instead would copy that array.
        mask: bool ``[batch, time]``; where it is False the state does not change.
        factors: dropout factors of h in the product, ``[batch, units]``.
        reverse: start at the last step; outputs keep the order of the inputs.
        plain: differentiate by JAX, for cells that close over arrays and for forward mode.
        unroll: compile the steps one after the other instead of a loop.

    Returns:
        ``(outputs, state)``: ``[batch, time, units]``, and the final state.
    """
    steps, weights = _Steps(projected, mask), _Weights(kernel, bias, factors)
    loop = _Loop(reverse, unroll)
    if plain or is_placed(projected) or projected.shape[1] == 0:
        return _by_autodiff(cell, loop, steps, start, weights)

    @jax.custom_vjp
    def run(steps: _Steps, start: State, weights: _Weights) -> tuple[jax.Array, State]:
        return _forward(cell, loop, steps, start, weights)[0]

    def forward(steps: _Steps, start: State, weights: _Weights) -> Any:
        result, residuals = _forward(cell, loop, steps, start, weights)
        return result, (steps.mask, weights, residuals)

    def backward(residuals: Any, gradients: Any) -> Any:
        return _backward(cell, loop, *residuals, *gradients)

    cast(Any, run).defvjp(forward, backward)
    return cast(Any, run)(*alike((steps, start, weights)))


def has_custom_vjp(*functions: Any) -> bool:
    """Returns whether all activations are known not to close over arrays."""
    return all(function in _KNOWN for function in functions)


_FEW_STEPS = 16  # up to which the kernel is not transposed before the loop
_LARGE_KERNEL = 2**19  # elements from which the kernel is the left operand in the backward pass
_KNOWN = frozenset(
    {lax.tanh, lax.logistic, jnp.tanh, jax.nn.sigmoid, jax.nn.relu}
    | {getattr(activations, name) for name in activations.__all__ if name[0].islower()}
)


def _by_autodiff(
    cell: Cell, loop: _Loop, steps: _Steps, start: State, weights: _Weights
) -> tuple[jax.Array, State]:
    """Returns outputs and the final state, for differentiation by JAX."""

    def step(state: State, inputs: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        index, projected = inputs
        product = dense(_dropped(state[0], weights), weights.kernel)
        gates = cell.preactivations(cell.split(projected), product, weights.bias)
        after = _where_valid(valid_at(steps.mask, index), cell.step(gates, state), state)
        return after, after[0]

    every_step = steps_of(steps.projected), time_first(steps.projected)
    state, outputs = lax.scan(step, start, every_step, reverse=loop.reverse, unroll=loop.unroll)
    return time_first(outputs), state


def _forward(
    cell: Cell, loop: _Loop, steps: _Steps, start: State, weights: _Weights
) -> tuple[tuple[jax.Array, State], _Residuals]:
    """Returns outputs, the final state and the residuals."""

    def step(carry: Any, index: jax.Array) -> tuple[Any, State]:
        sums, states, state = carry
        product = dense(_dropped(state[0], weights), weights.kernel)
        sums = cell.add_product(sums, product, weights.bias, index)
        unshared = cell.unshared(product, weights.bias)
        gates = cell.preactivations_at(sums, unshared, weights.bias, index)
        after = _where_valid(valid_at(steps.mask, index), cell.step(gates, state), state)
        return (sums, with_steps(states, after, index), after), unshared

    states = tuple(empty_steps(each, steps.projected.shape[1]) for each in start)
    (sums, states, state), unshared = lax.scan(
        step,
        (steps.projected, states, start),
        steps_of(steps.projected),
        reverse=loop.reverse,
        unroll=loop.unroll,
    )
    return (states[0], state), _Residuals(start, states, sums, unshared)


def _where_valid(valid: jax.Array | None, after: State, before: State) -> State:
    if valid is None:
        return after
    return tuple(where_valid(valid, *pair) for pair in zip(after, before, strict=True))


def _dropped(h: jax.Array, weights: _Weights) -> jax.Array:
    """Returns h times the dropout factors, ``[batch, units]`` or ``[batch, time, units]``."""
    if weights.factors is None:
        return h
    return scaled(h, weights.factors if h.ndim == 2 else lax.expand_dims(weights.factors, (1,)))


def _backward(
    cell: Cell,
    loop: _Loop,
    mask: jax.Array | None,
    weights: _Weights,
    residuals: _Residuals,
    d_outputs: jax.Array,
    d_last: State,
) -> tuple[_Steps, State, _Weights]:
    time: Any = d_outputs.shape[1]
    to_h, transposed = _product_with_transpose(weights.kernel, time)

    def d_h_of(d_read: jax.Array) -> jax.Array:
        return _dropped(lax.transpose(d_read, (1, 0)) if transposed else d_read, weights)

    def step(carry: Any, inputs: Any) -> tuple[Any, None]:
        d_products, d_others, d_state, d_read = carry
        index, unshared = inputs
        state = state_before(residuals.start, residuals.after, index, loop.reverse)
        gates = cell.preactivations_at(d_products, unshared, weights.bias, index)
        valid = valid_at(mask, index)

        def advance(gates: State, state: State) -> State:
            return _where_valid(valid, cell.step(gates, state), state)

        d_after = (d_state[0] + d_h_of(d_read) + step_of(d_outputs, index), *d_state[1:])
        d_gates, d_before = pulled_back(advance, (gates, state), d_after)
        d_product = lax.concatenate(cell.of_product(d_gates), 1)
        d_products = with_step(d_products, d_product, index)
        d_others = with_steps(d_others, d_gates[cell.shared : cell.gates], index)
        return (d_products, d_others, d_before, to_h(d_product)), None

    d_other = empty_steps(d_last[0], time)
    d_read = jnp.zeros_like(d_last[0].T if transposed else d_last[0])
    # The gradients overwrite the pre-activations.
    (d_products, d_others, d_start, d_read), _ = lax.scan(
        step,
        (residuals.sums, (d_other,) * (cell.gates - cell.shared), d_last, d_read),
        (steps_of(d_outputs), residuals.unshared),
        reverse=not loop.reverse,
        unroll=loop.unroll,
    )
    d_start = d_start[0] + d_h_of(d_read), *d_start[1:]
    d_projected = cell.with_unshared(d_products, d_others)
    h = values_before(residuals.start[0], residuals.after[0], loop.reverse)
    d_kernel = over_time(_dropped(h, weights), d_products)
    d_bias = None if weights.bias is None else cell.d_bias(weights.bias, d_projected, d_products)
    d_factors = None
    if weights.factors is not None:
        not_dropped = lax.expand_dims(weights.factors, (1,)) != 0
        d_factors = (back(d_products, weights.kernel) * jnp.where(not_dropped, h, 0)).sum(1)
    return _Steps(d_projected, None), d_start, _Weights(d_kernel, d_bias, d_factors)


def _product_with_transpose(
    kernel: jax.Array, time: Any
) -> tuple[Callable[[jax.Array], jax.Array], bool]:
    """Returns the function from the gradient of ``h kernel`` to that of h, and whether its result
    is transposed, ``[units, batch]``.

    On a CPU, the matrix library of XLA copies the right operand, which for a large kernel takes as
    long as its product with a few rows.
    """
    if kernel.size >= _LARGE_KERNEL:
        return lambda d: lax.dot_general(kernel, d, (((1,), (1,)), ((), ()))), True
    if isinstance(time, int) and time <= _FEW_STEPS:
        return lambda d: back(d, kernel), False
    copy = lax.transpose(kernel, (1, 0))
    return lambda d: dense(d, copy), False


def state_before(start: State, after: State, index: jax.Array, reverse: bool = False) -> State:
    """Returns the state before a step, from that after each step, ``[batch, time, units]``."""
    return tuple(value_before(*pair, index, reverse) for pair in zip(start, after, strict=True))


def back(gradients: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns ``gradients kernel^T``, over the last axis of both."""
    product = lax.dot_general(as_rows(gradients), kernel, (((1,), (1,)), ((), ())))
    return lax.reshape(product, (*gradients.shape[:-1], kernel.shape[0]))


def pulled_back(
    step: Callable[[State, State], State], inputs: tuple[State, State], gradients: State
) -> tuple[State, State]:
    """Returns the gradients of a step's inputs, from those of its outputs."""
    _, vjp = cast(Any, jax.vjp)(step, *inputs)
    return vjp(gradients)


def over_time(left: jax.Array, right: jax.Array) -> jax.Array:
    """Returns the gradient of a kernel, ``sum over batch and time of left^T right``.

    Args:
        left: ``[batch, time, units]``.
        right: ``[batch, time, gates]``.

    Returns:
        ``[units, gates]``.
    """
    left = lax.reshape(left, (left.shape[0] * left.shape[1], left.shape[2]))
    right = lax.reshape(right, (right.shape[0] * right.shape[1], right.shape[2]))
    return lax.dot_general(left, right, (((0,), (0,)), ((), ())))
