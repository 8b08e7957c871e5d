"""A recurrence over time whose backward pass is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina import activations
from lamina.ops.arrays import alike, is_placed
from lamina.ops.dense import dense

__all__ = [
    "Activation",
    "Cell",
    "State",
    "by_hand",
    "over_time",
    "pulled_back",
    "recur",
    "shifted",
    "where_alive",
]

Activation = Callable[[jax.Array], jax.Array]
State = tuple[jax.Array, ...]
Cell = Callable[[jax.Array, jax.Array, State], State]
"""What a step does element by element: of the input's share of the gates, the state's, and the
state before, it makes the state after. Arrays are ``[batch, ...]``."""


class _Steps(NamedTuple):
    """What a step takes: ``[time, batch, gates]``, and where its inputs count, or None."""

    projected: jax.Array
    alive: jax.Array | None


class _Weights(NamedTuple):
    """What all steps share: ``[units, gates]``, ``[gates]`` and ``[batch, units]``, or None."""

    kernel: jax.Array
    bias: jax.Array | None
    factors: jax.Array | None


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
    """Run a cell over time: ``s_t = cell(projected_t, (h_{t-1} factors) kernel + bias, s_{t-1})``.

    The state's first array is h, the output. The backward pass runs over time for the gradients
    of the gates alone; those of kernel and bias are one product over all steps.

    Args:
        cell: what a step does element by element. It closes over no array.
        projected: ``[time, batch, gates]``, the input's share.
        start: the state before the first step, arrays ``[batch, units]``.
        kernel: ``[units, gates]``.
        bias: ``[gates]``.
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
    if plain or is_placed(projected):
        outputs, _, state = _forward(cell, way, steps, start, weights)
        return outputs, state

    @jax.custom_vjp
    def run(steps: _Steps, start: State, weights: _Weights) -> tuple[jax.Array, State]:
        outputs, _, state = _forward(cell, way, steps, start, weights)
        return outputs, state

    def forward(steps: _Steps, start: State, weights: _Weights) -> Any:
        outputs, kept, state = _forward(cell, way, steps, start, weights, keep=True)
        return (outputs, state), (steps, start, weights, kept)

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


def _forward(
    cell: Cell, way: _Way, steps: _Steps, start: State, weights: _Weights, keep: bool = False
) -> tuple[jax.Array, Any, State]:
    """Outputs, what the backward pass keeps (the states and the state's share), last state."""

    def step(state: State, at: _Steps) -> tuple[State, Any]:
        product = dense(_read(state[0], weights), weights.kernel, weights.bias)
        after = _advance(cell, at.alive, at.projected, product, state)
        return after, (after, product) if keep else after[0]

    state, made = lax.scan(step, start, steps, reverse=way.reverse, unroll=way.unroll)
    return (made[0][0], made, state) if keep else (made, None, state)


def _advance(
    cell: Cell, alive: jax.Array | None, projected: jax.Array, product: jax.Array, state: State
) -> State:
    after = cell(projected, product, state)
    if alive is None:
        return after
    return tuple(where_alive(alive, *pair) for pair in zip(after, state, strict=True))


def where_alive(alive: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """What is new, ``[batch, ...]``, where a mask ``[batch]`` holds, and elsewhere what is old."""
    return lax.select(lax.broadcast_in_dim(alive, new.shape, (0,)), new, old)


def _read(h: jax.Array, weights: _Weights) -> jax.Array:
    return h if weights.factors is None else h * weights.factors


def _backward(
    cell: Cell,
    way: _Way,
    steps: _Steps,
    start: State,
    weights: _Weights,
    kept: tuple[State, jax.Array],
    d_outputs: jax.Array,
    d_last: State,
) -> tuple[_Steps, State, _Weights]:
    states, products = kept
    before = tuple(shifted(s, every, way.reverse) for s, every in zip(start, states, strict=True))
    turned = lax.transpose(weights.kernel, (1, 0))

    def step(d_state: State, at: Any) -> tuple[State, tuple[jax.Array, jax.Array]]:
        (projected, alive), product, state, d_output = at
        d_after = (d_state[0] + d_output, *d_state[1:])
        d_projected, d_product, d_before = pulled_back(
            partial(_advance, cell, alive), (projected, product, state), d_after
        )
        d_read = dense(d_product, turned)
        d_before = (d_before[0] + _read(d_read, weights), *d_before[1:])
        return d_before, (d_projected, d_product)

    every_step = steps, products, before, d_outputs
    d_start, (d_projected, d_products) = lax.scan(
        step, d_last, every_step, reverse=not way.reverse, unroll=way.unroll
    )
    d_kernel = over_time(_read(before[0], weights), d_products)
    d_bias = None if weights.bias is None else d_products.sum((0, 1))
    d_factors = None
    if weights.factors is not None:
        d_factors = (dense(d_products, turned) * before[0]).sum(0)
    return _Steps(d_projected, None), d_start, _Weights(d_kernel, d_bias, d_factors)


def pulled_back(
    cell: Cell, inputs: tuple[jax.Array, jax.Array, State], slopes: State
) -> tuple[jax.Array, jax.Array, State]:
    """The gradients of what a cell was given, from those of what it made."""
    _, pull = cast(Any, jax.vjp)(cell, *inputs)
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
