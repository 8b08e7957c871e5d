"""The gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.dense import dense
from lamina.ops.dropout import scaled
from lamina.ops.recurrence.axes import alive_at, steps_of, time_first, where_alive
from lamina.ops.recurrence.cell import Activation, Cell, State
from lamina.ops.recurrence.engine import by_hand, recur
from lamina.ops.recurrence.sequence import over_sequence

__all__ = ["gru", "gru_cell", "gru_project", "gru_step"]


def gru_cell(activation: Activation, recurrent_activation: Activation) -> Cell:
    """What a step of a GRU that resets after the product does element by element."""

    def step(gates: State, state: State) -> State:
        update, reset, candidate, candidate_of_h = gates
        (h,) = state
        update = recurrent_activation(update)
        candidate = activation(candidate + recurrent_activation(reset) * candidate_of_h)
        return (update * h + (1 - update) * candidate,)

    return Cell(step, gates=3, shared=2)


def gru_project(
    x: Operand, kernel: Operand, bias: Operand | None = None, *, reset_after: bool = True
) -> jax.Array:
    """The input's share of the three gates: ``x kernel + bias``, for :func:`gru_step`.

    Args:
        x: ``[..., features]``.
        kernel: ``[features, 3 units]``, gates in the order update, reset, candidate.
        bias: ``[2, 3 units]`` with ``reset_after`` (the first row is the input's), else
            ``[3 units]``.
        reset_after: which of the two shapes of bias is meant.

    Returns:
        ``[..., 3 units]``.

    >>> gru_project(jnp.ones((2, 7, 5)), jnp.ones((5, 12))).shape
    (2, 7, 12)
    """
    row = bias if bias is None or not reset_after else jnp.asarray(bias)[0]
    return dense(x, kernel, row)


def gru_step(
    projected: jax.Array,
    state: jax.Array,
    recurrent_kernel: Operand,
    bias: Operand | None = None,
    *,
    activation: Activation = lax.tanh,
    recurrent_activation: Activation = lax.logistic,
    reset_after: bool = True,
    recurrent_dropout: jax.Array | None = None,
) -> jax.Array:
    """One step of a gated recurrent unit.

    With ``U`` the recurrent kernel, ``g`` the projected input and ``s`` the gates' activation::

        z  = s(g_z + h U_z + b_z)
        r  = s(g_r + h U_r + b_r)
        h' = z h + (1 - z) act(g_h + r (h U_h + b_h))     reset_after
        h' = z h + (1 - z) act(g_h + (r h) U_h)           otherwise

    Args:
        projected: ``[batch, 3 units]``, from :func:`gru_project`.
        state: ``[batch, units]``, h.
        recurrent_kernel: ``[units, 3 units]``, gates in the order update, reset, candidate.
        bias: the bias given to :func:`gru_project`; with ``reset_after`` its second row is used
            here, otherwise nothing of it.
        activation: of the candidate.
        recurrent_activation: of the update and reset gates.
        reset_after: whether the reset gate acts after the product with the recurrent kernel.
        recurrent_dropout: ``[batch, units]``, factors for the state on its way into the gates.

    Returns:
        ``[batch, units]``, the next state.

    Source: Cho et al., arXiv 1406.1078 (version 3 resets before, version 1 after).

    >>> gru_step(jnp.zeros((2, 12)), jnp.ones((2, 4)), jnp.zeros((4, 12)))[0].tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    units = state.shape[-1]
    kernel = cast(recurrent_kernel, state.dtype)
    read = state if recurrent_dropout is None else scaled(state, recurrent_dropout)
    if reset_after:
        row = None if bias is None else cast(bias, state.dtype)[1]
        cell = gru_cell(activation, recurrent_activation)
        return cell(projected, dense(read, kernel, row), (state,))[0]
    gates_in, candidate_in = lax.split(projected, (2 * units, units), axis=-1)
    gate_kernel, candidate_kernel = lax.split(kernel, (2 * units, units), axis=-1)
    update, reset = _halves(recurrent_activation(gates_in + dense(read, gate_kernel)))
    candidate = activation(candidate_in + dense(reset * read, candidate_kernel))
    return update * state + (1 - update) * candidate


def gru(
    sequence: Operand,
    kernel: Operand,
    recurrent_kernel: Operand,
    bias: Operand | None = None,
    initial_state: Operand | None = None,
    mask: Operand | None = None,
    *,
    activation: Activation = lax.tanh,
    recurrent_activation: Activation = lax.logistic,
    reset_after: bool = True,
    go_backwards: bool = False,
    dropout: Operand | None = None,
    recurrent_dropout: Operand | None = None,
    unroll: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Run a gated recurrent unit over a sequence; :func:`gru_step` has the equations.

    The input's products for all steps are one product, taken before the loop.

    Args:
        sequence: ``[batch, time, features]``.
        kernel: ``[features, 3 units]``, gates in the order update, reset, candidate.
        recurrent_kernel: ``[units, 3 units]``, in the same order.
        bias: ``[2, 3 units]`` with ``reset_after`` (input's, state's), else ``[3 units]``.
        initial_state: ``[batch, units]``; zeros where None.
        mask: bool, ``[batch, time]``: where False the state stays, and the output repeats it.
        activation: of the candidate.
        recurrent_activation: of the update and reset gates.
        reset_after: whether the reset gate acts after the product with the recurrent kernel.
        go_backwards: start at the last step; the outputs stand in the order of processing.
        dropout: ``[batch, features]``, factors for the input at every step.
        recurrent_dropout: ``[batch, units]``, factors for the state on its way into the gates.
        unroll: write all steps into the program one after the other, rather than a loop.

    Returns:
        ``(outputs, state)``: ``[batch, time, units]``, and the last state ``[batch, units]``.

    >>> outputs, state = gru(jnp.ones((2, 7, 5)), jnp.ones((5, 12)), jnp.zeros((4, 12)))
    >>> outputs.shape, state.shape, bool((outputs[:, -1] == state).all())
    ((2, 7, 4), (2, 4), True)
    """
    dtype = float_dtype(sequence, kernel, recurrent_kernel, bias, initial_state)
    factors = None if recurrent_dropout is None else cast(recurrent_dropout, dtype)
    weights = cast(recurrent_kernel, dtype)
    shared = None if bias is None else cast(bias, dtype)
    functions = activation, recurrent_activation
    cell = gru_cell(*functions)

    def run(projected: jax.Array, start: State, alive: jax.Array | None) -> tuple[jax.Array, State]:
        if not reset_after:
            return _reset_before(
                projected, start, weights, alive, factors, functions, go_backwards, unroll
            )
        return recur(
            cell, projected, start, weights, shared, alive, factors,
            reverse=go_backwards, plain=not by_hand(*functions), unroll=unroll,
        )  # fmt: skip

    outputs, (state,) = over_sequence(
        run, cast(sequence, dtype), cast(kernel, dtype), None if reset_after else shared,
        weights.shape[0], (initial_state,), mask, go_backwards=go_backwards, dropout=dropout,
    )  # fmt: skip
    return outputs, state


def _reset_before(
    projected: jax.Array,
    start: State,
    kernel: jax.Array,
    mask: jax.Array | None,
    factors: jax.Array | None,
    functions: tuple[Activation, Activation],
    reverse: bool,
    unroll: bool,
) -> tuple[jax.Array, State]:
    """Two products that follow on each other, which only autodiff takes apart."""

    def step(state: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        index, gates = at
        alive = alive_at(mask, index)
        after = gru_step(
            gates, state, kernel, activation=functions[0], recurrent_activation=functions[1],
            reset_after=False, recurrent_dropout=factors,
        )  # fmt: skip
        if alive is not None:
            after = where_alive(alive, after, state)
        return after, after

    every_step = steps_of(projected), time_first(projected)
    state, outputs = lax.scan(step, start[0], every_step, reverse=reverse, unroll=unroll)
    return time_first(outputs), (state,)


def _halves(gates: jax.Array) -> Sequence[jax.Array]:
    units = gates.shape[-1] // 2
    return lax.split(gates, (units, units), axis=-1)
