"""The gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.dense import dense
from lamina.ops.dropout import scaled
from lamina.ops.recurrence.cell import Activation, Cell, State
from lamina.ops.recurrence.custom_vjp import has_custom_vjp, recur
from lamina.ops.recurrence.input_projection import over_sequence
from lamina.ops.recurrence.steps import steps_of, time_first, valid_at, where_valid

__all__ = ["gru", "gru_cell", "gru_project", "gru_step"]


def gru_cell(activation: Activation, recurrent_activation: Activation) -> Cell:
    """Returns the elementwise part of a step that applies the reset gate after the product."""

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
    """Returns the projected input ``x kernel + bias``, for :func:`gru_step`.

    Args:
        x: ``[..., features]``.
        kernel: ``[features, 3 units]``, gates in the order update, reset, candidate.
        bias: ``[2, 3 units]`` with ``reset_after``, of which the first row is added here, else
            ``[3 units]``; None by default.
        reset_after: the bias has two rows; True by default.

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
    """Computes one step of a gated recurrent unit.

    With ``U`` the recurrent kernel, ``g`` the projected input and ``s`` the
    ``recurrent_activation``::

        z  = s(g_z + h U_z + b_z)
        r  = s(g_r + h U_r + b_r)
        h' = z h + (1 - z) act(g_h + r (h U_h + b_h))     reset_after
        h' = z h + (1 - z) act(g_h + (r h) U_h)           otherwise

    Args:
        projected: ``[batch, 3 units]``, from :func:`gru_project`.
        state: h, ``[batch, units]``.
        recurrent_kernel: ``[units, 3 units]``, gates in the order update, reset, candidate.
        bias: the bias passed to :func:`gru_project`. With ``reset_after`` its second row is added
            here; otherwise it is not used. None by default.
        activation: activation of the candidate; tanh by default.
        recurrent_activation: activation of the update and reset gates; sigmoid by default.
        reset_after: apply the reset gate after the product with the recurrent kernel instead of
            before it; True by default.
        recurrent_dropout: dropout factors of h in the gates, ``[batch, units]``; None by default.

    Returns:
        ``[batch, units]``, the next state.

    Source: Cho et al., arXiv 1406.1078 (version 3: reset before, version 1: after).

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
    """Runs a gated recurrent unit over a sequence, with the equations of :func:`gru_step`.

    The input is projected for all steps at once, before the loop.

    Args:
        sequence: ``[batch, time, features]``.
        kernel: ``[features, 3 units]``, gates in the order update, reset, candidate.
        recurrent_kernel: ``[units, 3 units]``, in the same order.
        bias: ``[2, 3 units]`` with ``reset_after``, a row for the input and one for the state,
            else ``[3 units]``; None by default.
        initial_state: ``[batch, units]``; zeros if None (default).
        mask: bool ``[batch, time]``, False at padding, where the state does not change and the
            output repeats it; None by default.
        activation: activation of the candidate; tanh by default.
        recurrent_activation: activation of the update and reset gates; sigmoid by default.
        reset_after: apply the reset gate after the product with the recurrent kernel instead of
            before it; True by default.
        go_backwards: start at the last step, and return outputs in the order of processing; False
            by default.
        dropout: dropout factors of the input, ``[batch, features]``, for all steps; None by
            default.
        recurrent_dropout: dropout factors of h in the gates, ``[batch, units]``; None by default.
        unroll: compile the steps one after the other instead of a loop; False by default.

    Returns:
        ``(outputs, state)``: ``[batch, time, units]``, and the final state ``[batch, units]``.

    >>> outputs, state = gru(jnp.ones((2, 7, 5)), jnp.ones((5, 12)), jnp.zeros((4, 12)))
    >>> outputs.shape, state.shape, bool((outputs[:, -1] == state).all())
    ((2, 7, 4), (2, 4), True)
    """
    dtype = float_dtype(sequence, kernel, recurrent_kernel, bias, initial_state)
    factors = None if recurrent_dropout is None else cast(recurrent_dropout, dtype)
    weights = cast(recurrent_kernel, dtype)
    bias_rows = None if bias is None else cast(bias, dtype)
    functions = activation, recurrent_activation
    cell = gru_cell(*functions)

    def run(projected: jax.Array, start: State, valid: jax.Array | None) -> tuple[jax.Array, State]:
        if not reset_after:
            return _reset_before(
                projected, start, weights, valid, factors, functions, go_backwards, unroll
            )
        return recur(
            cell, projected, start, weights, bias_rows, valid, factors,
            reverse=go_backwards, plain=not has_custom_vjp(*functions), unroll=unroll,
        )  # fmt: skip

    outputs, (state,) = over_sequence(
        run, cast(sequence, dtype), cast(kernel, dtype), None if reset_after else bias_rows,
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
    """Runs a GRU with the reset gate before the product, differentiated by JAX."""

    def step(state: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        index, gates = inputs
        valid = valid_at(mask, index)
        after = gru_step(
            gates, state, kernel, activation=functions[0], recurrent_activation=functions[1],
            reset_after=False, recurrent_dropout=factors,
        )  # fmt: skip
        if valid is not None:
            after = where_valid(valid, after, state)
        return after, after

    steps = steps_of(projected), time_first(projected)
    state, outputs = lax.scan(step, start[0], steps, reverse=reverse, unroll=unroll)
    return time_first(outputs), (state,)


def _halves(gates: jax.Array) -> Sequence[jax.Array]:
    units = gates.shape[-1] // 2
    return lax.split(gates, (units, units), axis=-1)
