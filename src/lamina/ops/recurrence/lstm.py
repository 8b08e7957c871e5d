"""The long short-term memory (LSTM)."""

from __future__ import annotations

import jax
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.dense import dense
from lamina.ops.dropout import scaled
from lamina.ops.recurrence.cell import Activation, Cell, State
from lamina.ops.recurrence.custom_vjp import has_custom_vjp, recur
from lamina.ops.recurrence.input_projection import over_sequence

__all__ = ["lstm", "lstm_cell", "lstm_step"]


def lstm_cell(activation: Activation, recurrent_activation: Activation, *, axis: int = -1) -> Cell:
    """Returns the elementwise part of a step, with the gates side by side on `axis`."""

    def step(gates: State, state: State) -> State:
        gate_in, forget, candidate, out = gates
        _, c = state
        c = recurrent_activation(forget) * c + recurrent_activation(gate_in) * activation(candidate)
        return recurrent_activation(out) * activation(c), c

    return Cell(step, gates=4, shared=4, axis=axis)


def lstm_step(
    projected: jax.Array,
    state: State,
    recurrent_kernel: Operand,
    *,
    activation: Activation = lax.tanh,
    recurrent_activation: Activation = lax.logistic,
    recurrent_dropout: jax.Array | None = None,
) -> State:
    """Computes one step of a long short-term memory.

    With ``U`` the recurrent kernel, ``g`` the projected input and ``s`` the
    ``recurrent_activation``::

        i, f, o = s(g + h U)    candidate n = act(g_c + h U_c)
        c' = f c + i n
        h' = o act(c')

    Args:
        projected: ``[batch, 4 units]``: ``x kernel + bias``, gates in the order input, forget,
            candidate, output.
        state: h and c, ``[batch, units]`` each.
        recurrent_kernel: ``[units, 4 units]``, in the same order.
        activation: activation of the candidate and of c in the output; tanh by default.
        recurrent_activation: activation of the three gates; sigmoid by default.
        recurrent_dropout: dropout factors of h in the gates, ``[batch, units]``; None by default.

    Returns:
        The next h and c.

    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997; forget gate: Gers,
    Schmidhuber, Cummins, 2000.

    >>> import jax.numpy as jnp
    >>> ones = jnp.ones((2, 3))
    >>> h, c = lstm_step(jnp.zeros((2, 12)), (ones, ones), jnp.zeros((3, 12)))
    >>> c[0].tolist()
    [0.5, 0.5, 0.5]
    """
    h = state[0] if recurrent_dropout is None else scaled(state[0], recurrent_dropout)
    product = dense(h, cast(recurrent_kernel, h.dtype))
    return lstm_cell(activation, recurrent_activation)(projected, product, state)


def lstm(
    sequence: Operand,
    kernel: Operand,
    recurrent_kernel: Operand,
    bias: Operand | None = None,
    initial_state: tuple[Operand, Operand] | None = None,
    mask: Operand | None = None,
    *,
    activation: Activation = lax.tanh,
    recurrent_activation: Activation = lax.logistic,
    go_backwards: bool = False,
    dropout: Operand | None = None,
    recurrent_dropout: Operand | None = None,
    unroll: bool = False,
) -> tuple[jax.Array, State]:
    """Runs a long short-term memory over a sequence, with the equations of :func:`lstm_step`.

    Args:
        sequence: ``[batch, time, features]``.
        kernel: ``[features, 4 units]``, gates in the order input, forget, candidate, output.
        recurrent_kernel: ``[units, 4 units]``, in the same order.
        bias: ``[4 units]``; None by default.
        initial_state: h and c, ``[batch, units]`` each; zeros if None (default).
        mask: bool ``[batch, time]``, False at padding, where the state does not change and the
            output repeats it; None by default.
        activation: activation of the candidate and of c in the output; tanh by default.
        recurrent_activation: activation of the three gates; sigmoid by default.
        go_backwards: start at the last step, and return outputs in the order of processing; False
            by default.
        dropout: dropout factors of the input, ``[batch, features]``, for all steps; None by
            default.
        recurrent_dropout: dropout factors of h in the gates, ``[batch, units]``; None by default.
        unroll: compile the steps one after the other instead of a loop; False by default.

    Returns:
        ``(outputs, (h, c))``: ``[batch, time, units]``, and the final state.

    >>> import jax.numpy as jnp
    >>> outputs, (h, c) = lstm(jnp.ones((2, 7, 5)), jnp.ones((5, 12)), jnp.zeros((3, 12)))
    >>> outputs.shape, h.shape, c.shape
    ((2, 7, 3), (2, 3), (2, 3))
    """
    dtype = float_dtype(sequence, kernel, recurrent_kernel, bias, *(initial_state or ()))
    factors = None if recurrent_dropout is None else cast(recurrent_dropout, dtype)
    weights = cast(recurrent_kernel, dtype)
    row = None if bias is None else cast(bias, dtype)
    functions = activation, recurrent_activation

    def run(projected: jax.Array, start: State, valid: jax.Array | None) -> tuple[jax.Array, State]:
        return recur(
            lstm_cell(*functions), projected, start, weights, row, valid, factors,
            reverse=go_backwards, plain=not has_custom_vjp(*functions), unroll=unroll,
        )  # fmt: skip

    return over_sequence(
        run, cast(sequence, dtype), cast(kernel, dtype), None, weights.shape[0],
        initial_state or (None, None), mask, go_backwards=go_backwards, dropout=dropout,
    )  # fmt: skip
