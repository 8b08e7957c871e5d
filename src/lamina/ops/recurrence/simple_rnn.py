"""The fully connected recurrent unit."""

from __future__ import annotations

import jax
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.dense import dense
from lamina.ops.dropout import scaled
from lamina.ops.recurrence.cell import Activation, Cell, State
from lamina.ops.recurrence.custom_vjp import has_custom_vjp, recur
from lamina.ops.recurrence.input_projection import over_sequence

__all__ = ["simple_rnn", "simple_rnn_cell", "simple_rnn_step"]


def simple_rnn_cell(activation: Activation) -> Cell:
    """Returns the elementwise part of a step."""

    def step(gates: State, state: State) -> State:
        return (activation(gates[0]),)

    return Cell(step, gates=1, shared=1)


def simple_rnn_step(
    projected: jax.Array,
    state: State,
    recurrent_kernel: Operand,
    *,
    activation: Activation = lax.tanh,
    recurrent_dropout: jax.Array | None = None,
) -> State:
    """Computes one step, ``h' = act(g + h U)``.

    Here g is the projected input and U the recurrent kernel.

    Args:
        projected: ``[batch, units]``: ``x kernel + bias``.
        state: h, ``[batch, units]``, in a tuple.
        recurrent_kernel: ``[units, units]``.
        activation: activation of the new state; tanh by default.
        recurrent_dropout: dropout factors of h in the product, ``[batch, units]``; None by
            default.

    Returns:
        The next h, in a tuple.

    Source: Elman, Finding structure in time, 1990.

    >>> import jax.numpy as jnp
    >>> simple_rnn_step(jnp.zeros((1, 2)), (jnp.ones((1, 2)),), jnp.zeros((2, 2)))[0].tolist()
    [[0.0, 0.0]]
    """
    h = state[0] if recurrent_dropout is None else scaled(state[0], recurrent_dropout)
    product = dense(h, cast(recurrent_kernel, h.dtype))
    return simple_rnn_cell(activation)(projected, product, state)


def simple_rnn(
    sequence: Operand,
    kernel: Operand,
    recurrent_kernel: Operand,
    bias: Operand | None = None,
    initial_state: tuple[Operand] | None = None,
    mask: Operand | None = None,
    *,
    activation: Activation = lax.tanh,
    go_backwards: bool = False,
    dropout: Operand | None = None,
    recurrent_dropout: Operand | None = None,
    unroll: bool = False,
) -> tuple[jax.Array, State]:
    """Runs ``h' = act(x kernel + h U + bias)`` over a sequence.

    Args:
        sequence: ``[batch, time, features]``.
        kernel: ``[features, units]``.
        recurrent_kernel: ``[units, units]``.
        bias: ``[units]``; None by default.
        initial_state: h, ``[batch, units]``, in a tuple; zeros if None (default).
        mask: bool ``[batch, time]``, False at padding, where the state does not change and the
            output repeats it; None by default.
        activation: activation of the new state; tanh by default.
        go_backwards: start at the last step, and return outputs in the order of processing; False
            by default.
        dropout: dropout factors of the input, ``[batch, features]``, for all steps; None by
            default.
        recurrent_dropout: dropout factors of h in the product, ``[batch, units]``; None by
            default.
        unroll: compile the steps one after the other instead of a loop; False by default.

    Returns:
        ``(outputs, (h,))``: ``[batch, time, units]``, and the final state.

    >>> import jax.numpy as jnp
    >>> outputs, (h,) = simple_rnn(jnp.ones((2, 7, 5)), jnp.ones((5, 3)), jnp.zeros((3, 3)))
    >>> outputs.shape, h.shape
    ((2, 7, 3), (2, 3))
    """
    dtype = float_dtype(sequence, kernel, recurrent_kernel, bias, *(initial_state or ()))
    factors = None if recurrent_dropout is None else cast(recurrent_dropout, dtype)
    weights = cast(recurrent_kernel, dtype)
    row = None if bias is None else cast(bias, dtype)

    def run(projected: jax.Array, start: State, valid: jax.Array | None) -> tuple[jax.Array, State]:
        return recur(
            simple_rnn_cell(activation), projected, start, weights, row, valid, factors,
            reverse=go_backwards, plain=not has_custom_vjp(activation), unroll=unroll,
        )  # fmt: skip

    return over_sequence(
        run, cast(sequence, dtype), cast(kernel, dtype), None, weights.shape[0],
        initial_state or (None,), mask, go_backwards=go_backwards, dropout=dropout,
    )  # fmt: skip
